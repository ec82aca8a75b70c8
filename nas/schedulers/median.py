"""The median rule: a child that does worse than the median of the others did is stopped (Golovin et al. 2017)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.schedulers import whole

if TYPE_CHECKING:
    from nas.objectives import Objective


class Median:
    """Stops a child whose best value up to an epoch is below the median of the others' means up to that epoch.

    The rule is about learning, so of several objectives only the first that is measured counts: a price does not change
    while a child trains. Nothing is judged before epoch `first`, or before `children` others came as far.
    """

    def __init__(self, objectives: Sequence[Objective], epochs: int, first: int, children: int) -> None:
        measured = [place for place, objective in enumerate(objectives) if not objective.exact]
        self._place = measured[0] if measured else None
        self._sign = 1.0 if self._place is None or objectives[self._place].maximise else -1.0
        self._epochs = epochs
        self._first = whole("median", "first", first, 1)
        self._children = whole("median", "children", children, 1)
        self._seen: dict[int, list[float]] = {}  # of each child, its values so far; more is better

    def report(self, id: int, epoch: int, values: Sequence[float]) -> str:
        """Judge the child by all that came as far."""
        if self._place is None or not math.isfinite(values[self._place]):
            return ""
        own = self._seen.setdefault(id, [])
        own.append(self._sign * values[self._place])
        count = len(own)
        others = [
            statistics.fmean(seen[:count]) for other, seen in self._seen.items() if other != id and seen[count - 1 :]
        ]
        if epoch < self._first or epoch >= self._epochs or len(others) < self._children:
            return ""
        middle = statistics.median(others)
        if max(own) >= middle:
            return ""
        best, usual = f"{self._sign * max(own):.4g}", f"{self._sign * middle:.4g}"
        judged = f"after epoch {epoch} of {self._epochs} its best was {best}"
        return f"{judged}, where the median of {len(others)} was {usual}"
