"""How a primitive operation is written in plain PyTorch: a layer with weights, or an expression.

The numbers of an operation that may differ from block to block have a role (width, stride); the writer of a class makes
parameters of them. Everything else is fixed, and two blocks with other fixed values are two classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nas.errors import ExportError
from searchspaces import operations as ops
from searchspaces.canvas import Node
from searchspaces.operations import Operation, Shape


@dataclass(frozen=True)
class Argument:
    """One argument: its keyword ("" for one by position), its value, its role, and the default that is left out.

    Without a role the value is fixed.
    """

    keyword: str
    value: Any
    role: str = ""
    default: Any = None


@dataclass(frozen=True)
class Form:
    """An operation as written: the name of what is called, and its arguments after the inputs.

    `layer`: a module that is made once and called by its name. `sign`: an operator between two inputs.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    layer: bool = False
    sign: bool = False

    @property
    def fixed(self) -> tuple[Any, ...]:
        """What two forms must share so that one line can stand for both."""
        values = tuple((a.keyword, a.role or (a.value, type(a.value).__name__)) for a in self.arguments)
        return self.name, self.layer, values

    def call(self, inputs: Sequence[str], value: Callable[[int, Argument], str]) -> str:
        """The text of the operation on `inputs`; `value` gives what stands for an argument."""
        if self.sign:
            return f" {self.name} ".join(inputs)
        if self.name == "[]":
            start, stop = (value(i, a) for i, a in enumerate(self.arguments))
            return (
                f"{inputs[0]}[:, {start}:{stop}]" if (start + stop).isdigit() else f"{inputs[0]}[:, {start} : {stop}]"
            )
        if self.name == "torch.cat":
            inputs = [f"[{', '.join(inputs)}]"]
        said = list(inputs)
        for index, argument in enumerate(self.arguments):
            text = value(index, argument)
            if argument.default is None or text != repr(argument.default):
                said.append(f"{argument.keyword}={text}" if argument.keyword else text)
        return f"{self.name}({', '.join(said)})"


@dataclass(frozen=True)
class Said:
    """A value that is an expression."""

    text: str

    def __repr__(self) -> str:
        return self.text


def _short(pair: tuple[int, int]) -> int | tuple[int, int]:
    return pair[0] if pair[0] == pair[1] else pair


def _conv(op: ops.Conv, shape: Shape) -> Form:
    return Form(
        "nn.Conv2d",
        (
            Argument("", shape[0], "channels"),
            Argument("", op.width, "width"),
            Argument("", _short(op.kernel), "kernel"),
            Argument("stride", op.stride, "stride", 1),
            Argument("padding", _short(op.padding), "padding", 0),
            Argument("dilation", op.dilation, "dilation", 1),
            Argument("groups", op.groups, "groups", 1),
            Argument("bias", op.bias, default=True),
        ),
        layer=True,
    )


def _linear(op: ops.Linear, shape: Shape) -> Form:
    sizes = Argument("", shape[0], "features"), Argument("", op.width, "width")
    return Form("nn.Linear", (*sizes, Argument("bias", op.bias, default=True)), layer=True)


def _norm(op: ops.Norm, shape: Shape) -> Form:
    return Form(
        "nn.BatchNorm2d", (Argument("", shape[0], "channels"), Argument("eps", op.eps, default=1e-5)), layer=True
    )


def _pool(op: ops.Pool, shape: Shape) -> Form:
    window = (
        Argument("", op.kernel, "kernel"),
        Argument("stride", op.stride, "stride"),
        Argument("padding", op.padding, "padding", 0),
        Argument("ceil_mode", op.ceil, default=False),
    )
    if op.how == "max":
        return Form("F.max_pool2d", window)
    return Form("F.avg_pool2d", (*window, Argument("count_include_pad", op.count_padding, default=True)))


def _pad_channels(op: ops.PadChannels, shape: Shape) -> Form:
    missing = op.width - shape[0]
    return Form("F.pad", (Argument("", (0, 0, 0, 0, missing // 2, missing - missing // 2), "channels_around"),))


def _pad_map(op: ops.PadMap, shape: Shape) -> Form:
    around = Argument("", (op.left, op.right, op.top, op.bottom))
    return Form("F.pad", (around,) if op.fill == "zero" else (around, Argument("value", Said('float("-inf")'))))


def _local_norm(op: ops.LocalNorm, shape: Shape) -> Form:
    values = op.alpha * op.size, op.beta, op.k  # torch divides alpha by the size
    return Form("F.local_response_norm", tuple(Argument("", value) for value in (op.size, *values)))


@dataclass(frozen=True)
class Branch(Operation):
    """A whole branch as one operation: the class that is called, and by role what makes it."""

    kind: ClassVar[str] = "branch"
    name: str
    numbers: tuple[tuple[str, Any], ...]

    def form(self) -> Form:
        """How it is written: a layer of its class."""
        arguments = tuple(Argument("", value, role.rstrip("0123456789")) for role, value in self.numbers)
        return Form(self.name, arguments, layer=True)


FORMS: Mapping[type[Operation], Callable[[Any, Shape], Form]] = {
    ops.Conv: _conv,
    ops.Linear: _linear,
    ops.Norm: _norm,
    ops.Activation: lambda op, shape: Form(f"{'torch' if op.function in ('sigmoid', 'tanh') else 'F'}.{op.function}"),
    ops.Pool: _pool,
    ops.AdaptivePool: lambda op, shape: Form("F.adaptive_avg_pool2d", (Argument("", op.size),)),
    ops.Flatten: lambda op, shape: Form("torch.flatten", (Argument("", 1),)),
    ops.Dropout: lambda op, shape: Form("F.dropout", (Argument("", op.rate), Argument("", Said("self.training")))),
    ops.PadChannels: _pad_channels,
    ops.PadMap: _pad_map,
    ops.LocalNorm: _local_norm,
    ops.Shuffle: lambda op, shape: Form("F.channel_shuffle", (Argument("", op.groups, "groups"),)),
    ops.Add: lambda op, shape: Form("+", sign=True),
    ops.Multiply: lambda op, shape: Form("*", sign=True),
    Branch: lambda op, shape: op.form(),
    ops.Concat: lambda op, shape: Form("torch.cat", (Argument("", 1),)),
    ops.Rescale: lambda op, shape: Form("torch.mul", (Argument("", op.factor),)),
    ops.Slice: lambda op, shape: Form(
        "[]", (Argument("", op.start, "start"), Argument("", op.start + op.width, "stop"))
    ),
}


def form_of(node: Node, shapes: Sequence[Shape]) -> Form:
    """The form of a node whose inputs have these shapes. Raises `ExportError` for an operation that has none."""
    kind = type(node.operation)
    if kind not in FORMS:
        raise ExportError(f"{node.name}: operation {kind.__name__} cannot be written as Python; add it in {__name__}")
    return FORMS[kind](node.operation, shapes[0])
