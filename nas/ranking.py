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
