"""A search space: a template with holes, seen as axes and points.

`Space` reads the axes off the template's holes. A `Point` chooses one value on every active axis;
`decode` fills the template with it, `encode` finds the point of an architecture, so a hand-designed network
in the space is a point like any other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from searchspaces import documents
from searchspaces.checking import check
from searchspaces.errors import InvalidArchitecture, InvalidPoint, InvalidSpace, NotInSpace
from searchspaces.holes import Choices, Condition, Hole, Miss, compile_template, match, occurrences
from searchspaces.labels import labels_of
from searchspaces.point import Point

if TYPE_CHECKING:
    from searchspaces.architecture import Architecture
    from searchspaces.cost import Cost


@dataclass(frozen=True)
class Axis:
    """One design axis: its name, what its choices are called, and when it is active.

    `conditions` lists the ways to be active, each a set of (axis, choice) that must all hold; one empty
    condition means always.
    """

    name: str
    labels: tuple[Any, ...]
    conditions: tuple[Condition, ...] = ((),)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def conditional(self) -> bool:
        """Whether some points lack this axis."""
        return () not in self.conditions

    @cached_property
    def ordinal(self) -> bool:
        """Whether its choices are increasing numbers, so that neighbours in the list are alike."""
        numbers = all(isinstance(label, (int, float)) and not isinstance(label, bool) for label in self.labels)
        return numbers and all(a < b for a, b in zip(self.labels, self.labels[1:], strict=False))

    def active(self, choices: Choices) -> bool:
        """Whether a point with these choices has this axis."""
        return any(all(choices.get(axis) == choice for axis, choice in condition) for condition in self.conditions)


class Space:
    """A named template with holes, and the hand-designed networks that are points of it.

    Raises `InvalidSpace` for a value that no network may have, with its path, and when holes of one name differ in
    their number of values or contain each other.
    """

    def __init__(
        self,
        name: str,
        template: Architecture,
        networks: Mapping[str, Architecture] | None = None,
        note: str = "",
    ) -> None:
        given: Any = template  # whatever it is typed as
        if not is_dataclass(given) and not isinstance(given, tuple):
            raise InvalidSpace(f"space {name!r}: {documents.short(template)} is no template; give an Architecture")
        try:
            check(template, template=True)
        except InvalidArchitecture as error:
            raise InvalidSpace(f"space {name!r}: {error}") from None
        self.name = name
        self.template = template
        self.networks: Mapping[str, Architecture] = dict(networks or {})
        self.note = note
        self.axes = _axes(template)
        self._by_name = {axis.name: axis for axis in self.axes}
        self._fill = compile_template(template)

    def __repr__(self) -> str:
        return f"Space({self.name!r}, {len(self.axes)} axes, {self.size:.3g} points)"

    @cached_property
    def size(self) -> int:
        """The number of points."""
        return _count(self.axes)

    def active(self, choices: Choices) -> tuple[Axis, ...]:
        """The axes that a point with these choices has."""
        return tuple(axis for axis in self.axes if axis.active(choices))

    def next_axis(self, choices: Choices) -> Axis | None:
        """The first active axis that `choices` leaves open; None when the point is complete."""
        return next((axis for axis in self.axes if axis.name not in choices and axis.active(choices)), None)

    def point(self, choices: Choices) -> Point:
        """The point with exactly these choices.

        Raises `InvalidPoint` for an axis that is missing, unknown, inactive or chosen out of range.
        """
        active = {axis.name: axis for axis in self.active(choices)}
        for name, choice in choices.items():
            if name not in self._by_name:
                raise InvalidPoint(f"space {self.name!r} has no axis {name!r}; it has: {', '.join(self._by_name)}")
            if name not in active:
                raise InvalidPoint(f"axis {name!r} is not active under the other choices")
            if type(choice) is not int or not 0 <= choice < len(active[name]):
                raise InvalidPoint(f"axis {name!r}: choice {choice!r}, allowed 0 to {len(active[name]) - 1}")
        missing = [name for name in active if name not in choices]
        if missing:
            raise InvalidPoint(f"no choice for axis {missing[0]!r}")
        return Point({name: choices[name] for name in active})

    def sample(self, rng: random.Random) -> Point:
        """A random point: each active axis uniformly, parents before the axes that depend on them."""
        return self._complete({}, rng)

    def mutate(self, point: Point, rng: random.Random) -> Point:
        """The point with one random axis changed; axes that this makes active are sampled.

        A space of one point gives the same point back.
        """
        candidates = [name for name in point if len(self._by_name[name]) > 1]
        if not candidates:
            return point
        name = rng.choice(candidates)
        other = rng.randrange(len(self._by_name[name]) - 1)
        changed = other if other < point[name] else other + 1
        return self._complete({**point, name: changed}, rng)

    def crossover(self, first: Point, second: Point, rng: random.Random) -> Point:
        """A point that takes each axis from one parent at random, where that parent has it."""
        choices: dict[str, int] = {}
        for axis in self.axes:
            if axis.active(choices):
                carriers = [parent for parent in (first, second) if axis.name in parent]
                choices[axis.name] = rng.choice(carriers)[axis.name] if carriers else rng.randrange(len(axis))
        return Point(choices)

    def neighbours(self, point: Point) -> Iterator[Point]:
        """Every point that differs in one axis; axes that this makes active take their first value."""
        for name in point:
            for choice in range(len(self._by_name[name])):
                if choice != point[name]:
                    yield self._complete({**point, name: choice}, None)

    def decode(self, point: Choices) -> Architecture:
        """The architecture at this point."""
        try:
            architecture: Architecture = self._fill(point)
        except KeyError:
            self.point(point)  # says which axis is wrong
            raise
        return architecture

    def encode(self, architecture: Architecture) -> Point:
        """The point of this architecture.

        Raises `NotInSpace` naming the path that differs.
        """
        miss = Miss()
        for choices in match(self.template, architecture, {}, miss):
            return Point({axis.name: choices[axis.name] for axis in self.axes if axis.name in choices})
        raise NotInSpace(f"not in space {self.name!r}: {miss.path or 'architecture'}: {miss.problem}")

    def labels(self, point: Choices) -> dict[str, Any]:
        """The point as a person reads it: axis name to the label of the chosen value."""
        return {name: self._by_name[name].labels[choice] for name, choice in point.items()}

    def features(self, point: Choices, cost: Cost | None = None) -> list[float]:
        """The numbers that a predictor sees, in [0, 1] but for the cost.

        An ordinal axis gives its relative rank, another axis a one-hot; a conditional axis first a 1 where
        it is active, and zeros where it is not. With `cost`, log10 of the FLOPs and parameters follow.
        """
        row: list[float] = []
        for axis in self.axes:
            choice = point.get(axis.name)
            if axis.conditional:
                row.append(0.0 if choice is None else 1.0)
            if axis.ordinal:
                row.append(0.0 if choice is None else choice / max(1, len(axis) - 1))
            else:
                row.extend(1.0 if index == choice else 0.0 for index in range(len(axis)))
        if cost is not None:
            row += [math.log10(max(1, cost.flops)), math.log10(max(1, cost.params))]
        return row

    def _complete(self, wished: Choices, rng: random.Random | None) -> Point:
        choices: dict[str, int] = {}
        for axis in self.axes:
            if axis.active(choices):
                choice = wished.get(axis.name)
                if choice is None:
                    choice = rng.randrange(len(axis)) if rng else 0
                choices[axis.name] = choice
        return Point(choices)


def _axes(template: Any) -> tuple[Axis, ...]:
    """The axes of a template, in order of appearance but parents before the axes that depend on them."""
    holes: dict[str, Hole] = {}
    conditions: dict[str, list[Condition]] = {}
    for hole, condition in occurrences(template):
        first = holes.setdefault(hole.name, hole)
        if len(first.values) != len(hole.values):
            raise InvalidSpace(
                f"holes named {hole.name!r} share one choice but have {len(first.values)} and {len(hole.values)} values"
            )
        if first.labels is None and hole.labels is not None:
            holes[hole.name] = hole
        if condition not in conditions.setdefault(hole.name, []):
            conditions[hole.name].append(condition)
    ordered: dict[str, Axis] = {}

    def place(name: str, below: tuple[str, ...]) -> None:
        if name in below:
            raise InvalidSpace(f"axes {' and '.join(map(repr, sorted({name, below[-1]})))} depend on each other")
        if name not in ordered:
            ways = ((),) if () in conditions[name] else tuple(conditions[name])
            for condition in ways:
                for parent, _ in condition:
                    place(parent, (*below, name))
            hole = holes[name]
            labels = hole.labels or labels_of(hole.values)
            ordered[name] = Axis(name, labels, ways)

    for name in holes:
        place(name, ())
    return tuple(ordered.values())


def _count(axes: Iterable[Axis]) -> int:
    """The number of ways to choose on these axes, parents first."""
    total = 1
    for root, *others in _independent_groups(axes):
        branches = [_given(others, root.name, choice) for choice in range(len(root))] if others else []
        total *= sum(map(_count, branches)) if branches else len(root)
    return total


def _independent_groups(axes: Iterable[Axis]) -> list[list[Axis]]:
    """The axes split so that no axis of one group is a condition of an axis of another."""
    groups: list[list[Axis]] = []
    for axis in axes:
        parents = {parent for condition in axis.conditions for parent, _ in condition}
        linked = [group for group in groups if any(member.name in parents for member in group)]
        groups = [group for group in groups if group not in linked]
        groups.append([*(member for group in linked for member in group), axis])
    return groups


def _given(axes: Iterable[Axis], parent: str, choice: int) -> Iterator[Axis]:
    """The axes that can still be active once `parent` is at `choice`, with what remains of their conditions."""
    for axis in axes:
        ways = [
            tuple(part for part in condition if part[0] != parent)
            for condition in axis.conditions
            if all(part == (parent, choice) for part in condition if part[0] == parent)
        ]
        if ways:
            yield Axis(axis.name, axis.labels, ((),) if () in ways else tuple(ways))
