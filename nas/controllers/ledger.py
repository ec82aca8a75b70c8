"""`Ledger`: what every controller must remember of its proposals, so that none is made twice."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from nas.controllers import Proposal, SpaceExhausted
from nas.errors import ControllerError

if TYPE_CHECKING:
    from nas.objectives import Objective
    from searchspaces import Point, Space


class Ledger:
    """Numbers proposals, knows which are open, and which points were ever proposed."""

    def __init__(self, space: Space, objectives: Sequence[Objective]) -> None:
        self.seen: set[Point] = set()
        self._space = space
        self._values = len(objectives)
        self._next = 0
        self._open: dict[int, Point] = {}

    def check_not_exhausted(self) -> None:
        """Raise `SpaceExhausted` once every point was proposed; call it before anything random is drawn."""
        if len(self.seen) >= self._space.size:
            raise SpaceExhausted(
                f"space {self._space.name!r} is exhausted: all {self._space.size} points were proposed"
            )

    def fresh(self, draw: Callable[[], Point], rng: random.Random, tries: int) -> Point:
        """A point never proposed: of `tries` draws the first such, else the nearest that mutation finds.

        A sampler that settles draws one point again and again; answered from what is known, that would only
        confirm it. Its neighbourhood is where a new child says most. Raises `SpaceExhausted`.
        """
        self.check_not_exhausted()
        point = draw()
        for _ in range(tries - 1):
            if point not in self.seen:
                return point
            point = draw()
        steps = 0
        while point in self.seen and steps < len(self.seen):
            point = self._space.mutate(point, rng)
            steps += 1
        if point in self.seen:  # few are left: at most one more is visited than were proposed
            point = next(other for other in self._walk({}, rng) if other not in self.seen)
        return point

    def _walk(self, choices: dict[str, int], rng: random.Random) -> Iterator[Point]:
        """All points that extend these choices, axis by axis, each axis in random order."""
        axis = self._space.next_axis(choices)
        if axis is None:
            yield self._space.point(choices)
            return
        for choice in rng.sample(range(len(axis)), len(axis)):
            yield from self._walk({**choices, axis.name: choice}, rng)

    def open(self, point: Point) -> Proposal:
        """The next proposal, at this point."""
        proposal = Proposal(self._next, point)
        self._next += 1
        self._open[proposal.id] = point
        self.seen.add(point)
        return proposal

    def close(self, id: int, values: Sequence[float] | None) -> tuple[Point, tuple[float, ...] | None]:
        """The told proposal's point and its values; None for a failure or where a value is not finite.

        Raises `ControllerError` for an id that is not open or a wrong number of values; nothing changes then.
        """
        if id not in self._open:
            known = isinstance(id, int) and 0 <= id < self._next
            raise ControllerError(f"proposal {id} {'was told already' if known else 'was never made'}")
        if values is not None and len(values) != self._values:
            raise ControllerError(f"proposal {id}: {len(values)} values told, {self._values} objectives")
        point = self._open.pop(id)
        if values is None or not all(map(math.isfinite, values)):
            return point, None
        return point, tuple(float(value) for value in values)


def number(controller: str, option: str, value: float, low: float, high: float = math.inf) -> float:
    """The option's value if it is a number from `low` to `high`; else a `ControllerError` that says so."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        upper = "" if high == math.inf else f" and at most {high}"
        raise ControllerError(f"controller {controller!r}: {option} = {value!r}; a number, at least {low}{upper}")
    return value


def whole(controller: str, option: str, value: int, low: int) -> int:
    """The option's value if it is a whole number of at least `low`; else a `ControllerError` that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ControllerError(f"controller {controller!r}: {option} = {value!r}; a whole number, at least {low}")
    return value


def flag(controller: str, option: str, value: bool) -> bool:
    """The option's value if it is true or false; else a `ControllerError` that says so."""
    if not isinstance(value, bool):
        raise ControllerError(f"controller {controller!r}: {option} = {value!r}; True or False")
    return value
