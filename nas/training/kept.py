"""What a step keeps of a network's values, and when they are freed: the model behind `nas.training.memory`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from searchspaces import operations as ops
from searchspaces.graph import Graph
from searchspaces.operations import Operation, Shape

BYTES = 4  # an element in float32
INDEX = 8  # an element of where a maximum was
# These may be overwritten by the activation after them (`nas.build` does so).
OVERWRITABLE = (ops.Norm, ops.Conv, ops.Linear, ops.Add)
IN_PLACE = ("relu", "relu6", "silu", "hardswish")
# The derivative needs the result, or the input, which one in place must copy first.
OF_RESULT = ("relu", "sigmoid", "tanh")
# Their gradient is the incoming one, or a view of it.
PASSED_ON = (ops.Add, ops.Concat, ops.Flatten)


@dataclass(frozen=True)
class Value:
    """What one node gives, and what autograd keeps when it runs.

    `storage`: the node whose memory it lies in; `size`: bytes an image of that memory, if it is its own; `keeps`: the
    storages kept; `extra`: further bytes an image kept; `fixed`: bytes kept whatever the batch; `params`: of float32;
    `passes_on`: whether its gradient is that of its inputs; `workspace`: bytes in the backward pass, for a
    moment; half of it in the forward pass.
    """

    storage: int
    size: int
    inputs: tuple[int, ...]
    trained: bool  # whether a gradient flows through it
    keeps: frozenset[int]
    extra: int
    fixed: int
    params: int
    passes_on: bool
    workspace: int


@dataclass(frozen=True)
class Values:
    """All values of a network, in order."""

    values: tuple[Value, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, graph: Graph, *, narrow: bool, channels_last: bool) -> Values:
        """The values of a graph whose module is built by `nas.build`; `narrow`: computed in two bytes."""
        width = 2 if narrow else BYTES
        readers = Counter(i for node in graph.nodes for i in node.inputs) + Counter(graph.outputs.values())
        made: list[Value] = []
        for index, node in enumerate(graph.nodes):
            shapes = tuple(graph.nodes[i].shape for i in node.inputs)
            operation = node.operation
            params = operation.params(*shapes)
            trained = params > 0 or any(made[i].trained for i in node.inputs)
            source = node.inputs[0] if node.inputs else index
            over = readers[source] == 1 and isinstance(graph.nodes[source].operation, OVERWRITABLE)
            in_place = isinstance(operation, ops.Activation) and operation.function in IN_PLACE and over
            own = not (in_place or _is_view(operation, shapes, channels_last))
            storage = index if own else made[source].storage
            keeps: set[int] = set()
            extra = fixed = 0
            if trained:
                entering = {made[i].storage for i in node.inputs}
                if _needs_inputs(operation) and not in_place:
                    keeps |= entering
                if _needs_result(operation):
                    keeps.add(storage)
                extra, fixed = _further(operation, shapes, node.shape, in_place, width)
            size = prod(node.shape) * width if own else 0
            passes = isinstance(operation, PASSED_ON) and all(
                isinstance(operation, (ops.Concat, ops.Flatten)) or shape == node.shape for shape in shapes
            )
            # The gradient of a kernel in the order that the convolution computes it in, and again on its way back.
            workspace = 2 * BYTES * params if isinstance(operation, ops.Conv) else 0
            made.append(
                Value(storage, size, node.inputs, trained, frozenset(keeps), extra, fixed, params, passes, workspace)
            )
        return cls(tuple(made), tuple(graph.outputs.values()))

    def kept(self, batch: int) -> int:
        """Bytes that autograd keeps after a forward pass over so many images."""
        storages = frozenset().union(*(value.keeps for value in self.values))
        own = sum(self.values[storage].size for storage in storages)
        return batch * (own + sum(value.extra for value in self.values)) + sum(value.fixed for value in self.values)

    def forward_peak(self, batch: int, *, keep: bool) -> int:
        """The most bytes at any node of a forward pass; `keep`: for a backward pass."""
        last = {value.storage: index for index, value in enumerate(self.values)}
        for index, value in enumerate(self.values):
            last.update((self.values[i].storage, index) for i in value.inputs)
        last.update((self.values[i].storage, len(self.values)) for i in self.outputs)
        held: set[int] = set()
        live = peak = 0  # bytes an image
        fixed = 0
        ends: dict[int, list[int]] = {}
        for storage, index in last.items():
            ends.setdefault(index, []).append(storage)
        for index, value in enumerate(self.values):
            live += value.size + (value.extra if keep else 0)
            if keep:
                held |= value.keeps
                fixed += value.fixed
            peak = max(peak, batch * live + fixed + value.workspace // 2)
            live -= sum(self.values[storage].size for storage in ends.get(index, ()) if storage not in held)
        return peak

    def backward_peak(self, batch: int) -> int:
        """The most bytes at any node of a backward pass: what is still kept, gradients of values and of weights."""
        first: dict[int, int] = {}  # the node at which each kept storage is let go
        for index, value in enumerate(self.values):
            for storage in value.keeps:
                first.setdefault(storage, index)
        freed: dict[int, int] = {}
        for storage, index in first.items():
            freed[index] = freed.get(index, 0) + self.values[storage].size
        live = self.kept(batch)
        gradients = _Gradients([self._elements(index) for index in range(len(self.values))])
        for output in self.outputs:
            gradients.arrive(output, None)
        peak = live
        for index in reversed(range(len(self.values))):
            value = self.values[index]
            if not value.trained:
                continue
            for source in self._sources(value):
                gradients.arrive(source, index if value.passes_on else None)
            live += BYTES * value.params
            peak = max(peak, live + batch * gradients.live + value.workspace)
            gradients.done(index)
            live -= batch * (freed.get(index, 0) + value.extra) + value.fixed
        return peak

    def _sources(self, value: Value) -> Iterator[int]:
        return (i for i in value.inputs if self.values[i].trained)

    def _elements(self, index: int) -> int:
        """Bytes an image of a gradient: as many as the value has, be it a view or not."""
        return self.values[self.values[index].storage].size


class _Gradients:
    """Gradients of values during a backward pass; several values may share one."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.buffer: dict[int, int] = {}  # of each value whose gradient is there: the value it was made for
        self.users: Counter[int] = Counter()
        self.live = 0

    def arrive(self, value: int, shared_with: int | None) -> None:
        """A gradient for a value: new, or that of another value passed on; a second one is added to the first."""
        owner = value if shared_with is None else self.buffer[shared_with]
        if value in self.buffer:
            if self.buffer[value] == value:
                return  # added in place
            self._release(self.buffer.pop(value))
            owner = value
        if not self.users[owner]:
            self.live += self.sizes[owner]
        self.users[owner] += 1
        self.buffer[value] = owner

    def done(self, value: int) -> None:
        """The gradient of a value was used."""
        if value in self.buffer:
            self._release(self.buffer.pop(value))

    def _release(self, owner: int) -> None:
        self.users[owner] -= 1
        if not self.users[owner]:
            self.live -= self.sizes[owner]


