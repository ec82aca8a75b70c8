"""The symbolic graph of a whole network: a row of placed fragments.

Its `nodes` are the network as single operations, with stable hierarchical names such as `stage3.block2.conv1`;
building, pricing, tables and pictures all read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from searchspaces import operations as ops
from searchspaces.canonical import Wire, key_of, wire
from searchspaces.canvas import Canvas, Fragment, Node, Tensor
from searchspaces.operations import Shape

MAIN = "main"


@dataclass(frozen=True, eq=False)
class Part:
    """A fragment in its place: its name, and the parts whose outputs enter it.

    The output of an `auxiliary` part is one of the network's, under the part's name.
    """

    name: str
    fragment: Fragment
    sources: tuple[int, ...]
    auxiliary: bool = False


@lru_cache
def image_part(image: Shape) -> Part:
    """The part that every graph starts with: the image itself."""
    canvas = Canvas()
    return Part("", canvas.finish(canvas.apply(ops.Input(image))), ())


def draw(picture: Callable[[Canvas, Tensor], Tensor], image: Shape) -> Graph:
    """The graph of one function that draws on a canvas and an image: a network without stages."""
    canvas = Canvas(image)
    return Graph((image_part(image), Part("net", canvas.finish(picture(canvas, canvas.inputs[0])), (0,))))


def needed(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts that an output depends on: a cell may pass by the one before it. The image always stays."""
    used = {0, len(parts) - 1} | {index for index, part in enumerate(parts) if part.auxiliary}
    for index in range(len(parts) - 1, -1, -1):
        if index in used:
            used.update(parts[index].sources[i] for i in parts[index].fragment.reads)
    if len(used) == len(parts):
        return tuple(parts)
    place = {index: position for position, index in enumerate(sorted(used))}
    # A source that is not read may be gone; the image stands in for it.
    return tuple(
        replace(parts[index], sources=tuple(place.get(source, 0) for source in parts[index].sources))
        for index in sorted(used)
    )


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole network: placed fragments, seen as nodes whose inputs are indices into `nodes`. The last gives `main`."""

    parts: tuple[Part, ...]

    @cached_property
    def _flat(self) -> tuple[tuple[Node, ...], tuple[int, ...]]:
        nodes: list[Node] = []
        ends: list[int] = []
        for part in self.parts:
            offset, entering = len(nodes), [ends[source] for source in part.sources]

            def absolute(index: int, offset: int = offset, entering: list[int] = entering) -> int:
                return index + offset if index >= 0 else entering[-index - 1]

            prefix = f"{part.name}." if part.name else ""
            nodes += [
                Node(prefix + node.name, node.operation, tuple(map(absolute, node.inputs)), node.shape)
                for node in part.fragment.nodes
            ]
            ends.append(absolute(part.fragment.output))
        return tuple(nodes), tuple(ends)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every operation, each after the ones that feed it; the first is the image."""
        return self._flat[0]

    @property
    def ends(self) -> tuple[int, ...]:
        """For each part, the node that gives its output."""
        return self._flat[1]

    @cached_property
    def outputs(self) -> Mapping[str, int]:
        """`main`, and any auxiliary outputs under names such as `stage3.auxiliary`."""
        auxiliary = {part.name: end for part, end in zip(self.parts, self.ends, strict=True) if part.auxiliary}
        return {MAIN: self.ends[-1], **auxiliary}

    @cached_property
    def key(self) -> str:
        """A name (32 hex digits) that networks with one computation share, however they are written.

        Node names do not enter, nor the order of what a commutative operation takes. The whole wiring does, so one
        convolution used twice differs from two alike.
        """
        return _key(tuple((p.fragment, p.sources, p.name if p.auxiliary else "") for p in self.parts))


@lru_cache(maxsize=4096)
def _key(placed: tuple[tuple[Fragment, tuple[int, ...], str], ...]) -> str:
    # A network is drawn anew wherever it is needed, from fragments that are drawn once: its key is found once too, and
    # what the key needs of a fragment is read once. It is laid out as `Graph._flat` does, without the names and shapes.
    nodes: list[Wire] = []
    ends: list[int] = []
    outputs: dict[str, int] = {}
    for fragment, sources, auxiliary in placed:
        offset, wires = len(nodes), _wires(fragment)
        entering = [ends[source] for source in sources]
        moved = [*range(offset, offset + len(wires)), *reversed(entering)]  # −1 is the first to enter
        for text, inputs, commutative in wires:
            feeds = (moved[inputs[0]],) if len(inputs) == 1 else tuple([moved[index] for index in inputs])
            nodes.append((text, feeds, commutative))
        ends.append(moved[fragment.output])
        if auxiliary:
            outputs[auxiliary] = ends[-1]
    return key_of(nodes, {MAIN: ends[-1], **outputs})


@lru_cache(maxsize=4096)
def _wires(fragment: Fragment) -> tuple[Wire, ...]:
    return tuple(map(wire, fragment.nodes))
