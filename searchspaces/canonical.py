"""The key of a graph: a name that does not depend on how the computation was written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from searchspaces.canvas import Node
    from searchspaces.operations import Operation

Marks: TypeAlias = list[str]  # of each node
Wire: TypeAlias = tuple[str, tuple[int, ...], bool]
"""What the key needs of a node: its operation in words, the nodes that feed it, whether their order is nothing."""


def canonical_key(nodes: Sequence[Node], outputs: Mapping[str, int]) -> str:
    """32 hex digits derived from the graph's canonical form: every node that reaches an output, with what it takes.

    The form orders the nodes by marks that come from the wiring alone. Nodes that stay alike are told apart one at
    a time (individualisation and refinement, McKay 1981). The form is the whole graph, so two computations never
    share a key.
    """
    return key_of([wire(node) for node in nodes], outputs)


def wire(node: Node) -> Wire:
    """The node as the key sees it."""
    return _text(node.operation), tuple(node.inputs), node.operation.commutative


def key_of(nodes: Sequence[Wire], outputs: Mapping[str, int]) -> str:
    """`canonical_key` of nodes in the form that it needs."""
    nodes, outputs = _reaching(nodes, outputs)
    ends = sorted(outputs.items())
    marks = [text for text, _, _ in nodes]
    for name, index in ends:
        marks[index] += f" -> {name}"
    classes = 0
    while True:
        marks = _refine(nodes, marks)
        found = len(set(marks))
        if found == len(nodes):
            break
        if found == classes:  # the wiring says no more: these are mirror images, so any of them may be first
            counts = Counter(marks)
            for index in _choose(nodes, marks, {index for index, mark in enumerate(marks) if counts[mark] > 1}):
                marks[index] += " first"
        classes = found
    order = sorted(range(len(nodes)), key=marks.__getitem__)
    number = [0] * len(nodes)
    for place, index in enumerate(order):
        number[index] = place
    lines = [f"{name}={number[index]}" for name, index in ends]
    for index in order:
        text, inputs, commutative = nodes[index]
        if len(inputs) == 1:
            lines.append(f"{text}[{number[inputs[0]]}]")
        else:
            feeds = [number[feed] for feed in inputs]
            lines.append(f"{text}{sorted(feeds) if commutative else feeds}")
    return blake2b("|".join(lines).encode(), digest_size=16).hexdigest()


def _choose(nodes: Sequence[Wire], marks: Marks, alike: set[int]) -> list[int]:
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
        for feed in nodes[index][1]:
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


def _reaching(nodes: Sequence[Wire], outputs: Mapping[str, int]) -> tuple[Sequence[Wire], Mapping[str, int]]:
    """The nodes that an output depends on, in their order, numbered anew."""
    used = set(outputs.values())
    for index in range(len(nodes) - 1, -1, -1):
        if index in used:
            used.update(nodes[index][1])
    if len(used) == len(nodes):
        return nodes, outputs
    place = {index: position for position, index in enumerate(sorted(used))}
    kept = [
        (text, tuple([place[feed] for feed in inputs]), commutative)
        for text, inputs, commutative in (nodes[index] for index in place)
    ]
    return kept, {name: place[index] for name, index in outputs.items()}


def _refine(nodes: Sequence[Wire], marks: Marks) -> Marks:
    """Each mark digested with the marks of everything above the node, then with those of everything below it."""
    # The inner loops of the key: most nodes have one input and one reader.
    above: Marks = []
    for (_, inputs, commutative), mark in zip(nodes, marks, strict=True):
        if len(inputs) == 1:
            mark = f"{mark}|{above[inputs[0]]}"
        elif inputs:
            feeds = [above[feed] for feed in inputs]
            mark = "|".join([mark, *(sorted(feeds) if commutative else feeds)])
        above.append(blake2b(mark.encode(), digest_size=12).hexdigest())
    readers: list[list[str]] = [[] for _ in nodes]
    refined = above
    for index in range(len(nodes) - 1, -1, -1):
        _, inputs, commutative = nodes[index]
        read = readers[index]
        if len(read) > 1:
            read.sort()
        own = blake2b("|".join((above[index], *read)).encode(), digest_size=12).hexdigest()
        refined[index] = own  # in place: nothing further up reads the mark from above
        if len(inputs) == 1:
            readers[inputs[0]].append(own if commutative else f"{own}:0")
        else:
            for place, feed in enumerate(inputs):
                readers[feed].append(own if commutative else f"{own}:{place}")
    return refined


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
