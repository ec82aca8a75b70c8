"""`/api/points`: every trial as a point, and the front of each dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.archive import Archive, names_of
from dashboards.columns import BASELINE, COMPLETE
from dashboards.errors import BadParameter
from dashboards.filters import Filter
from dashboards.fronts import front_of, values_of
from dashboards.packing import number, pack
from dashboards.reduction import thin
from dashboards.selection import Rows, check_quantity, maximised, select
from dashboards.studies import StudyView
from nas.store.records import KINDS

LIMIT = 120_000  # points that a browser draws with WebGL

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

    @property
    def baseline(self) -> npt.NDArray[np.bool_]:
        """Which rows are baselines."""
        found: npt.NDArray[np.bool_] = self.trials["kind"] == BASELINE
        return found

    def name(self, row: int) -> str | None:
        """The name of a baseline."""
        return self.found[int(self.study[row])].columns.names.get(int(self.trials["number"][row]))


def points(archive: Archive, wanted: Filter, x: str, y: str, limit: int = LIMIT) -> dict[str, Any]:
    """The document; `x` and `y` are quantities. Points of the fronts and baselines are never left out.

    Raises `BadParameter` for a word that does not exist.
    """
    studies = archive.chosen(wanted)
    if x == y:
        raise BadParameter(f"x and y are both {x!r}; choose two different quantities")
    for parameter, name in (("x", x), ("y", y)):
        check_quantity(archive, studies, parameter, name)
    maximise = [maximised(studies, y, True), maximised(studies, x, False)]
    cloud = _gather(list(select(archive, wanted)), x, y)
    on_front, fronts = _fronts(cloud, studies, maximise, y == "accuracy")
    baseline = cloud.baseline
    chosen, counts = _reduced(cloud, on_front | baseline, limit)
    return {
        "x": x,
        "y": y,
        "maximise": {"x": maximise[1], "y": maximise[0]},
        "studies": names_of([rows.study for rows in cloud.found]),
        "total": len(cloud.x),
        "shown": len(chosen),
        "reduced": len(chosen) < len(cloud.x),
        "columns": {
            "study": pack(cloud.study[chosen], "u2"),
            "number": pack(cloud.trials["number"][chosen], "i4"),
            "x": pack(cloud.x[chosen], "f4"),
            "y": pack(cloud.y[chosen], "f4"),
            "params": pack(cloud.params[chosen], "f4"),
            "kind": pack(cloud.trials["kind"][chosen], "u1"),
            "front": pack(on_front[chosen], "u1"),
            "count": pack(counts, "i4"),
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
        parts.append((of, trials, across[known], up[known], rows.quantity("params")[known]))
    if not parts:
        kinds = np.dtype([("number", "i4"), ("state", "u1"), ("kind", "u1")])
        none = np.empty(0)
        return Cloud([], np.empty(0, dtype=np.int64), np.empty(0, dtype=kinds), none, none, none)
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
        fronts.append({"dataset": dataset, "rows": rows, "hypervolume": volume, "reference": bound})
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
