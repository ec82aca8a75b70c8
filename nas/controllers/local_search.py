"""Local search: try the neighbours of the best, move to what is better, start anew at a local optimum.

White et al. 2021 (algorithm 1) for one objective; Den Ottelander et al. 2021 for several.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nas.controllers.ledger import Ledger, flag, whole
from nas.controllers.starts import Starts
from nas.pareto import front

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.controllers.problem import Problem
    from searchspaces import Point

TRIES = 64  # kicks before a new point is looked for further away


class LocalController:
    """Proposes untried neighbours, in random order, of the best point so far, or of the front's points if several.

    A neighbour differs in one axis. The first climb starts from the best of `start` points: the hand-designed networks
    (at most half of them) and random ones. Once all neighbours of the best were proposed, a new climb
    starts. No proposal waits: while the last neighbours are in flight the next climb begins, and is left for as
    long as a result gives the best of all new neighbours to try. A child without values is never moved to.

    start: points that the first climb chooses from. kick: a new climb starts that many mutations away from the best
    (iterated local search, Lourenço et al. 2003); 0 for a random point, as in the papers. hand_designed: whether to
    start from the space's hand-designed networks too.
    """

    def __init__(
        self, problem: Problem, seed: int, *, start: int = 10, kick: int = 3, hand_designed: bool = True
    ) -> None:
        self._kick = whole("local", "kick", kick, 0)
        self._space = problem.space
        self._maximise = [objective.maximise for objective in problem.objectives]
        self._rng = random.Random(seed)
        self._ledger = Ledger(problem)
        known = flag("local", "hand_designed", hand_designed)
        self._starts = Starts(self._ledger, self._rng, whole("local", "start", start, 1), known)
        self._best, self._climb = Best(self._maximise), Best(self._maximise)  # of all, and of the climb
        self._open: dict[int, Best] = {}  # the climb of each open proposal
        self._untried: dict[Point, Iterator[Point]] = {}

    def ask(self) -> Proposal:
        """A start, or a neighbour of the best. Raises `SpaceExhausted`."""
        proposal = self._ledger.open(self._step() if (start := self._starts.next()) is None else start)
        self._open[proposal.id] = self._climb
        return proposal

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """Move where the result is better."""
        point, found = self._ledger.close(id, values)
        climb = self._open.pop(id)
        if found is not None:
            climb.add(point, found)
            self._best.add(point, found)

    @property
    def curves(self) -> dict[str, float]:
        """Nothing to plot."""
        return {}

    def _step(self) -> Point:
        for best in (self._best, self._climb):
            for point in self._rng.sample(best.points, len(best.points)):
                neighbour = self._neighbour(point)
                if neighbour is not None:
                    return neighbour
        self._climb = Best(self._maximise)
        if self._kick and self._best.points:
            return self._ledger.fresh(self._kicked, self._rng, TRIES)
        return self._starts.random()

    def _kicked(self) -> Point:
        point = self._rng.choice(self._best.points)
        for _ in range(self._kick):
            point = self._space.mutate(point, self._rng)
        return point

    def _neighbour(self, point: Point) -> Point | None:
        """One that may be proposed, each once; None when there is none left."""
        if point not in self._untried:
            neighbours = list(self._space.neighbours(point))
            self._rng.shuffle(neighbours)
            self._untried[point] = iter(neighbours)
        return next(filter(self._ledger.acceptable, self._untried[point]), None)


class Best:
    """The points that no other dominates, with their values; for one objective the best point."""

    def __init__(self, maximise: Sequence[bool]) -> None:
        self._maximise = maximise
        self.points: list[Point] = []
        self._rows: list[tuple[float, ...]] = []

    def add(self, point: Point, values: tuple[float, ...]) -> None:
        """Take in a result."""
        points, rows = [*self.points, point], [*self._rows, values]
        kept = front(rows, self._maximise)
        self.points, self._rows = [points[index] for index in kept], [rows[index] for index in kept]
