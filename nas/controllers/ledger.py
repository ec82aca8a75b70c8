"""`Ledger`: what every controller must remember of its proposals, so that no network is proposed twice."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from nas import options
from nas.controllers import Proposal, SpaceExhausted
from nas.errors import ControllerError

if TYPE_CHECKING:
    from nas.controllers.problem import Problem
    from searchspaces import Point

STEPS = 200  # of a random walk away from a point that is not acceptable
DRAWS = 20_000  # random points that are tried before a space counts as exhausted


class Ledger:
    """Numbers proposals, knows which are open, and which points need not be looked at again.

    A point is acceptable while neither it nor another point of the same network was proposed, and where it is allowed
    (it can be drawn, and keeps the constraints).
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.seen: set[Point] = set()  # proposed, or found not to be acceptable
        self._networks: set[Hashable] = set()
        self._next = 0
        self._open: dict[int, Point] = {}

    def acceptable(self, point: Point) -> bool:
        """Whether this point may be proposed."""
        if point in self.seen:
            return False
        if self.problem.allowed(point) and self.problem.network(point) not in self._networks:
            return True
        self.seen.add(point)
        return False

    def check_not_exhausted(self) -> None:
        """Raise `SpaceExhausted` once every point was proposed; call it before anything random is drawn."""
        if len(self.seen) >= self.problem.space.size:
            raise self._exhausted()

    def fresh(self, draw: Callable[[], Point], rng: random.Random, tries: int) -> Point:
        """An acceptable point: of `tries` draws the first such, else the nearest that mutation finds.

        A sampler that settles draws one point again and again; answered from what is known, that would only
        confirm it. Its neighbourhood is where a new child says most. Raises `SpaceExhausted`.
        """
        self.check_not_exhausted()
        space = self.problem.space
        point = draw()
        for _ in range(tries - 1):
            if self.acceptable(point):
                return point
            point = draw()
        for _ in range(STEPS):
            if self.acceptable(point):
                return point
            point = space.mutate(point, rng)
        # Few are left, or few are allowed: all of a small space, many of a large one.
        small = space.size <= DRAWS
        others = self._walk({}, rng) if small else (space.sample(rng) for _ in range(DRAWS))
        for other in others:
            if self.acceptable(other):
                return other
        raise self._exhausted()

    def _exhausted(self) -> SpaceExhausted:
        space, rules = self.problem.space, self.problem.constraints
        if not self.problem.priced:
            return SpaceExhausted(f"space {space.name!r} is exhausted: all {space.size} points were proposed")
        kept = f" that keeps {', '.join(map(str, rules))}" if rules else ""
        looked = f"all {space.size} points" if space.size <= DRAWS else f"{DRAWS} random points"
        why = f"; what cannot be drawn: {self.problem.refusal}" if self.problem.refusal else ""
        return SpaceExhausted(
            f"space {space.name!r} is exhausted: {looked} hold no network{kept} and was not proposed already{why}"
        )

    def _walk(self, choices: dict[str, int], rng: random.Random) -> Iterator[Point]:
        """All points that extend these choices, axis by axis, each axis in random order."""
        axis = self.problem.space.next_axis(choices)
        if axis is None:
            yield self.problem.space.point(choices)
            return
        for choice in rng.sample(range(len(axis)), len(axis)):
            yield from self._walk({**choices, axis.name: choice}, rng)

    def open(self, point: Point) -> Proposal:
        """The next proposal, at this point."""
        proposal = Proposal(self._next, point)
        self._next += 1
        self._open[proposal.id] = point
        self.seen.add(point)
        self._networks.add(self.problem.network(point))
        return proposal

    def close(self, id: int, values: Sequence[float] | None) -> tuple[Point, tuple[float, ...] | None]:
        """The told proposal's point and its values; None for a failure or where a value is not finite.

        Raises `ControllerError` for an id that is not open or a wrong number of values; nothing changes then.
        """
        if id not in self._open:
            known = isinstance(id, int) and 0 <= id < self._next
            raise ControllerError(f"proposal {id} {'was told already' if known else 'was never made'}")
        wanted = len(self.problem.objectives)
        if values is not None and len(values) != wanted:
            raise ControllerError(f"proposal {id}: {len(values)} values told, {wanted} objectives")
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
    return options.whole(f"controller {controller!r}", option, value, low, ControllerError)


def flag(controller: str, option: str, value: bool) -> bool:
    """The option's value if it is true or false; else a `ControllerError` that says so."""
    if not isinstance(value, bool):
        raise ControllerError(f"controller {controller!r}: {option} = {value!r}; True or False")
    return value
