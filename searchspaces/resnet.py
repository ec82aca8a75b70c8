"""Residual networks: ResNet, pre-activation, wide, ResNeXt and squeeze-and-excitation, and their blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from searchspaces.architecture import Architecture, Block, Head, Stage
from searchspaces.documents import Cardinality, Kernel, Ratio, Share
from searchspaces.ends import ConvStem, PoolHead, squeeze_excite
from searchspaces.graph import Canvas, Tensor
from searchspaces.network import Network, cifar

Shortcut: TypeAlias = Literal["projection", "pad"]


@dataclass(frozen=True)
class Basic(Block):
    """x + f(x), f = k×k -> k×k [-> squeeze-excite] (He et al. 2016, figure 5 left).

    `se`: width of the gate relative to the stage. `preact`: normalise and activate before each convolution
    (He et al. 2016b, figure 4e). `shortcut`: what carries x where the shape changes, a 1×1 convolution or
    subsampling with zero channels (option A; where the width shrinks, a 1×1 convolution all the same).
    """

    kernel: Kernel = 3
    se: Share = 0.0
    preact: bool = False
    shortcut: Shortcut = "projection"

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        """Gives (width, H/stride, W/stride)."""
        y = entry = _enter(g, x, self.preact)
        y = g.conv(y, width, self.kernel, stride)
        y = g.conv(g.act(g.norm(y)), width, self.kernel)
        return _join(g, self, x, entry, y, width, stride)


@dataclass(frozen=True)
class Bottleneck(Block):
    """x + f(x), f = 1×1 -> k×k in `cardinality` groups -> 1×1 [-> squeeze-excite].

    With cardinality 1 ResNet's block (He et al. 2016, figure 5 right), otherwise ResNeXt's in its grouped
    form (Xie et al. 2017, figure 3c). The inner width is `ratio` × stage width, rounded to a multiple of
    `cardinality`. `stride_in` says which convolution has the stride: the 1×1 as in the paper, or the k×k as
    in torchvision. `se`, `preact` and `shortcut` as in `Basic`.
    """

    ratio: Ratio = 0.25
    kernel: Kernel = 3
    cardinality: Cardinality = 1
    se: Share = 0.0
    preact: bool = False
    stride_in: Literal["kxk", "1x1"] = "kxk"
    shortcut: Shortcut = "projection"

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        """Gives (width, H/stride, W/stride)."""
        inner = max(1, round(width * self.ratio / self.cardinality)) * self.cardinality
        first, second = (stride, 1) if self.stride_in == "1x1" else (1, stride)
        y = entry = _enter(g, x, self.preact)
        y = g.conv(y, inner, 1, first)
        y = g.conv(g.act(g.norm(y)), inner, self.kernel, second, groups=self.cardinality)
        y = g.conv(g.act(g.norm(y)), width)
        return _join(g, self, x, entry, y, width, stride)


def _enter(g: Canvas, x: Tensor, preact: bool) -> Tensor:
    return g.act(g.norm(x)) if preact else x


def _join(g: Canvas, block: Basic | Bottleneck, x: Tensor, entry: Tensor, y: Tensor, width: int, stride: int) -> Tensor:
    """The end of a residual block: gate, shortcut, sum."""
    if not block.preact:
        y = g.norm(y)
    if block.se:
        y = squeeze_excite(g, y, max(1, round(width * block.se)))
    if stride != 1 or x.channels != width:
        if block.shortcut == "pad" and x.channels <= width:
            x = g.pad_channels(g.max_pool(x, 1, stride) if stride > 1 else x, width)
        elif block.preact:
            x = g.conv(entry, width, 1, stride)
        else:
            x = g.unit(x, width, 1, stride, act=None)
    y = g.add(y, x)
    return y if block.preact else g.act(y)


IMAGENET_STEM = ConvStem()
CIFAR_STEM = ConvStem(16, kernel=3, stride=1, pool=False)


def resnet(
    block: Block,
    depths: Sequence[int],
    widths: Sequence[int] = (256, 512, 1024, 2048),
    stem: ConvStem = IMAGENET_STEM,
    head: Head = PoolHead(),  # noqa: B008 - frozen
) -> Architecture:
    """A residual network: stages of `block`, each but the first halving the map (He et al. 2016, table 1)."""
    strides = (1, *(2 for _ in depths[1:]))
    rows = zip(depths, widths, strides, strict=True)
    return Architecture(stem, tuple(Stage(block, depth, width, stride) for depth, width, stride in rows), head)


def cifar_resnet(depth: int) -> Architecture:
    """The CIFAR ResNet of 6n + 2 layers, with zero-padded shortcuts (He et al. 2016, section 4.2)."""
    return resnet(Basic(shortcut="pad"), ((depth - 2) // 6,) * 3, (16, 32, 64), CIFAR_STEM)


def cifar_bottleneck(depth: int, preact: bool = False) -> Architecture:
    """The CIFAR ResNet of 9n + 2 layers of bottlenecks (He et al. 2016b, section 4)."""
    stem = ConvStem(16, kernel=3, stride=1, pool=False, activated=not preact)
    block = Bottleneck(preact=preact)
    return resnet(block, ((depth - 2) // 9,) * 3, (64, 128, 256), stem, PoolHead(normalised=preact))


def wide_resnet(depth: int, widening: int) -> Architecture:
    """WRN-depth-widening for CIFAR (Zagoruyko & Komodakis 2016, table 1)."""
    stem = ConvStem(16, kernel=3, stride=1, pool=False, activated=False)
    widths = (16 * widening, 32 * widening, 64 * widening)
    return resnet(Basic(preact=True), ((depth - 4) // 6,) * 3, widths, stem, PoolHead(normalised=True))


def cifar_resnext(cardinality: int, group_width: int, width: int = 256) -> Architecture:
    """ResNeXt-29, cardinality × group width d, for CIFAR (Xie et al. 2017, section 5.3).

    `width` is the first stage's; the paper's is 256.
    """
    block = Bottleneck(ratio=cardinality * group_width / width, cardinality=cardinality)
    stem = ConvStem(64 if width == 256 else 16, kernel=3, stride=1, pool=False)
    return resnet(block, (3, 3, 3), (width, 2 * width, 4 * width), stem)


BASIC_WIDTHS = (64, 128, 256, 512)
_PREACT_STEM = ConvStem(activated=False)
_HE = "He et al. 2016, Deep Residual Learning"
_HE_B = "He et al. 2016, Identity Mappings in Deep Residual Networks"
_XIE = "Xie et al. 2017, Aggregated Residual Transformations"
_ZAGORUYKO = "Zagoruyko & Komodakis 2016, Wide Residual Networks"
_HU = "Hu et al. 2018, Squeeze-and-Excitation Networks"
_OURS = "ours: a narrow relative for images of a few pixels"

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_PRINTED = "stride in the 1×1, as printed"
_PREACT_50 = resnet(Bottleneck(preact=True), DEPTHS[50], stem=_PREACT_STEM, head=PoolHead(normalised=True))
_SE_RESNEXT_50 = resnet(Bottleneck(ratio=0.5, cardinality=32, se=1 / 16), DEPTHS[50])

NETWORKS = (
    *(Network(f"resnet{n}", resnet(Basic(), DEPTHS[n], BASIC_WIDTHS), _HE) for n in (18, 34)),
    *(Network(f"resnet{n}", resnet(Bottleneck(), DEPTHS[n]), _HE) for n in (50, 101, 152)),
    *(
        Network(f"resnet{n}_v1", resnet(Bottleneck(stride_in="1x1"), DEPTHS[n]), _HE, note=_PRINTED)
        for n in (50, 101, 152)
    ),
    Network("preact_resnet50", _PREACT_50, _HE_B),
    Network("wide_resnet50_2", resnet(Bottleneck(ratio=0.5), DEPTHS[50]), _ZAGORUYKO),
    Network("wide_resnet101_2", resnet(Bottleneck(ratio=0.5), DEPTHS[101]), _ZAGORUYKO),
    Network("resnext50_32x4d", resnet(Bottleneck(ratio=0.5, cardinality=32), DEPTHS[50]), _XIE),
    Network("resnext101_32x4d", resnet(Bottleneck(ratio=0.5, cardinality=32), DEPTHS[101]), _XIE),
    Network("resnext101_32x8d", resnet(Bottleneck(ratio=1.0, cardinality=32), DEPTHS[101]), _XIE),
    Network("se_resnet50", resnet(Bottleneck(se=1 / 16), DEPTHS[50]), _HU),
    Network("se_resnext50_32x4d", _SE_RESNEXT_50, _HU),
    *(cifar(f"resnet{layers}", cifar_resnet(layers), _HE) for layers in (8, 14, 20, 32, 44, 56, 110)),
    cifar("resnet164", cifar_bottleneck(164), _HE_B),
    cifar("preact_resnet164", cifar_bottleneck(164, preact=True), _HE_B),
    *(cifar(f"wrn{n}_{k}", wide_resnet(n, k), _ZAGORUYKO) for n, k in ((16, 4), (40, 4), (28, 10))),
    cifar("resnext29_32x4d", cifar_resnext(32, 4), _XIE),
    cifar("resnext29_8x64d", cifar_resnext(8, 64), _XIE),
    cifar("resnext29_16x64d", cifar_resnext(16, 64), _XIE),
    cifar("resnet29_1x8d", cifar_resnext(1, 8, width=32), _OURS),
    cifar("resnext29_4x4d", cifar_resnext(4, 4, width=32), _OURS),
    cifar("resnext29_8x2d", cifar_resnext(8, 2, width=32), _OURS),
)
