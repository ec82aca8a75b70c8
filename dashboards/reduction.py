"""Fewer points that look the same: one for each cell of a fine grid, with how many it stands for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FINEST = 1024  # cells along one side
_TABLE = 2**24  # cells that are counted in a table; more are sorted


def thin(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], group: npt.NDArray[np.int64], most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of at most `most` points, 1 or more, and how many points each stands for: all together, all of them.

    The grid is as fine as `most` allows, over the logarithm of x where all x are positive. A point stands only for
    points of its own group (a study) while there is room for one cell a group; of a cell the first point is kept.
    """
    n = len(x)
    if n <= most:
        return np.arange(n), np.ones(n, dtype=np.int64)
    across = _unit(np.log(x) if (x > 0).all() else x)
    up = _unit(y)
    if len(np.unique(group)) > most:
        group = np.zeros_like(group)
    low, high = 1, FINEST  # the finest grid whose cells are few enough, by halving
    while low < high:
        middle = (low + high + 1) // 2
        if _occupied(_cells(across, up, group, middle)) <= most:
            low = middle
        else:
            high = middle - 1
    _, first, counts = np.unique(_cells(across, up, group, low), return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], counts[order]


def _cells(
    across: npt.NDArray[np.float64], up: npt.NDArray[np.float64], group: npt.NDArray[np.int64], side: int
) -> npt.NDArray[np.int64]:
    column, row = (np.minimum((part * side).astype(np.int64), side - 1) for part in (across, up))
    cells: npt.NDArray[np.int64] = (group * side + row) * side + column
    return cells


def _occupied(cells: npt.NDArray[np.int64]) -> int:
    """How many different cells there are."""
    last = int(cells.max())
    if last >= _TABLE:
        return len(np.unique(cells))
    table = np.zeros(last + 1, dtype=bool)
    table[cells] = True
    return int(np.count_nonzero(table))


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
