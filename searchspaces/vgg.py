"""VGG: plain stacks of small convolutions between max pooling, and the space `vgg`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from searchspaces.adapt import fit
from searchspaces.architecture import Architecture, Block, Head, Stage
from searchspaces.axes import Space
from searchspaces.documents import Kernel, Share, Width
from searchspaces.ends import NoStem, PoolHead
from searchspaces.graph import Canvas, Tensor
from searchspaces.holes import OneOf
from searchspaces.network import Network, points


@dataclass(frozen=True)
class Plain(Block):
    """f(x), f = k×k convolution, normalised if `norm`, activated (Simonyan & Zisserman 2015, section 2.1).

    A stride is max pooling of that window before the convolution.
    """

    kernel: Kernel = 3
    norm: bool = False

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        """Gives (width, H/stride, W/stride)."""
        if stride > 1:
            x = g.max_pool(x, stride, stride)
        x = g.conv(x, width, self.kernel, bias=True)
        return g.act(g.norm(x) if self.norm else x)


@dataclass(frozen=True)
class DenseHead(Head):
    """Max pooling, a map of 7 × 7, two fully connected layers of `width` with dropout, and the scores.

    On small images it becomes global average pooling, as CIFAR's VGGs have it.
    """

    width: Width = 4096
    dropout: Share = 0.5

    def draw(self, g: Canvas, x: Tensor, classes: int) -> Tensor:
        """Gives (classes,)."""
        x = g.flatten(g.adaptive_pool(g.max_pool(x, 2, 2), 7))
        for _ in range(2):
            x = g.dropout(g.act(g.linear(x, self.width)), self.dropout)
        return g.linear(x, classes)

    def on_small_image(self) -> Head:
        """Global average pooling and one linear layer."""
        return PoolHead()


WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    block: Block,
    depths: Sequence[int],
    widths: Sequence[int] = WIDTHS,
    head: Head = DenseHead(),
) -> Architecture:
    """Five stages, each after the first halving the map (Simonyan & Zisserman 2015, table 1)."""
    rows = zip(depths, widths, (1, 2, 2, 2, 2), strict=True)
    return Architecture(NoStem(), tuple(Stage(block, depth, width, stride) for depth, width, stride in rows), head)


_SIMONYAN = "Simonyan & Zisserman 2015, Very Deep Convolutional Networks"

NETWORKS = (
    *(Network(f"vgg{layers}", vgg(Plain(), depths), _SIMONYAN) for layers, depths in DEPTHS.items()),
    *(Network(f"vgg{layers}_bn", vgg(Plain(norm=True), depths), _SIMONYAN) for layers, depths in DEPTHS.items()),
    Network(
        "vgg11_bn_x0_125",
        vgg(Plain(norm=True), DEPTHS[11], tuple(width // 8 for width in WIDTHS)),
        "ours: a narrow relative for images of a few pixels",
    ),
)


def vgg_space(image: int) -> Space:
    """Plain convolutions: depth of each stage, width, kernel, normalisation; narrow on tiny images."""
    multipliers = (0.25, 0.5, 0.75, 1.0, 1.5) if image > 16 else (0.0625, 0.125, 0.1875, 0.25)
    template = vgg(
        Plain(OneOf("kernel", (3, 5)), OneOf("norm", (True, False))),
        tuple(OneOf(f"depth{number}", (1, 2, 3, 4)) for number in range(1, 6)),
        tuple(OneOf("width", [round(width * m) for m in multipliers], labels=multipliers) for width in WIDTHS),
    )
    names = [network.name for network in NETWORKS if (image > 16) != network.name.endswith("_x0_125")]
    return Space("vgg", fit(template, 224, image), points(NETWORKS, names, image))


SPACES = {"vgg": vgg_space}
