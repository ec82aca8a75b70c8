"""`/api/progress`: how far each study has come, what runs now, and its controller's own numbers."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_left
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.archive import Archive
from dashboards.columns import CHILD, COMPLETE
from dashboards.errors import BadParameter
from dashboards.filters import Filter
from dashboards.fronts import reference, values_of
from dashboards.packing import pack
from dashboards.selection import Rows, check_quantity, maximised, select
from nas import pareto
from nas.store.queries import curve_sample
from nas.store.records import STATES

STEPS = 2000  # of one curve
KEPT = 256  # results of `steps`
PRUNED = STATES.index("pruned")
USED = [STATES.index(state) for state in ("complete", "pruned", "failed")]  # as Loop.trained counts

Floats = npt.NDArray[np.float64]

_kept: OrderedDict[bytes, tuple[Any, Floats, Floats]] = OrderedDict()
_turn = threading.Lock()


def progress(archive: Archive, wanted: Filter, x: str, y: str) -> dict[str, Any]:
    """The document: `x` and `y` span the hypervolume; all studies of a dataset share its reference point.

    Raises `BadParameter`.
    """
    studies = archive.chosen(wanted)
    if x == y:
        raise BadParameter(f"x and y are both {x!r}; choose two different quantities")
    for parameter, name in (("x", x), ("y", y)):
        check_quantity(archive, studies, parameter, name)
    maximise = [maximised(studies, y, True), maximised(studies, x, False)]
    found = list(select(archive, wanted, children=True))
    bounds: dict[str, list[float]] = {}
    for dataset in dict.fromkeys(rows.study.dataset for rows in found):
        parts = [_values(rows, x, y)[1] for rows in found if rows.study.dataset == dataset]
        bounds[dataset] = reference(np.concatenate(parts), maximise, y == "accuracy")
    return {
        "x": x,
        "y": y,
        "maximise": {"x": maximise[1], "y": maximise[0]},
        "studies": [_study(archive, rows, x, y, maximise, bounds[rows.study.dataset]) for rows in found],
    }


def _study(archive: Archive, rows: Rows, x: str, y: str, maximise: list[bool], bound: list[float]) -> dict[str, Any]:
    study, store = rows.study, archive.store
    trials, values = _values(rows, x, y)
    chosen, volumes, bests = _remembered(values, maximise, bound)
    began = study.record.created_at.timestamp()
    every = archive.columns(study).refresh()
    used = int(((every["kind"] == CHILD) & (every["reused"] == 0) & np.isin(every["state"], USED)).sum())
    return {
        "name": study.name,
        "dataset": study.dataset,
        "objective": y,
        "reference": bound,
        "columns": {
            "trial": pack(chosen + 1, "i4"),
            "hours": pack((trials["finished"][chosen] - began) / 3600, "f4"),
            "hypervolume": pack(volumes, "f4"),
            "best": pack(bests, "f4"),
        },
        "budget_left": None if study.budget is None else max(0, study.budget - used),
        "scheduler": study.scheduler,
        "pruned": int((every["state"] == PRUNED).sum()),
        "epochs": _epochs(every, study.epochs),
        "running": [
            {
                "number": trial.number,
                "name": trial.name,
                "epoch": trial.epochs,
                "epochs": study.epochs,
                "val_accuracy": trial.val_accuracy,
                "seconds": None if trial.started_at is None else (datetime.now(UTC) - trial.started_at).total_seconds(),
                "worker": trial.worker,
            }
            for trial in (store.trials(study.record.id, state="running") if study.record.counts["running"] else [])
        ],
        "curves": _curves(archive, study.record.id),
    }


def _epochs(trials: Any, each: int | None) -> dict[str, int] | None:
    """Epochs that the children were trained, and without a scheduler would have been, as `nas.results.Study.epochs`."""
    if each is None:
        return None
    own = (trials["kind"] == CHILD) & (trials["reused"] == 0)
    trained = int(trials["epochs"][own].sum())
    saved = int((each - trials["epochs"][own & (trials["state"] == PRUNED)]).sum())
    return {"trained": trained, "without_scheduler": trained + saved}


def steps(values: Floats, maximise: list[bool], bound: list[float]) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Where the hypervolume or the best first value changes: (indices, hypervolumes, bests), the last row always.

    At most `STEPS` of them; a change of the best is never dropped. `values`: one row (y, x) a trial, in order of time.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
    sign = np.where(maximise, 1.0, -1.0)
    best = np.maximum.accumulate(values[:, 0] * sign[0]) * sign[0]
    better = np.flatnonzero(np.concatenate([[True], best[1:] != best[:-1]]))
    entered = _entering(values * sign)
    last = len(values) - 1
    kept = set(better.tolist()) | {0, last}
    others = [index for index in entered if index not in kept]
    room = max(0, STEPS - len(kept))
    if len(others) > room:
        others = [others[int(place)] for place in np.linspace(0, len(others) - 1, room)] if room else []
    chosen = np.array(sorted(kept | set(others)), dtype=np.int64)
    members = np.array(entered, dtype=np.int64)
    volumes = np.empty(len(chosen))
    front = np.empty((0, 2))
    done = 0
    for place, index in enumerate(chosen.tolist()):
        upto = int(np.searchsorted(members, index, side="right"))
        if upto > done or place == 0:
            candidates = np.concatenate([front, values[members[done:upto]]])
            front = candidates[pareto.front(candidates, maximise)]
            volumes[place] = pareto.hypervolume(front, maximise, bound)
            done = upto
        else:
            volumes[place] = volumes[place - 1]
    return chosen, volumes, best[chosen]


def _remembered(values: Floats, maximise: list[bool], bound: list[float]) -> tuple[Any, Floats, Floats]:
    """`steps`, of which the last results are kept: while one study runs, the others stay as they are."""
    key = hashlib.sha256(values.tobytes() + repr((maximise, bound)).encode()).digest()
    with _turn:
        if key not in _kept:
            _kept[key] = steps(values, maximise, bound)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def _entering(gains: Floats) -> list[int]:
    """The indices of the rows that no earlier row covers, by a staircase of two columns that are both maximised."""
    firsts: list[float] = []  # ascending, while
    seconds: list[float] = []  # these descend
    found = []
    for index, (first, second) in enumerate(gains.tolist()):
        place = bisect_left(firsts, first)
        if place < len(firsts) and seconds[place] >= second:
            continue
        found.append(index)
        start = place
        if place < len(firsts) and firsts[place] == first:
            place += 1
        while start > 0 and seconds[start - 1] <= second:
            start -= 1
        firsts[start:place], seconds[start:place] = [first], [second]
    return found


def _values(rows: Rows, x: str, y: str) -> tuple[Any, Floats]:
    """The complete trials with both values, in the order in which they ended, and those values as (y, x)."""
    values = values_of(rows.quantity(y), rows.quantity(x))
    known = np.flatnonzero((rows.trials["state"] == COMPLETE) & np.isfinite(values).all(axis=1))
    order = known[np.argsort(rows.trials["finished"][known], kind="stable")]
    return rows.trials[order], values[order]


def _curves(archive: Archive, study_id: int) -> dict[str, Any]:
    records = curve_sample(archive.store, study_id, STEPS)
    found = {}
    for name in dict.fromkeys(name for record in records for name in record.values):
        pairs = [(record.step, record.values[name]) for record in records if name in record.values]
        found[name] = {
            "step": pack([step for step, _ in pairs], "i4"),
            "value": pack([np.nan if value is None else value for _, value in pairs], "f4"),
        }
    return found
