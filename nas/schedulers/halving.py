"""Asynchronous successive halving: at a few epochs, the rungs, only the best share of the children goes on.

ASHA (Li et al. 2020) in its stopping form, where a child is judged when it arrives and nothing is ever resumed; with
several objectives by non-dominated front (Schmucker et al. 2021), which is never divided; and Hyperband's brackets (Li
et al. 2018) around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.ranking import fitness
from nas.schedulers import whole

if TYPE_CHECKING:
    from nas.objectives import Objective


LATEST = 500  # children that a new one is compared with at a rung


class Halving:
    """Children of a bracket meet at rungs `first`, `first` * `reduction`, …; one in `reduction` goes on from each.

    A child goes on when of all that came to the rung before it (of many, the latest) and itself fewer than 1 /
    `reduction` are better; while fewer than `reduction` came, it does. Of several objectives all count, the price too:
    better are those on a front before its own, so that what is on the front of its rung always goes on, however many
    dear children are more accurate than a cheap one, and however few children there are. Bracket b has its first rung
    b rungs later, and children take the brackets in turn: some are judged early, others only once they had a chance to
    show what they can do.
    """

    def __init__(
        self, name: str, objectives: Sequence[Objective], epochs: int, reduction: int, first: int, brackets: int
    ) -> None:
        self._maximise = [objective.maximise for objective in objectives]
        self._reduction = whole(name, "reduction", reduction, 2)
        self._brackets = whole(name, "brackets", brackets, 1)
        whole(name, "first", first, 1)
        rungs = [first * reduction**power for power in range(32) if first * reduction**power < epochs]
        self._epochs = epochs
        # By bracket: the values that children had at each of its rungs, in the order of their arrival.
        self._rungs: list[dict[int, list[tuple[float, ...]]]] = [
            {epoch: [] for epoch in rungs[skipped:]} for skipped in range(self._brackets)
        ]

    def report(self, id: int, epoch: int, values: Sequence[float]) -> str:
        """Judge the child if this is a rung of its bracket."""
        arrived = self._rungs[id % self._brackets].get(epoch)
        if arrived is None or not all(map(math.isfinite, values)):
            return ""
        arrived.append(tuple(values))
        del arrived[:-LATEST]
        if len(arrived) < self._reduction:
            return ""
        found = fitness(arrived, self._maximise)
        better = sum(other > found[-1] for other in found)
        bound = len(arrived) // self._reduction
        if better < bound:
            return ""
        place = f"after epoch {epoch} of {self._epochs}, {better} of {len(arrived)} were better"
        return f"{place}; fewer than {bound} may be"
