"""`Starts`: the points from which a search by neighbourhood sets out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.controllers.ledger import Ledger
    from searchspaces import Point

TRIES = 64  # random draws before a new point is looked for nearby


class Starts:
    """A number of starts: the space's hand-designed networks (at most half of the starts), then random points."""

    def __init__(self, ledger: Ledger, rng: random.Random, count: int, hand_designed: bool) -> None:
        self._ledger, self._rng = ledger, rng
        self._known = ledger.problem.hand_designed()[: count // 2] if hand_designed else []
        self._left = count

    def next(self) -> Point | None:
        """The next start, a point that may be proposed; None when all are given. Raises `SpaceExhausted`."""
        if not self._left:
            return None
        point = self.random() if not (known := self._hand_designed()) else known
        self._left -= 1
        return point

    def random(self) -> Point:
        """A random point that may be proposed. Raises `SpaceExhausted`."""
        space = self._ledger.problem.space
        return self._ledger.fresh(lambda: space.sample(self._rng), self._rng, TRIES)

    def _hand_designed(self) -> Point | None:
        while self._known:
            point = self._known.pop(0)
            if self._ledger.acceptable(point):
                return point
        return None
