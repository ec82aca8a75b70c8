"""How results compare with each other, where only their order counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.pareto import front

Vector = npt.NDArray[np.float64]


def fitness(rows: Sequence[tuple[float, ...]], maximise: Sequence[bool]) -> list[float]:
    """What to compare rows of values by; more is better.

    For one objective its value, negated if it is minimised. For several minus the number of the row's front (Deb et
    al. 2002, section III.A): 0 for a row that no other dominates, -1 for one that only those dominate, and so on.
    """
    if len(maximise) == 1:
        return [row[0] if maximise[0] else -row[0] for row in rows]
    found = [0.0] * len(rows)
    left = list(range(len(rows)))
    depth = 0
    while left:
        best = {left[index] for index in front([rows[index] for index in left], maximise)}
        equal = {rows[index] for index in best}  # of equal rows `front` keeps one
        for index in left:
            if rows[index] in equal:
                found[index] = -float(depth)
        left = [index for index in left if rows[index] not in equal]
        depth += 1
    return found


def scores(found: Sequence[float]) -> Vector:
    """Each number's exponential score (Savage 1956): about -log(the share of the numbers that are better) - 1.

    The scores of n different numbers are from about -1 for the least to log(2 n) - 1 for the greatest, and have mean
    0 and variance 1 for large n. Equal numbers have equal scores.
    """
    values = np.asarray(found, dtype=np.float64)
    ordered = np.sort(values)
    middle = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    better = (len(values) - middle) / len(values)  # half of the equals count as better
    result: Vector = -np.log(better) - 1
    return result


def order(rows: Sequence[tuple[float, ...]], maximise: Sequence[bool]) -> list[int]:
    """The rows' indices, the best first: front by front, and within a front the rows that spread it most.

    The first of a front is the best in the first objective; each next is the row farthest, in units of the front's
    extent, from those taken before (Schmucker et al. 2021, section 4.2, after Salinas et al. 2021). Of one objective
    simply the order of its values. Equals stand in the order in which they came.
    """
    found = fitness(rows, maximise)
    if len(maximise) == 1:
        return sorted(range(len(rows)), key=lambda index: -found[index])
    ordered: list[int] = []
    for level in sorted(set(found), reverse=True):
        ordered += _spread([index for index, own in enumerate(found) if own == level], rows, maximise[0])
    return ordered


def _spread(members: list[int], rows: Sequence[tuple[float, ...]], maximise_first: bool) -> list[int]:
    values = np.array([rows[index] for index in members], dtype=np.float64)
    extent = np.ptp(values, axis=0)
    values = (values - values.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    taken = [int(np.argmax(values[:, 0] if maximise_first else -values[:, 0]))]
    nearest = ((values - values[taken[0]]) ** 2).sum(axis=1)
    nearest[taken[0]] = -1.0
    while len(taken) < len(members):
        far = int(np.argmax(nearest))
        taken.append(far)
        nearest = np.minimum(nearest, ((values - values[far]) ** 2).sum(axis=1))
        nearest[taken] = -1.0
    return [members[place] for place in taken]