def _is_view(operation: Operation, shapes: tuple[Shape, ...], channels_last: bool) -> bool:
    if isinstance(operation, ops.Flatten):  # in the order of channels last a map of several pixels must be copied
        return not channels_last or prod(shapes[0][1:]) == 1 or shapes[0][0] == 1
    return isinstance(operation, ops.Slice) or (isinstance(operation, ops.Dropout) and operation.rate == 0)


def _needs_inputs(operation: Operation) -> bool:
    if isinstance(operation, ops.Activation):
        return operation.function not in OF_RESULT
    if isinstance(operation, ops.AdaptivePool):
        return operation.size > 1  # to one pixel it is a mean, which needs nothing
    return isinstance(operation, (ops.Conv, ops.Linear, ops.Norm, ops.Pool, ops.Multiply, ops.LocalNorm))


def _needs_result(operation: Operation) -> bool:
    return isinstance(operation, ops.Activation) and operation.function in OF_RESULT


def _further(
    operation: Operation, shapes: tuple[Shape, ...], result: Shape, in_place: bool, width: int
) -> tuple[int, int]:
    """Bytes kept an image, and whatever the batch, beside inputs and results."""
    if isinstance(operation, ops.Activation) and in_place and operation.function not in OF_RESULT:
        return prod(result) * width, 0
    if isinstance(operation, ops.Pool) and operation.how == "max":
        return prod(result) * INDEX, 0
    if isinstance(operation, ops.Dropout) and operation.rate > 0:
        return prod(result) * width, 0
    if isinstance(operation, ops.LocalNorm):  # the squares with a border of channels, their mean, its power
        channels, *area = shapes[0]
        return BYTES * prod(area) * (channels + operation.size - 1 + 2 * channels), 0
    if isinstance(operation, ops.Norm):  # mean and deviation of the batch
        return 0, 2 * BYTES * shapes[0][0]
    return 0, 0
