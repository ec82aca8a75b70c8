"""From the symbolic graph to a torch module: `build(graph, seed)` gives a `torch.fx.GraphModule`.

The module's readable forward has one line a node; its parameters have the nodes' hierarchical names and stand
in the order in which they were drawn. It can be pickled and exported like any module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nas.errors import StudyError
from searchspaces import Graph
from searchspaces import operations as ops
from searchspaces.graph import MAIN
from searchspaces.operations import Operation, Shape

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)
# What these give is not needed for their own gradient, so the activation after them may overwrite it.
_OVERWRITABLE = (ops.Norm, ops.Conv, ops.Linear, ops.Add)


class ZeroChannels(nn.Module):
    """Zero channels around those of the input, (N, C, H, W) to (N, width, H, W)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        """Pad."""
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after))


def _pool(op: ops.Pool, shape: Shape) -> nn.Module:
    if op.how == "max":
        return nn.MaxPool2d(op.kernel, op.stride, op.padding, ceil_mode=op.ceil)
    return nn.AvgPool2d(op.kernel, op.stride, op.padding, op.ceil, op.count_padding)


def _border(op: ops.PadMap, shape: Shape) -> nn.Module:
    value = 0.0 if op.fill == "zero" else float("-inf")
    return nn.ConstantPad2d((op.left, op.right, op.top, op.bottom), value)


def _local_norm(op: ops.LocalNorm, shape: Shape) -> nn.Module:
    return nn.LocalResponseNorm(op.size, op.alpha * op.size, op.beta, op.k)  # torch divides alpha by the size


def _pad(op: ops.PadChannels, shape: Shape) -> nn.Module:
    missing = op.width - shape[0]
    return ZeroChannels(missing // 2, missing - missing // 2)


# Each primitive with parameters or settings as the module that runs it, given its input's shape.
MODULES: dict[type[Operation], Callable[[Any, Shape], nn.Module]] = {
    ops.Conv: lambda op, s: nn.Conv2d(
        s[0], op.width, op.kernel, op.stride, op.padding, op.dilation, groups=op.groups, bias=op.bias
    ),
    ops.Linear: lambda op, s: nn.Linear(s[0], op.width, bias=op.bias),
    ops.Norm: lambda op, s: nn.BatchNorm2d(s[0], eps=op.eps),
    ops.Activation: lambda op, s: _ACTIVATIONS[op.function](),
    ops.Pool: _pool,
    ops.AdaptivePool: lambda op, s: nn.AdaptiveAvgPool2d(op.size),
    ops.Flatten: lambda op, s: nn.Flatten(),
    ops.Dropout: lambda op, s: nn.Dropout(op.rate),
    ops.PadChannels: _pad,
    ops.PadMap: _border,
    ops.LocalNorm: _local_norm,
    ops.Shuffle: lambda op, s: nn.ChannelShuffle(op.groups),
}

# The others as a function, and how the primitive and its inputs become the arguments.
CALLS: dict[type[Operation], tuple[Callable[..., Tensor], Callable[[Any, list[fx.Node]], tuple[Any, ...]]]] = {
    ops.Add: (torch.add, lambda op, xs: tuple(xs)),
    ops.Multiply: (torch.mul, lambda op, xs: tuple(xs)),
    ops.Concat: (torch.cat, lambda op, xs: (xs, 1)),
    ops.Rescale: (torch.mul, lambda op, xs: (xs[0], op.factor)),
    ops.Slice: (torch.narrow, lambda op, xs: (xs[0], 1, op.start, op.width)),
}


def build(graph: Graph, seed: int) -> fx.GraphModule:
    """The graph as a module on the CPU in float32, initialised from `seed` (He et al. 2015, fan out).

    Takes (N, C, H, W), gives (N, classes); with auxiliary outputs, a dict of outputs by name. Raises
    `StudyError` for a primitive that has no module.
    """
    module = skeleton(graph)
    module.to_empty(device="cpu")
    initialise(module, seed)
    return module


def skeleton(graph: Graph) -> fx.GraphModule:
    """The graph as a module without numbers, on the device "meta".

    Torch's own numbers would be drawn from the global generator, and thrown away. Raises
    `StudyError` for a primitive that has no module.
    """
    with torch.device("meta"):
        return _assemble(graph)


def _assemble(graph: Graph) -> fx.GraphModule:
    root = nn.Module()
    traced = fx.Graph()
    values: list[fx.Node] = []
    readers = Counter(i for node in graph.nodes for i in node.inputs) + Counter(graph.outputs.values())
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]
        kind = type(node.operation)
        if kind is ops.Input:
            # A network has one image; a block alone may have several inputs (`nas.latency.blocks`).
            values.append(traced.placeholder(f"image{len(values) or ''}"))
        elif kind in CALLS:
            function, arguments = CALLS[kind]
            name = node.name.replace(".", "_")
            values.append(traced.create_node("call_function", function, arguments(node.operation, inputs), name=name))
        elif kind in MODULES:
            source = node.inputs[0]
            layer = MODULES[kind](node.operation, graph.nodes[source].shape)
            if isinstance(layer, _IN_PLACE):
                layer.inplace = readers[source] == 1 and isinstance(graph.nodes[source].operation, _OVERWRITABLE)
            _attach(root, node.name, layer)
            values.append(traced.call_module(node.name, (inputs[0],)))
        else:
            raise StudyError(f"{node.name}: operation {kind.__name__} has no module; add it in nas.build")
    results = {name: values[index] for name, index in graph.outputs.items()}
    traced.output(results if len(results) > 1 else results[MAIN])
    return fx.GraphModule(root, traced, "Network")


def initialise(module: nn.Module, seed: int) -> None:
    """Fill the weights from `seed`, on the CPU, so that every device starts from the same numbers.

    Convolutions: normal with variance 2 / fan out (He et al. 2015, section 2.2). Linear: uniform within
    1 / sqrt(inputs). Normalisation: scale 1, shift 0. Biases of convolutions: 0.
    """
    rng = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            bound = 1 / sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=rng)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=rng)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()


def _attach(root: nn.Module, name: str, layer: nn.Module) -> None:
    *path, leaf = name.split(".")
    for step in path:
        if step not in root._modules:
            root.add_module(step, nn.Module())
        root = root.get_submodule(step)
    root.add_module(leaf, layer)
