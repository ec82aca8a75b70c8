"""`Outlook`: what a child that was stopped early would have come to, guessed from how the others went on.

A controller must not take the accuracy after two epochs for that after twenty: the children that went on would look
better only because they did. So it is told what a child is expected to reach. The store keeps what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.objectives import Objective

Values = Sequence[float]  # of the objectives, in their order


class Outlook:
    """The mean gain of each epoch over the one before, of all children that ended; by objective."""

    def __init__(self, objectives: Sequence[Objective], epochs: int) -> None:
        self._maximise = [objective.maximise for objective in objectives]
        self._epochs = epochs
        self._sums = [[0.0] * len(objectives) for _ in range(epochs)]  # [e]: of the gains from epoch e + 1 to e + 2
        self._counts = [0] * epochs
        self._best: list[float] | None = None  # of the children that were trained to their end

    def add(self, curve: Sequence[Values]) -> None:
        """A child has ended: its values after each of its epochs."""
        for place, (before, after) in enumerate(pairwise(curve[: self._epochs])):
            gains = [new - old for old, new in zip(before, after, strict=True)]
            if all(map(math.isfinite, gains)):
                self._sums[place] = [total + gain for total, gain in zip(self._sums[place], gains, strict=True)]
                self._counts[place] += 1
        if len(curve) >= self._epochs:
            last, best = curve[-1], self._best or curve[-1]
            self._best = [
                max(pair) if more else min(pair)
                for more, pair in zip(self._maximise, zip(last, best, strict=True), strict=True)
            ]

    def end(self, curve: Sequence[Values]) -> list[float]:
        """The last values plus the gains of the epochs that were left out, but none better than any child reached.

        While no child has gone further, the last values.
        """
        expected = list(curve[-1])
        for place in range(len(curve) - 1, self._epochs - 1):
            if self._counts[place]:
                gains = (total / self._counts[place] for total in self._sums[place])
                expected = [value + gain for value, gain in zip(expected, gains, strict=True)]
        if self._best is None:
            return expected
        return [
            min(value, best) if more else max(value, best)
            for more, value, best in zip(self._maximise, expected, self._best, strict=True)
        ]
