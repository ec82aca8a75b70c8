"""The primitive operations that every network is made of: shape, parameters and FLOPs of each, in one place.

A shape is (channels, height, width), or (features,) after flattening; the batch is left out.

What counts, here and everywhere in nas:

- One FLOP is one multiply-add, as in the ResNet, ResNeXt and MobileNet papers and in torchvision's figures.
- Convolutions and linear layers count their multiply-adds; their bias does not count.
- Normalisation, activation, pooling, addition, multiplication, padding and dropout count as zero FLOPs.
- Parameters are what is trained: weights, biases, and the scale and shift of a normalisation, but not its
  running statistics.
- Activations are the elements of the outputs of convolutions and linear layers (Radosavovic et al. 2020,
  "Designing Network Design Spaces", section 3.2).

A new primitive is one class here and one line in `nas.build`; pricing, tables and keys follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, TypeAlias

from searchspaces.errors import InvalidArchitecture

Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
ActivationKind: TypeAlias = Literal["relu", "relu6", "sigmoid", "hardsigmoid", "hardswish", "silu", "tanh"]


@dataclass(frozen=True)
class Operation:
    """One primitive. `kind` names its nodes; `commutative` says that the order of its inputs means nothing."""

    kind: ClassVar[str] = "operation"
    commutative: ClassVar[bool] = False
    counts: ClassVar[bool] = False  # whether its output counts as activations
    stores: ClassVar[bool] = True  # whether its output takes memory of its own

    def shape(self, *inputs: Shape) -> Shape:
        """The output's shape. Raises `InvalidArchitecture` where the inputs do not fit."""
        return inputs[0]

    def params(self, *inputs: Shape) -> int:
        """The number of trained parameters."""
        return 0

    def flops(self, *inputs: Shape) -> int:
        """The multiply-adds for one image."""
        return 0

    def reach(self, shape: Shape) -> tuple[int, int]:
        """Window and stride in pixels along an image side, for the receptive field."""
        return 1, 1


@dataclass(frozen=True)
class Input(Operation):
    """The image."""

    kind: ClassVar[str] = "input"
    stores: ClassVar[bool] = False
    image: Shape = (3, 224, 224)

    def shape(self, *inputs: Shape) -> Shape:
        """The image's own shape."""
        return self.image


