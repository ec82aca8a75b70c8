"""The symbolic graph that a network draws, and the canvas that it draws on.

A block draws itself on a `Canvas` as primitive operations; the result is a `Fragment`, which depends only
on the block and the shapes that enter, so equal blocks share one. A `Graph` is a row of placed fragments. Its
`nodes` are the whole network, with stable hierarchical names such as `stage3.block2.conv1`; building,
pricing, tables and pictures all read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from searchspaces import operations as ops
from searchspaces.canonical import canonical_key
from searchspaces.cost import Cost, operation_cost
from searchspaces.errors import InvalidArchitecture
from searchspaces.operations import Operation, Shape

MAIN = "main"


class Tensor(NamedTuple):
    """A value on a canvas: the node that made it (negative: an input of the fragment), and its shape."""

    source: int
    shape: Shape

    @property
    def channels(self) -> int:
        """The number of channels (or features)."""
        return self.shape[0]


@dataclass(frozen=True)
class Node:
    """One operation in place: its name, the nodes that feed it, and its output's shape."""

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Fragment:
    """What one block drew: nodes whose inputs count from 0 within it, or are −1, −2 … for what enters it."""

    inputs: tuple[Shape, ...]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]

    @property
    def shape(self) -> Shape:
        """The shape of the main output."""
        return self.shape_of(self.outputs[MAIN])

    def shape_of(self, index: int) -> Shape:
        """The shape of a node's output, or of an input (negative)."""
        return self.nodes[index].shape if index >= 0 else self.inputs[-index - 1]

    @cached_property
    def cost(self) -> Cost:
        """The price of this fragment."""
        total = Cost()
        for node in self.nodes:
            total += operation_cost(node.operation, tuple(self.shape_of(i) for i in node.inputs), node.shape)
        return total


