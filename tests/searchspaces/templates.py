"""Small hand-made templates, random ones, and an enumeration of their points that knows nothing of axes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from searchspaces import OneOf, Space
from searchspaces.holes import Hole, children


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = 0


TEMPLATES: dict[str, Any] = {
    "nothing to choose": Pair(1, 2),
    "one axis": OneOf("a", (1, 2, 3)),
    "two axes": Pair(OneOf("a", (1, 2)), OneOf("b", (1, 2, 3))),
    "tied": Pair(OneOf("a", (1, 2)), (OneOf("a", (10, 20)), OneOf("b", (1, 2, 3)))),
    "conditional": Pair(OneOf("a", (Pair(OneOf("b", (1, 2, 3)), 1), Pair(9, 2))), OneOf("c", (1, 2))),
    "a hole as a value": OneOf("a", (1, 2, OneOf("b", (3, 4, 5)))),
    "nested conditions": OneOf("a", (Pair(OneOf("b", (Pair(OneOf("c", (1, 2, 3))), 7)), 1), 8, 9)),
    "in two branches": OneOf("a", (Pair(1, OneOf("b", (1, 2, 3))), 5, Pair(2, OneOf("b", (1, 2, 3))))),
    "in branches of two parents": (
        OneOf("a", (Pair(OneOf("child", (1, 2, 3))), 5)),
        OneOf("z", (6, Pair(OneOf("child", (10, 20, 30))), 7)),
    ),
    "conditional here, always there": (
        OneOf("a", (Pair(OneOf("b", (1, 2, 3))), 5)),
        OneOf("b", (10, 20, 30)),
    ),
    "tied parent decides in two places": (
        OneOf("a", (1, OneOf("b", (2, 3)))),
        OneOf("a", (Pair(OneOf("c", (1, 2, 3))), 5)),
    ),
    "many conditional parents": OneOf(
        "family", (0, *(tuple(OneOf(f"op{i}", (0, OneOf(f"k{i}", (1, 2, 3)))) for i in range(n)) for n in (2, 3)))
    ),
}


def space(template: Any) -> Space:
    """A space of any template: nothing but `draw` asks that it be an architecture."""
    return Space("toy", template)


def every(tree: Any, choices: Mapping[str, int]) -> Iterator[tuple[Any, dict[str, int]]]:
    """Each way to fill the tree, with the choices that it made: the definition of a space, by brute force."""
    if isinstance(tree, Hole):
        for index in [choices[tree.name]] if tree.name in choices else range(len(tree.values)):
            yield from every(tree.values[index], {**choices, tree.name: index})
    elif isinstance(tree, tuple) or dataclasses.is_dataclass(tree):
        ways: list[tuple[list[Any], dict[str, int]]] = [([], dict(choices))]
        for _, part in children(tree):
            ways = [([*done, value], more) for done, made in ways for value, more in every(part, made)]
        for parts, made in ways:
            yield tuple(parts) if isinstance(tree, tuple) else type(tree)(*parts), made
    else:
        yield tree, dict(choices)


@st.composite
def random_templates(draw: st.DrawFn) -> Any:
    """A tuple of nested tuples and holes; every leaf is a number of its own, so no two points are alike."""
    fresh = itertools.count()
    sizes = {"a": 2, "b": 3, "c": 2, "d": 1}

    def tree(depth: int) -> Any:
        shape = draw(st.sampled_from(("leaf", "pair", "hole"))) if depth else "leaf"
        if shape == "leaf":
            return next(fresh)
        if shape == "pair":
            return Pair(tree(depth - 1), tree(depth - 1))
        name = draw(st.sampled_from(sorted(sizes)))
        return OneOf(name, [tree(depth - 1) for _ in range(sizes[name])])

    return tuple(tree(3) for _ in range(draw(st.integers(1, 3))))
