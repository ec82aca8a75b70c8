"""The key of a graph: a name that does not depend on how the computation was written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchspaces.canvas import Node
    from searchspaces.operations import Operation

Marks = dict[int, str]


def canonical_key(nodes: Sequence[Node], outputs: Mapping[str, int]) -> str:
    """32 hex digits derived from the graph's canonical form: every node that reaches an output, with what it takes.

    The form orders the nodes by marks that come from the wiring alone. Nodes that stay alike are told apart one at
    a time (individualisation and refinement, McKay 1981). The form is the whole graph, so two computations never
    share a key.
    """
    used = _reaching(nodes, outputs)
    texts = {index: _text(nodes[index].operation) for index in used}
    marks = {index: texts[index] for index in used}
    for name, index in sorted(outputs.items()):
        marks[index] += f" -> {name}"
    classes = 0
    while True:
        marks = _refine(nodes, marks)
        counts = Counter(marks.values())
        if len(counts) == len(used):
            break
        if len(counts) == classes:  # the wiring says no more: these are mirror images, so any of them may be first
            for index in _choose(nodes, marks, {index for index in used if counts[marks[index]] > 1}):
                marks[index] += " first"
        classes = len(counts)
    number = {index: place for place, index in enumerate(sorted(used, key=marks.__getitem__))}
    lines = [f"{name}={number[index]}" for name, index in sorted(outputs.items())]
    for index in number:
        feeds = [number[feed] for feed in nodes[index].inputs]
        lines.append(f"{texts[index]}{sorted(feeds) if nodes[index].operation.commutative else feeds}")
    return _digest(lines, 16)


def _choose(nodes: Sequence[Node], marks: Marks, alike: set[int]) -> list[int]:
    """One node to be first in each part of the graph whose mirror images do not depend on another part's.

    The parts are the connected components of the nodes that are alike. Of components that are alike as a whole only
    one is taken, or they would stay so.
    """
    root = {index: index for index in alike}

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = index = root[root[index]]
        return index

    for index in alike:
        for feed in nodes[index].inputs:
            if feed in alike:
                root[find(index)] = find(feed)
    least: dict[int, tuple[str, int]] = {}
    for index in alike:
        place = find(index)
        least[place] = min(least.get(place, (marks[index], index)), (marks[index], index))
    chosen: dict[str, int] = {}
    for mark, index in sorted(least.values()):
        chosen.setdefault(mark, index)
    return list(chosen.values())


def _reaching(nodes: Sequence[Node], outputs: Mapping[str, int]) -> list[int]:
    """The nodes that an output depends on, in their order."""
    used = set(outputs.values())
    for index in range(len(nodes) - 1, -1, -1):
        if index in used:
            used.update(nodes[index].inputs)
    return sorted(used)


def _refine(nodes: Sequence[Node], marks: Marks) -> Marks:
    """Each mark digested with the marks of everything above the node, then with those of everything below it."""
    above: Marks = {}
    for index, mark in marks.items():
        node = nodes[index]
        feeds = [above[feed] for feed in node.inputs]
        if len(feeds) > 1 and node.operation.commutative:
            feeds.sort()
        above[index] = _digest([mark, *feeds])
    readers: dict[int, list[str]] = {index: [] for index in marks}
    refined: Marks = {}
    for index in reversed(marks):
        node, read = nodes[index], readers[index]
        if len(read) > 1:
            read.sort()
        refined[index] = own = _digest([above[index], *read])
        if node.operation.commutative:
            for feed in node.inputs:
                readers[feed].append(own)
        else:
            for place, feed in enumerate(node.inputs):
                readers[feed].append(f"{own}:{place}")
    return {index: refined[index] for index in marks}


@lru_cache(maxsize=4096)
def _text(operation: Operation) -> str:
    """The operation with the fields that differ from their defaults, so a field added later changes no old key."""
    texts = [type(operation).__name__]
    for field in fields(operation):
        value = getattr(operation, field.name)
        if value != field.default:
            # Equal values are written alike, 1.0 and True as 1.
            texts.append(f"{field.name}={int(value) if isinstance(value, (bool, float)) and value % 1 == 0 else value}")
    return " ".join(texts)


def _digest(texts: Sequence[str], size: int = 12) -> str:
    return blake2b("|".join(texts).encode(), digest_size=size).hexdigest()
