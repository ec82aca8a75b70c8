"""Regularised evolution: mutants of tournament winners, and the oldest member dies (Real et al. 2019, algorithm 1)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.controllers.ledger import Ledger, flag, number, whole
from nas.controllers.starts import Starts
from nas.errors import ControllerError
from nas.ranking import fitness

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.controllers.problem import Problem
    from searchspaces import Point

TRIES = 64  # mutants of winners before a new point is looked for further away


@dataclass(frozen=True)
class Member:
    """A child that was trained, and its values."""

    point: Point
    values: tuple[float, ...]


class EvolutionController:
    """A population in which tournament winners have children, and whoever is oldest dies.

    Ageing keeps a lucky result from staying for ever: what lasts is what keeps doing well when it is inherited. The
    first `start` proposals are the hand-designed networks (at most half of them) and random points. From then on
    the tournament is among those whose results are in, so no proposal waits for a child in flight; members are as
    old as their result. A child without values never joins.

    With several objectives members compare by their non-dominated front (Deb et al. 2002, section III.A), and at
    random within one front, so that children come from all along it; the oldest that is not on the best front dies.

    population: members kept. tournament: members drawn for a tournament; its best is the parent. start: proposals
    before the first child. crossover: the share of children that take each axis from one of two winners before
    they are mutated (the paper has none). ageing: whether the oldest dies; else it is the worst. hand_designed: whether
    to start from the space's hand-designed networks.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int = 30,
        tournament: int = 15,
        start: int = 10,
        crossover: float = 0.0,
        ageing: bool = True,
        hand_designed: bool = True,
    ) -> None:
        self._size = whole("evolution", "population", population, 2)
        self._tournament = whole("evolution", "tournament", tournament, 1)
        if tournament > population:
            raise ControllerError(
                f"controller 'evolution': tournament = {tournament}; at most the population, {population}"
            )
        self._crossover = number("evolution", "crossover", crossover, 0, 1)
        self._ageing = flag("evolution", "ageing", ageing)
        self._space = problem.space
        self._maximise = [objective.maximise for objective in problem.objectives]
        self._rng = random.Random(seed)
        self._ledger = Ledger(problem)
        self._members: list[Member] = []  # the oldest first
        self._fitness: list[float] = []  # of the members; more is better
        known = flag("evolution", "hand_designed", hand_designed)
        self._starts = Starts(self._ledger, self._rng, whole("evolution", "start", start, 1), known)

    def ask(self) -> Proposal:
        """A start, or a mutated child of a winner. Raises `SpaceExhausted`."""
        point = self._starts.next()
        if point is None:
            point = self._ledger.fresh(self._child, self._rng, TRIES) if self._members else self._starts.random()
        return self._ledger.open(point)

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """A child with values joins the population; one dies for it once the population is full."""
        point, found = self._ledger.close(id, values)
        if found is None:
            return
        self._members.append(Member(point, found))
        self._fitness = fitness([member.values for member in self._members], self._maximise)
        if len(self._members) > self._size:
            dies = self._dies()
            del self._members[dies]
            self._fitness = fitness([member.values for member in self._members], self._maximise)

    @property
    def curves(self) -> dict[str, float]:
        """Nothing to plot."""
        return {}

    def _child(self) -> Point:
        point = self._winner()
        if self._crossover and self._rng.random() < self._crossover:
            point = self._space.crossover(point, self._winner(), self._rng)
        return self._space.mutate(point, self._rng)

    def _winner(self) -> Point:
        drawn = self._rng.sample(range(len(self._members)), min(self._tournament, len(self._members)))
        return self._members[max(drawn, key=self._fitness.__getitem__)].point  # of equals the first drawn

    def _dies(self) -> int:
        if not self._ageing:
            return min(range(len(self._members)), key=self._fitness.__getitem__)
        if len(self._maximise) == 1:
            return 0
        best = max(self._fitness)
        return next((index for index, fit in enumerate(self._fitness) if fit < best), 0)