@dataclass(frozen=True)
class Conv(Operation):
    """A 2-D convolution to `width` channels in `groups` groups; `padding` in pixels on each side."""

    kind: ClassVar[str] = "conv"
    counts: ClassVar[bool] = True
    width: int
    kernel: Pair = (1, 1)
    stride: int = 1
    padding: Pair = (0, 0)
    groups: int = 1
    bias: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        """(width, H', W') with H' = floor((H + 2·padding − kernel) / stride) + 1."""
        channels = _map(inputs[0], "a convolution")[0]
        if channels % self.groups or self.width % self.groups:
            raise InvalidArchitecture(
                f"convolution of {channels} to {self.width} channels in {self.groups} groups; groups must divide both"
            )
        return (self.width, *_window(inputs[0], self.kernel, self.stride, self.padding))

    def params(self, *inputs: Shape) -> int:
        """Kernel area × input channels per group × width, and the bias."""
        return self.width * (prod(self.kernel) * inputs[0][0] // self.groups + self.bias)

    def flops(self, *inputs: Shape) -> int:
        """One multiply-add for each weight and each output position."""
        height, width = self.shape(*inputs)[1:]
        return height * width * self.width * prod(self.kernel) * inputs[0][0] // self.groups

    def reach(self, shape: Shape) -> tuple[int, int]:
        """Its kernel (the longer side) and stride."""
        return max(self.kernel), self.stride


@dataclass(frozen=True)
class Linear(Operation):
    """A fully connected layer to `width` features."""

    kind: ClassVar[str] = "linear"
    counts: ClassVar[bool] = True
    width: int
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        """(width,)."""
        if len(inputs[0]) != 1:
            raise InvalidArchitecture(f"a linear layer needs flat features, not shape {inputs[0]}")
        return (self.width,)

    def params(self, *inputs: Shape) -> int:
        """Weights and bias."""
        return self.width * (inputs[0][0] + self.bias)

    def flops(self, *inputs: Shape) -> int:
        """One multiply-add for each weight."""
        return self.width * inputs[0][0]


@dataclass(frozen=True)
class Norm(Operation):
    """Batch normalisation (Ioffe & Szegedy 2015) over channels, with a learned scale and shift."""

    kind: ClassVar[str] = "norm"
    eps: float = 1e-5

    def shape(self, *inputs: Shape) -> Shape:
        """The map's own shape."""
        return _map(inputs[0], "batch normalisation")

    def params(self, *inputs: Shape) -> int:
        """A scale and a shift for each channel."""
        return 2 * inputs[0][0]


@dataclass(frozen=True)
class Activation(Operation):
    """An element-wise non-linearity."""

    kind: ClassVar[str] = "act"
    stores: ClassVar[bool] = False
    function: ActivationKind = "relu"


@dataclass(frozen=True)
class Pool(Operation):
    """Max or average pooling over a window; average pooling counts the padding as torch does by default."""

    kind: ClassVar[str] = "pool"
    how: Literal["max", "avg"]
    kernel: int
    stride: int
    padding: int = 0

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H', W') as for a convolution."""
        _map(inputs[0], "pooling")
        pair = (self.kernel, self.kernel)
        return (inputs[0][0], *_window(inputs[0], pair, self.stride, (self.padding, self.padding)))

    def reach(self, shape: Shape) -> tuple[int, int]:
        """Its window and stride."""
        return self.kernel, self.stride


@dataclass(frozen=True)
class AdaptivePool(Operation):
    """Average pooling to a map of `size` × `size` pixels, whatever comes in; size 1 is global average pooling."""

    kind: ClassVar[str] = "pool"
    size: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        """(C, size, size)."""
        return (_map(inputs[0], "pooling")[0], self.size, self.size)

    def reach(self, shape: Shape) -> tuple[int, int]:
        """As a window over the input: about H / size pixels, moved by as many."""
        side = -(-max(shape[1:]) // self.size)
        return side, side


@dataclass(frozen=True)
class Flatten(Operation):
    """(C, H, W) to (C·H·W,)."""

    kind: ClassVar[str] = "flatten"
    stores: ClassVar[bool] = False

    def shape(self, *inputs: Shape) -> Shape:
        """All elements in one row."""
        return (prod(inputs[0]),)


@dataclass(frozen=True)
class Dropout(Operation):
    """Drops each element with probability `rate` in training."""

    kind: ClassVar[str] = "dropout"
    rate: float = 0.5


@dataclass(frozen=True)
class Add(Operation):
    """The element-wise sum of two inputs of one shape: the shortcut of a residual block."""

    kind: ClassVar[str] = "add"
    commutative: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        """The common shape."""
        if len(set(inputs)) != 1:
            raise InvalidArchitecture(f"cannot add shapes {' and '.join(map(str, inputs))}")
        return inputs[0]


@dataclass(frozen=True)
class Multiply(Operation):
    """A map times one factor a channel: the gate of squeeze-and-excitation."""

    kind: ClassVar[str] = "scale"

    def shape(self, *inputs: Shape) -> Shape:
        """The map's shape."""
        if inputs[1] != (inputs[0][0], 1, 1):
            raise InvalidArchitecture(f"cannot scale shape {inputs[0]} by shape {inputs[1]}")
        return inputs[0]


@dataclass(frozen=True)
class Concat(Operation):
    """Inputs of one map size, one after the other along channels."""

    kind: ClassVar[str] = "concat"

    def shape(self, *inputs: Shape) -> Shape:
        """(sum of channels, H, W)."""
        if len({shape[1:] for shape in inputs}) != 1:
            raise InvalidArchitecture(f"cannot concatenate shapes {' and '.join(map(str, inputs))}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True)
class PadChannels(Operation):
    """Zero channels around the given ones, up to `width` (He et al. 2016, shortcut option A)."""

    kind: ClassVar[str] = "pad"
    width: int

    def shape(self, *inputs: Shape) -> Shape:
        """(width, H, W)."""
        if inputs[0][0] > self.width:
            raise InvalidArchitecture(f"cannot pad {inputs[0][0]} channels to {self.width}")
        return (self.width, *inputs[0][1:])


def _map(shape: Shape, what: str) -> Shape:
    if len(shape) != 3:
        raise InvalidArchitecture(f"{what} needs a map of channels × height × width, not shape {shape}")
    return shape


def _window(shape: Shape, kernel: Pair, stride: int, padding: Pair) -> tuple[int, int]:
    sides = tuple((side + 2 * p - k) // stride + 1 for side, k, p in zip(shape[1:], kernel, padding, strict=True))
    if min(sides) < 1:
        window, side = f"{kernel[0]}×{kernel[1]}", f"{shape[1]}×{shape[2]}"
        raise InvalidArchitecture(f"the image is too small: a {window} window on a map of {side} pixels")
    return sides[0], sides[1]