class Canvas:
    """The drawing surface of a block: one method a primitive, each takes and gives `Tensor`s.

    Raises `InvalidArchitecture` where an operation does not fit its inputs. Names count up in their scope.
    """

    def __init__(self, *inputs: Shape) -> None:
        self.inputs = tuple(Tensor(-1 - i, shape) for i, shape in enumerate(inputs))
        self._nodes: list[Node] = []
        self._scope = ""
        self._counts: Counter[str] = Counter()
        self._auxiliary: dict[str, int] = {}

    def apply(self, operation: Operation, *inputs: Tensor) -> Tensor:
        """Any operation on its inputs."""
        shape = operation.shape(*(tensor.shape for tensor in inputs))
        stem = self._scope + operation.kind
        self._counts[stem] += 1
        name = f"{stem}{self._counts[stem]}"
        self._nodes.append(Node(name, operation, tuple(tensor.source for tensor in inputs), shape))
        return Tensor(len(self._nodes) - 1, shape)

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names drawn inside get the prefix `name.`; a name used again is numbered."""
        outer = self._scope
        self._counts[outer + name + "."] += 1
        count = self._counts[outer + name + "."]
        self._scope = f"{outer}{name}{count if count > 1 else ''}."
        try:
            yield
        finally:
            self._scope = outer

    def conv(
        self,
        x: Tensor,
        width: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        padding: int | tuple[int, int] | None = None,
    ) -> Tensor:
        """A convolution; without `padding`, half the kernel, so that only the stride changes the map."""
        pair = (kernel, kernel) if isinstance(kernel, int) else kernel
        if padding is None:
            around = (pair[0] // 2, pair[1] // 2)
        else:
            around = (padding, padding) if isinstance(padding, int) else padding
        return self.apply(ops.Conv(width, pair, stride, around, groups, bias), x)

    def unit(
        self,
        x: Tensor,
        width: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        groups: int = 1,
        act: ops.ActivationKind | None = "relu",
    ) -> Tensor:
        """Convolution, batch normalisation and, unless `act` is None, activation."""
        x = self.norm(self.conv(x, width, kernel, stride, groups))
        return x if act is None else self.act(x, act)

    def norm(self, x: Tensor) -> Tensor:
        """Batch normalisation."""
        return self.apply(ops.Norm(), x)

    def act(self, x: Tensor, function: ops.ActivationKind = "relu") -> Tensor:
        """An activation."""
        return self.apply(ops.Activation(function), x)

    def max_pool(self, x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
        """Max pooling."""
        return self.apply(ops.Pool("max", kernel, stride, padding), x)

    def avg_pool(self, x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
        """Average pooling."""
        return self.apply(ops.Pool("avg", kernel, stride, padding), x)

    def adaptive_pool(self, x: Tensor, size: int = 1) -> Tensor:
        """Average pooling to `size` × `size`; size 1 is global."""
        return self.apply(ops.AdaptivePool(size), x)

    def linear(self, x: Tensor, width: int) -> Tensor:
        """A fully connected layer."""
        return self.apply(ops.Linear(width), x)

    def flatten(self, x: Tensor) -> Tensor:
        """One row of features."""
        return self.apply(ops.Flatten(), x)

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """Dropout; a rate of 0 draws nothing."""
        return self.apply(ops.Dropout(rate), x) if rate else x

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """An element-wise sum."""
        return self.apply(ops.Add(), first, second)

    def scale(self, x: Tensor, factors: Tensor) -> Tensor:
        """A map times one factor a channel."""
        return self.apply(ops.Multiply(), x, factors)

    def concat(self, *inputs: Tensor) -> Tensor:
        """Inputs one after the other along channels."""
        return self.apply(ops.Concat(), *inputs)

    def pad_channels(self, x: Tensor, width: int) -> Tensor:
        """Zero channels around, up to `width`; a map that is as wide already stays."""
        return x if x.channels == width else self.apply(ops.PadChannels(width), x)

    def auxiliary(self, name: str, x: Tensor) -> None:
        """Declare a further output, such as an auxiliary classifier's; the graph puts the part's name before `name`.

        Raises `InvalidArchitecture` for a name that this block has used, or `main`.
        """
        if name == MAIN or name in self._auxiliary:
            raise InvalidArchitecture(f"this block already has an output {name!r}")
        self._auxiliary[name] = x.source

    def finish(self, output: Tensor) -> Fragment:
        """The fragment that was drawn, with its main output."""
        inputs = tuple(tensor.shape for tensor in self.inputs)
        return Fragment(inputs, tuple(self._nodes), {MAIN: output.source, **self._auxiliary})


@dataclass(frozen=True, eq=False)
class Part:
    """A fragment in its place: its name, and the parts whose main outputs enter it."""

    name: str
    fragment: Fragment
    sources: tuple[int, ...]


def image_part(image: Shape) -> Part:
    """The part that every graph starts with: the image itself."""
    canvas = Canvas()
    return Part("", canvas.finish(canvas.apply(ops.Input(image))), ())


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole network: placed fragments, seen as nodes whose inputs are indices into `nodes`."""

    parts: tuple[Part, ...]

    @cached_property
    def _flat(self) -> tuple[tuple[Node, ...], dict[str, int]]:
        nodes: list[Node] = []
        mains: list[int] = []
        outputs: dict[str, int] = {}
        for part in self.parts:
            offset, entering = len(nodes), [mains[source] for source in part.sources]

            def absolute(index: int, offset: int = offset, entering: list[int] = entering) -> int:
                return index + offset if index >= 0 else entering[-index - 1]

            prefix = f"{part.name}." if part.name else ""
            nodes += [
                Node(prefix + node.name, node.operation, tuple(map(absolute, node.inputs)), node.shape)
                for node in part.fragment.nodes
            ]
            mains.append(absolute(part.fragment.outputs[MAIN]))
            auxiliary = (item for item in part.fragment.outputs.items() if item[0] != MAIN)
            outputs |= {prefix + name: absolute(index) for name, index in auxiliary}
        return tuple(nodes), {MAIN: mains[-1], **outputs}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every operation, each after the ones that feed it; the first is the image."""
        return self._flat[0]

    @property
    def outputs(self) -> Mapping[str, int]:
        """`main`, and any auxiliary outputs under hierarchical names such as `stage3.block1.auxiliary`."""
        return self._flat[1]

    @cached_property
    def key(self) -> str:
        """A name (32 hex digits) that networks with one computation share, however they are written.

        Node names do not enter, nor the order of what a commutative operation takes, nor nodes that reach no
        output. The whole wiring does, so one convolution used twice differs from two alike.
        """
        return canonical_key(self.nodes, self.outputs)
