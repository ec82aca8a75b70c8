"""Points as rows of numbers for a model: the space's features of the axes, and the price on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.controllers.gaussian import Columns

if TYPE_CHECKING:
    from nas.controllers.problem import Problem
    from searchspaces import Point

COSTS = ("flops", "params")


class Encoding:
    """The rows of a problem's points, and what their `columns` are; the trend is along the FLOPs.

    `typical`: points that the logarithms of the costs are scaled by, to mean 0 and deviation 1.
    """

    def __init__(self, problem: Problem, typical: Sequence[Point]) -> None:
        self._problem = problem
        axes: list[tuple[int, ...]] = []
        column = 0
        for axis in problem.space.axes:
            width = axis.conditional + (1 if axis.ordinal else len(axis))
            axes.append(tuple(range(column, column + width)))
            column += width
        self.columns = Columns(tuple(axes))
        if problem.priced:
            self.columns = Columns(tuple(axes), tuple((column + place,) for place in range(len(COSTS))), column)
            costs = np.array([self._costs(point) for point in typical])
            self._centre, spread = costs.mean(axis=0), costs.std(axis=0)
            self._spread = np.where(spread > 1e-9, spread, 1.0)

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(map(len, self.columns.groups))

    def row(self, point: Point) -> npt.NDArray[np.float64]:
        """The features of one point."""
        axes = np.array(self._problem.space.features(point), dtype=float)
        if not self._problem.priced:
            return axes
        return np.concatenate([axes, (np.array(self._costs(point)) - self._centre) / self._spread])

    def _costs(self, point: Point) -> list[float]:
        cost = self._problem.cost(point)
        known = {} if cost is None else cost.to_json()
        return [math.log(max(1, known.get(name, 1))) for name in COSTS]
