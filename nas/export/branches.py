"""Branches of blocks: what stands in a scope of its own, and more than once in a network, becomes a class too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nas.export.blocks import BlockClass, free_name, structure
from nas.export.forms import Branch
from searchspaces.canvas import Fragment, Node
from searchspaces.operations import Activation, Shape

FEWEST_NODES = 2


@dataclass(frozen=True, eq=False)
class Place:
    """Where a branch stands in a fragment: nodes from `start` to before `stop`, and the branch alone."""

    start: int
    stop: int
    scope: str
    entering: int
    alone: Fragment


def folded(
    titles: Mapping[Fragment, str], taken: set[str]
) -> tuple[dict[Fragment, Fragment], list[tuple[BlockClass, list[str]]]]:
    """Each fragment with its branches as single nodes, and the classes of these with what they are.

    `titles`: the fragments of a network, and the names of their blocks; `taken`: names of classes, which grows.
    """
    places = {fragment: (title, list(_places(fragment))) for fragment, title in titles.items()}
    groups: dict[Any, list[tuple[str, Place]]] = {}
    for title, found in places.values():
        for place in found:
            groups.setdefault((title, structure(place.alone)), []).append((title, place))
    made: dict[Place, Branch] = {}
    classes = []
    for group in groups.values():
        if len(group) == 1:
            continue
        title = group[0][0]
        block = BlockClass(free_name(f"{title}Branch", taken), [place.alone for _, place in group])
        for _, place in group:
            name, values = block.call(place.alone)
            made[place] = Branch(name, tuple(zip(block.parameters, values, strict=True)))
        scopes = list(dict.fromkeys(place.scope for _, place in group))
        classes.append((block, [f"A branch of {title}: {', '.join(scopes[:4])}{' …' if len(scopes) > 4 else ''}"]))
    return {fragment: _fold(fragment, found, made) for fragment, (_, found) in places.items()}, classes


def _places(fragment: Fragment) -> Iterable[Place]:
    """The scopes that could be modules: without others inside, one value in, and one out."""
    nodes = fragment.nodes
    scopes = [node.name.rpartition(".")[0] for node in nodes]
    readers: dict[int, set[int]] = {fragment.output: {len(nodes)}}
    for index, node in enumerate(nodes):
        for i in node.inputs:
            readers.setdefault(i, set()).add(index)
    stop = 0
    for scope, group in groupby(scopes):
        start, stop = stop, stop + len(list(group))
        if not scope or scopes.count(scope) > stop - start:
            continue
        # An activation at its start may be read by other branches too: it stays outside.
        while start < stop and isinstance(nodes[start].operation, Activation) and max(readers[start]) >= stop:
            start += 1
        inside = range(start, stop)
        entering = {i for n in inside for i in nodes[n].inputs if i not in inside}
        closed = all(reader in inside for n in inside[:-1] for reader in readers[n])
        if closed and len(entering) == 1 and len(inside) >= FEWEST_NODES:
            (source,) = entering
            moved = [
                Node(
                    node.name.removeprefix(scope + "."),
                    node.operation,
                    tuple(i - start if i in inside else -1 for i in node.inputs),
                    node.shape,
                )
                for node in nodes[start:stop]
            ]
            alone = Fragment((fragment.shape_of(source),), tuple(moved), stop - start - 1)
            yield Place(start, stop, scope, source, alone)


def _fold(fragment: Fragment, places: Iterable[Place], made: Mapping[Place, Branch]) -> Fragment:
    starts = {place.start: place for place in places if place in made}
    nodes: list[Node] = []
    moved = {i: i for i in range(-len(fragment.inputs), 0)}
    index = 0
    while index < len(fragment.nodes):
        place = starts.get(index)
        node = fragment.nodes[index]
        if place is not None:
            shape: Shape = fragment.nodes[place.stop - 1].shape
            node, index = Node(place.scope, made[place], (place.entering,), shape), place.stop - 1
        moved[index] = len(nodes)
        nodes.append(Node(node.name, node.operation, tuple(moved[i] for i in node.inputs), node.shape))
        index += 1
    return Fragment(fragment.inputs, tuple(nodes), moved[fragment.output])
