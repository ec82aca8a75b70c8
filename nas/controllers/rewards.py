"""What a policy gradient learns from: rewards, and scores of how results rank among those so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.objectives import scalarise
from nas.ranking import Vector, fitness, scores

if TYPE_CHECKING:
    from nas.controllers.problem import Problem

MEMORY = 500  # results that a new one is ranked among

Values = tuple[float, ...] | None  # of a child; None if it failed


class Rewards:
    """Ranks results, by reward or by front, and keeps what that needs.

    The reward is `scalarise` of the objectives: the value of a single one; accuracy * (flops / target) ** -cost_weight
    for two (MnasNet; Tan et al. 2019, eq. 2). The target is the bound that a constraint sets on that objective, else
    the geometric mean of the first batch. With `by_front`, several objectives are ranked by non-dominated
    front instead, and the reward is only reported. A failed child ranks below all others.
    """

    def __init__(self, problem: Problem, cost_weight: float, by_front: bool) -> None:
        self._objectives = problem.objectives
        self._maximise = [objective.maximise for objective in problem.objectives]
        self._bounds = {rule.name: rule.bound for rule in problem.constraints if rule.relation == "<="}
        self._cost_weight = cost_weight
        self._by_front = by_front
        self._references: list[float] = []
        self._history: list[Values] = []

    def take(self, batch: Sequence[Values]) -> tuple[Vector, float | None]:
        """The batch's scores among the latest results, and the mean reward of those that succeeded, if any did."""
        succeeded = [values for values in batch if values is not None]
        if succeeded and not self._references:
            self._references = [
                self._bounds.get(objective.name) or _geometric_mean(column)
                for objective, column in zip(self._objectives, zip(*succeeded, strict=True), strict=True)
            ]
        self._history = [*self._history, *batch][-max(MEMORY, len(batch)) :]
        known = [values for values in self._history if values is not None]
        ranked = iter(fitness(known, self._maximise) if self._by_front else [self._reward(row) for row in known])
        found = [-math.inf if values is None else next(ranked) for values in self._history]
        rewards = [self._reward(values) for values in succeeded]
        return scores(found)[-len(batch) :], sum(rewards) / len(rewards) if rewards else None

    def _reward(self, values: tuple[float, ...]) -> float:
        return scalarise(self._objectives, values, self._references, self._cost_weight)


def _geometric_mean(column: Sequence[float]) -> float:
    """Of the positive values; 1 if there are none."""
    logs = [math.log(value) for value in column if value > 0]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0
