"""Random search: the baseline that every other controller has to beat (Bergstra & Bengio 2012)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.controllers import SpaceExhausted
from nas.controllers.ledger import Ledger, whole

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.controllers.problem import Problem

TRIES = 64  # draws before a new point is looked for nearby


class RandomController:
    """Uniform on each active axis; no network twice, so a small space ends with `SpaceExhausted`.

    `tries`: draws for a point that keeps the constraints, before one is looked for near the last draw; many, where the
    sample must be uniform under a narrow constraint. `most`: proposals in all, known results too; 0 is any number.
    """

    def __init__(self, problem: Problem, seed: int, *, tries: int = TRIES, most: int = 0) -> None:
        self._space = problem.space
        self._rng = random.Random(seed)
        self._ledger = Ledger(problem)
        self._tries, self._most = whole("random", "tries", tries, 1), whole("random", "most", most, 0)
        self._asked = 0

    def ask(self) -> Proposal:
        """A point whose network was not proposed before. Raises `SpaceExhausted`, also after `most` proposals."""
        if self._most and self._asked >= self._most:
            raise SpaceExhausted(f"controller 'random' was asked for at most {self._most} proposals")
        self._asked += 1
        return self._ledger.open(self._ledger.fresh(lambda: self._space.sample(self._rng), self._rng, self._tries))

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """Take note; random search learns nothing."""
        self._ledger.close(id, values)

    @property
    def curves(self) -> dict[str, float]:
        """Nothing to plot."""
        return {}
