"""`/api/points`: every trial as a point, and the front of each dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.archive import Archive, names_of
from dashboards.columns import BASELINE, COMPLETE
from dashboards.cursor import question_of, read_cursor, write_cursor
from dashboards.errors import BadParameter
from dashboards.filters import Filter
from dashboards.fronts import front_of, values_of
from dashboards.packing import number, pack, pack_counts
from dashboards.reduction import thin
from dashboards.selection import Rows, check_quantity, maximised, select
from dashboards.studies import StudyView
from nas.store.records import KINDS

LIMIT = 120_000  # points that a browser draws with WebGL
MANY = 20_000  # changed points; with more all are sent

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cloud:
    """The trials of some studies as columns, one row a trial whose x and y are both known.

    `study` is the place in `found`, of which the rows came.
    """

    found: list[Rows]
    study: Indices
    trials: npt.NDArray[Any]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    params: npt.NDArray[np.float64]
    stamps: npt.NDArray[np.int32]

    @property
    def baseline(self) -> npt.NDArray[np.bool_]:
        """Which rows are baselines."""
        found: npt.NDArray[np.bool_] = self.trials["kind"] == BASELINE
        return found

    def name(self, row: int) -> str | None:
        """The name of a baseline."""
        return self.found[int(self.study[row])].columns.names.get(int(self.trials["number"][row]))


def points(archive: Archive, wanted: Filter, x: str, y: str, limit: int = LIMIT, after: str = "") -> dict[str, Any]:
    """The document; `x` and `y` are quantities. Points of the fronts and baselines are never left out.

    With the `cursor` of an earlier answer as `after`, only the points that changed since, if that can be said.
    Raises `BadParameter` for a word that does not exist.
    """
    studies = archive.chosen(wanted)
    now = archive.moment(studies)
    if x == y:
        raise BadParameter(f"x and y are both {x!r}; choose two different quantities")
    for parameter, name in (("x", x), ("y", y)):
        check_quantity(archive, studies, parameter, name)
    maximise = [maximised(studies, y, True), maximised(studies, x, False)]
    cloud = _gather(list(select(archive, wanted)), x, y)
    on_front, fronts = _fronts(cloud, studies, maximise, y == "accuracy")
    baseline = cloud.baseline
    question = question_of(archive, studies, wanted, x, y, limit)
    since = read_cursor(after, question)
    changed = None if since is None else changes(cloud, since, x, y)
    if changed is not None and (len(changed.rows) > MANY or (len(changed.gone) and len(cloud.x) > limit)):
        changed = None
    if changed is None:
        chosen, counts = _reduced(cloud, on_front | baseline, limit)
    else:
        chosen, counts = changed.rows, np.ones(len(changed.rows), dtype=np.int64)
    return {
        "x": x,
        "y": y,
        "maximise": {"x": maximise[1], "y": maximise[0]},
        "studies": names_of([rows.study for rows in cloud.found]),
        "total": len(cloud.x),
        "shown": len(chosen),
        "reduced": changed is None and len(chosen) < len(cloud.x),
        "delta": changed is not None,
        "cursor": write_cursor(question, now),
        "gone": [] if changed is None else changed.gone,
        "columns": {
            "study": pack_counts(cloud.study[chosen]),
            "number": pack_counts(cloud.trials["number"][chosen]),
            "x": pack(cloud.x[chosen], "f4"),
            "y": pack(cloud.y[chosen], "f4"),
            "params": pack(cloud.params[chosen], "f4"),
            "kind": pack(cloud.trials["kind"][chosen], "u1"),
            "front": pack(on_front[chosen], "u1"),
            "count": pack_counts(counts),
        },
        "names": {str(place): cloud.name(row) for place, row in enumerate(chosen.tolist()) if baseline[row]},
        "fronts": fronts,
    }


def _gather(found: list[Rows], x: str, y: str) -> Cloud:
    parts = []
    for place, rows in enumerate(found):
        across, up = rows.quantity(x), rows.quantity(y)
        known = np.isfinite(across) & np.isfinite(up)
        trials = rows.trials[["number", "state", "kind"]][known]
        of = np.full(len(trials), place, dtype=np.int64)
        parts.append((of, trials, across[known], up[known], rows.quantity("params")[known], rows.stamps[known]))
    if not parts:
        kinds = np.dtype([("number", "i4"), ("state", "u1"), ("kind", "u1")])
        none = np.empty(0)
        stamps = np.empty(0, dtype=np.int32)
        return Cloud([], np.empty(0, dtype=np.int64), np.empty(0, dtype=kinds), none, none, none, stamps)
    return Cloud(found, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def _fronts(
    cloud: Cloud, studies: list[StudyView], maximise: list[bool], accuracy: bool
) -> tuple[npt.NDArray[np.bool_], list[dict[str, Any]]]:
    """Which rows are on the front of their dataset, and those fronts; only complete trials count."""
    on_front = np.zeros(len(cloud.x), dtype=bool)
    fronts = []
    for dataset in dict.fromkeys(study.dataset for study in studies):
        of = [place for place, rows in enumerate(cloud.found) if rows.study.dataset == dataset]
        here = np.flatnonzero(np.isin(cloud.study, of) & (cloud.trials["state"] == COMPLETE))
        best, volume, bound = front_of(values_of(cloud.y[here], cloud.x[here]), maximise, accuracy)
        members = here[best]
        on_front[members] = True
        rows = [_row(cloud, row) for row in members.tolist()]
        recipes = len({cloud.found[place].study.recipe_key for place in of})
        fronts.append({"dataset": dataset, "rows": rows, "hypervolume": volume, "reference": bound, "recipes": recipes})
    return on_front, fronts


def _row(cloud: Cloud, row: int) -> dict[str, Any]:
    return {
        "study": cloud.found[int(cloud.study[row])].study.name,
        "number": int(cloud.trials["number"][row]),
        "kind": KINDS[cloud.trials["kind"][row]],
        "name": cloud.name(row),
        "x": float(cloud.x[row]),
        "y": float(cloud.y[row]),
        "params": number(cloud.params[row]),
    }


@dataclass(frozen=True)
class Changes:
    """What changed: rows of a cloud, and [place in its studies, number] of trials that are no longer in it."""

    rows: Indices
    gone: list[list[int]]


def changes(cloud: Cloud, since: int, x: str, y: str) -> Changes:
    """What changed after `since` of `CLOCK`."""
    gone = []
    for place, rows in enumerate(cloud.found):
        left = rows.outside[rows.outside_stamps > since].tolist()
        new = np.flatnonzero(rows.stamps > since)
        if len(new):  # what passes, but lost one of its values
            known = np.isfinite(rows.quantity(x)[new]) & np.isfinite(rows.quantity(y)[new])
            left += rows.trials["number"][new[~known]].tolist()
        gone += [[place, number] for number in left]
    return Changes(np.flatnonzero(cloud.stamps > since), gone)


def _reduced(cloud: Cloud, always: npt.NDArray[np.bool_], limit: int) -> tuple[Indices, Indices]:
    """The rows that are shown, ascending, and how many trials each stands for."""
    kept, rest = np.flatnonzero(always), np.flatnonzero(~always)
    if not len(rest):
        return kept, np.ones(len(kept), dtype=np.int64)
    room = max(1, limit - len(kept))  # one at least, so that all are counted
    thinned, stands_for = thin(cloud.x[rest], cloud.y[rest], cloud.study[rest], room)
    chosen = np.concatenate([kept, rest[thinned]])
    counts = np.concatenate([np.ones(len(kept), dtype=np.int64), stands_for])
    order = np.argsort(chosen)
    return chosen[order], counts[order]
