"""Random search: the baseline that every other controller has to beat (Bergstra & Bengio 2012)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nas.controllers.ledger import Ledger

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.objectives import Objective
    from searchspaces import Point, Space

TRIES = 64  # draws before a new point is looked for systematically


class RandomController:
    """Uniform on each active axis; no point twice.

    Points come from `Space.sample` as long as that finds new ones. When nearly all were proposed, the rest
    are found by walking the space in random order, so a small space ends with `SpaceExhausted` and a large
    one never repeats.
    """

    def __init__(self, space: Space, objectives: Sequence[Objective], seed: int) -> None:
        self._space = space
        self._rng = random.Random(seed)
        self._ledger = Ledger(space, objectives)

    def ask(self) -> Proposal:
        """A point not proposed before. Raises `SpaceExhausted`."""
        self._ledger.check_not_exhausted()
        for _ in range(TRIES):
            point = self._space.sample(self._rng)
            if point not in self._ledger.seen:
                return self._ledger.open(point)
        # At most one more point is visited than were proposed, however large the space.
        return self._ledger.open(next(point for point in self._walk({}) if point not in self._ledger.seen))

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """Take note; random search learns nothing."""
        self._ledger.close(id, values)

    @property
    def curves(self) -> dict[str, float]:
        """Nothing to plot."""
        return {}

    def _walk(self, choices: dict[str, int]) -> Iterator[Point]:
        """All points that extend these choices, axis by axis, each axis in random order."""
        axis = self._space.next_axis(choices)
        if axis is None:
            yield self._space.point(choices)
            return
        for choice in self._rng.sample(range(len(axis)), len(axis)):
            yield from self._walk({**choices, axis.name: choice})
