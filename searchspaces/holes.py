"""Holes: a choice that stands where a value will be, in any tree of frozen dataclasses and tuples.

A tree with holes is a template. `occurrences` lists its holes, `compile_template` makes the function that
fills them, and `match` reads the choices back from a filled tree. Holes with one name share one choice (tied
axes): choice number i means the i-th value of each. A hole inside a value of another hole exists only
where that value is chosen (conditional axes).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

from searchspaces.errors import InvalidSpace

T = TypeVar("T")

Choices = Mapping[str, int]
Condition = tuple[tuple[str, int], ...]  # every (axis, choice) on the way down to a hole


@dataclass(frozen=True)
class Hole:
    """A choice between `values`; `labels` name them where they do not speak for themselves."""

    name: str
    values: tuple[Any, ...]
    labels: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidSpace(f"a hole is named {self.name!r:.60}; its name must be a text that is not empty")
        if not self.values:
            raise InvalidSpace(f"hole {self.name!r} has no values to choose from")
        if self.labels is not None and len(self.labels) != len(self.values):
            raise InvalidSpace(f"hole {self.name!r} has {len(self.values)} values but {len(self.labels)} labels")

    @cached_property
    def plain(self) -> bool:
        """Whether its values are scalars, to be compared; otherwise they are trees, to be matched."""
        return not any(isinstance(value, (Hole, tuple)) or dataclasses.is_dataclass(value) for value in self.values)


def OneOf(name: str, values: Iterable[T], labels: Iterable[Any] | None = None) -> T:  # noqa: N802
    """A hole named `name`, to be filled with one of `values`.

    It is typed as one of its values, so that a template type-checks like the network it stands for. Raises
    `InvalidSpace` without values, or when `labels` are not one a value.
    """
    if not isinstance(values, Iterable):
        raise InvalidSpace(f"hole {name!r:.60} has {values!r:.60} for its values; give a list of what to choose from")
    return cast(T, Hole(name, tuple(values), None if labels is None else tuple(labels)))


def children(tree: Any) -> Iterator[tuple[str, Any]]:
    """The direct parts of a tuple or dataclass, each with its path step (`[2]` or `.kernel`)."""
    if isinstance(tree, tuple):
        for index, part in enumerate(tree):
            yield f"[{index}]", part
    elif dataclasses.is_dataclass(tree):
        for field in dataclasses.fields(tree):
            yield f".{field.name}", getattr(tree, field.name)


def occurrences(tree: Any, condition: Condition = ()) -> Iterator[tuple[Hole, Condition]]:
    """Every hole in the tree with the condition under which it exists, in order of appearance."""
    if isinstance(tree, Hole):
        if any(axis == tree.name for axis, _ in condition):
            raise InvalidSpace(f"hole {tree.name!r} stands inside one of its own values")
        yield tree, condition
        for index, value in enumerate(tree.values):
            yield from occurrences(value, (*condition, (tree.name, index)))
    else:
        for _, part in children(tree):
            yield from occurrences(part, condition)


def kinds_in(tree: Any) -> tuple[type, ...]:
    """Every dataclass that a tree may hold, whatever is chosen, in order of appearance."""
    found: dict[type, None] = {}

    def visit(part: Any) -> None:
        if isinstance(part, Hole):
            for value in part.values:
                visit(value)
            return
        if dataclasses.is_dataclass(part):
            found[type(part)] = None
        for _, inner in children(part):
            visit(inner)

    visit(tree)
    return tuple(found)


def compile_template(tree: Any) -> Callable[[Choices], Any]:
    """A function from choices to the tree with its holes filled; parts without holes are shared."""
    if isinstance(tree, Hole):
        name = tree.name
        branches = {index: compile_template(value) for index, value in enumerate(tree.values)}
        return lambda choices: branches[choices[name]](choices)
    if next(occurrences(tree), None) is None:
        return lambda choices: tree
    if isinstance(tree, tuple):
        parts = tuple(compile_template(part) for part in tree)
        return lambda choices: tuple([part(choices) for part in parts])
    make = type(tree)
    fields = tuple((step[1:], compile_template(part)) for step, part in children(tree))
    return lambda choices: make(**{name: part(choices) for name, part in fields})


@dataclass
class Miss:
    """The place where matching got furthest before it failed, for the error message."""

    position: tuple[int, ...] = ()
    path: str = ""
    problem: str = "it differs"

    def report(self, position: tuple[int, ...], path: str, problem: str) -> None:
        """Keep the miss that lies furthest into the template."""
        if position >= self.position:
            self.position, self.path, self.problem = position, path, problem


def match(
    template: Any,
    value: Any,
    choices: Choices,
    miss: Miss,
    path: str = "",
    position: tuple[int, ...] = (),
) -> Iterator[Choices]:
    """All choices that extend `choices` and fill `template` so that it equals `value`.

    Backtracks, since a tied hole seen later may contradict a choice made earlier. Where it fails, `miss`
    holds the furthest place.
    """
    if isinstance(template, Hole):
        yield from _match_hole(template, value, choices, miss, path, position)
    elif isinstance(template, tuple) and isinstance(value, tuple):
        if len(template) != len(value):
            miss.report(position, path, f"{len(value)} entries, the space has {len(template)}")
        else:
            yield from _match_parts(list(children(template)), list(children(value)), choices, miss, path, position)
    elif dataclasses.is_dataclass(template) and type(template) is type(value):
        yield from _match_parts(list(children(template)), list(children(value)), choices, miss, path, position)
    elif dataclasses.is_dataclass(template) or dataclasses.is_dataclass(value):
        names = (type(value).__name__, type(template).__name__)
        miss.report(position, path, f"a {names[0]}, the space has a {names[1]} here")
    elif template == value:
        yield choices
    else:
        miss.report(position, path, f"{value!r}, the space has {template!r}")


def _match_hole(
    hole: Hole, value: Any, choices: Choices, miss: Miss, path: str, position: tuple[int, ...]
) -> Iterator[Choices]:
    fixed = choices.get(hole.name)
    indices = range(len(hole.values)) if fixed is None else (fixed,)
    if not hole.plain:
        for index in indices:
            yield from match(hole.values[index], value, {**choices, hole.name: index}, miss, path, position)
        kinds = [type(hole.values[index]) for index in indices]
        if type(value) not in kinds and Hole not in kinds:
            allowed = ", ".join(dict.fromkeys(kind.__name__ for kind in kinds))
            miss.report(
                position, path, f"a {type(value).__name__} is not a choice of axis {hole.name!r}; allowed: {allowed}"
            )
        return
    hits = [index for index in indices if hole.values[index] == value]
    for index in hits:
        yield {**choices, hole.name: index}
    if not hits and fixed is None:
        allowed = ", ".join(dict.fromkeys(map(str, hole.values)))
        miss.report(position, path, f"{value!r} is not a choice of axis {hole.name!r}; allowed: {allowed}")
    elif not hits:
        wanted = hole.values[fixed or 0]
        miss.report(position, path, f"{value!r}, but axis {hole.name!r} as chosen elsewhere means {wanted!r}")


def _match_parts(
    templates: list[tuple[str, Any]],
    values: list[tuple[str, Any]],
    choices: Choices,
    miss: Miss,
    path: str,
    position: tuple[int, ...],
) -> Iterator[Choices]:
    """All choices that fill every part. A list of searches, one a part, and no recursion: a tuple may be long."""
    searches: list[Iterator[Choices]] = [iter((choices,))]
    while searches:
        extended, index = next(searches[-1], None), len(searches) - 1
        if extended is None:
            searches.pop()
        elif index == len(templates):
            yield extended
        else:
            (step, template), (_, value) = templates[index], values[index]
            inner = (path + step).lstrip(".")
            searches.append(match(template, value, extended, miss, inner, (*position, index)))
