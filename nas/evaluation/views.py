"""Which parts of an image a network is shown, at which sizes: single and ten crops, dense, multi-scale.

- single: the centre.
- ten: the four corners and the centre of the central square, and their mirror images (Krizhevsky et al. 2012, 4.1).
- dense: the whole image at one size, and its mirror image (Simonyan & Zisserman 2015, section 3.2).
- multi-scale: dense at several sizes (there, section 4.2).

Probabilities, not scores, are averaged over the views of an image, each with the same weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from nas.data.images import Shape
from nas.errors import EvaluationError, unknown

if TYPE_CHECKING:
    from torch import Tensor

Kind: TypeAlias = Literal["single", "ten", "dense", "multi-scale"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SLIDING: tuple[Kind, ...] = ("dense", "multi-scale")
LARGEST = 4096  # pixels of a side
BASE = 256 / 224  # the usual shorter side of an image over the side of its crop


@dataclass(frozen=True)
class Prepared:
    """How an image is brought to a size before it is cut up.

    The shorter side becomes `short` pixels by `interpolation`, then the central `square` is cut out, unless it is 0.
    `short` 0: as training prepared images, of `channels` and `fitted` (height, width) pixels.
    """

    channels: int
    short: int = 0
    square: int = 0
    interpolation: str = "bilinear"
    fitted: tuple[int, int] = (0, 0)

    @property
    def shape(self) -> Shape:
        """What training's own way gives."""
        return (self.channels, *self.fitted)


@dataclass(frozen=True)
class Look:
    """What is seen of an image in one size: `crop` pixels in each corner and the centre, or all of it for 0.

    `dense`: by the network in its fully convolutional form. `mirror`: and the same from left to right.
    """

    prepared: Prepared
    crop: int = 0
    dense: bool = False
    mirror: bool = False

    @property
    def views(self) -> int:
        """How many views of an image this makes."""
        return (5 if self.crop else 1) * (1 + self.mirror)

    def cut(self, images: Tensor) -> Iterator[Tensor]:
        """The views of images (N, C, H, W), each (N, C, h, w)."""
        for part in self._parts(images):
            yield part
            if self.mirror:
                yield part.flip(-1)

    def _parts(self, images: Tensor) -> Iterator[Tensor]:
        if not self.crop:
            yield images
            return
        room = images.shape[-1] - self.crop
        for top, left in ((0, 0), (0, room), (room, 0), (room, room), (middle(room), middle(room))):
            yield images[..., top : top + self.crop, left : left + self.crop]


def middle(room: int) -> int:
    """The first pixel of a central crop, where so many pixels are over; as torchvision rounds."""
    return round(room / 2)


@dataclass(frozen=True)
class Views:
    """What was asked for; None leaves it to the network: its own sizes, and mirrored if its training mirrored.

    `resize`: pixels of the shorter side. `crop`: pixels of a crop's side, for single and ten. `scales`: the shorter
    sides for multi-scale. Raises `EvaluationError`.
    """

    kind: Kind = "single"
    resize: int | None = None
    crop: int | None = None
    scales: tuple[int, ...] = ()
    mirror: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EvaluationError(unknown("kind of views", self.kind, KINDS))
        for name, side in (("resize", self.resize), ("crop", self.crop), *(("scale", each) for each in self.scales)):
            if side is not None and not 1 <= side <= LARGEST:
                raise EvaluationError(f"{name} {side}; it must be from 1 to {LARGEST} pixels")
        if self.crop is not None and self.kind in SLIDING:
            raise EvaluationError(f"crop {self.crop}: {self.kind} views show whole images; give resize or scales")
        if self.scales and self.kind != "multi-scale":
            raise EvaluationError("scales go with multi-scale views only")
        if self.resize is not None and self.kind == "multi-scale":
            raise EvaluationError("multi-scale views take scales, not resize")

    def looks(self, native: Native) -> tuple[Look, ...]:
        """What a network of these native sizes is shown. Raises `EvaluationError` for sizes that do not go together."""
        mirror = native.mirror and self.kind != "single" if self.mirror is None else self.mirror
        if self.kind == "single" and self.resize is None and self.crop is None and not native.resize:
            return (Look(Prepared(native.channels, fitted=native.sides), mirror=mirror),)
        crop = self.crop or native.side
        usual = native.resize or round(BASE * crop)
        if self.kind in SLIDING:
            step = max(1, round((BASE - 1) * crop))
            scales = self.scales or (usual - step, usual, usual + step)
            shorts = scales if self.kind == "multi-scale" else (self.resize or usual,)
            return tuple(Look(native.prepared(short), dense=True, mirror=mirror) for short in shorts)
        short = self.resize or (max(usual, crop) if self.kind == "ten" or native.resize else crop)
        if crop > short:
            raise EvaluationError(f"crop {crop} is larger than the image, whose shorter side is {short}; raise resize")
        if self.kind == "ten":
            return (Look(native.prepared(short, short), crop, mirror=mirror),)
        return (Look(native.prepared(short, crop), mirror=mirror),)

    def to_json(self) -> dict[str, Any]:
        """What was asked for."""
        return {
            "kind": self.kind,
            "resize": self.resize,
            "crop": self.crop,
            "scales": list(self.scales),
            "mirror": self.mirror,
        }


@dataclass(frozen=True)
class Native:
    """What a network was trained with: its image, and for ported weights how their library prepares images.

    `sides`: height and width. `resize`: of the shorter side, 0 for training's own way. `mirror`: whether training
    mirrored images, so that a mirror image is of the same class.
    """

    channels: int
    sides: tuple[int, int]
    resize: int = 0
    interpolation: str = "bilinear"
    mirror: bool = False

    @property
    def side(self) -> int:
        """The side of a square image. Raises `EvaluationError` for another."""
        height, width = self.sides
        if height != width:
            raise EvaluationError(
                f"the network's own image is {height}×{width} pixels; crops and scales are for square ones, "
                "so that only single views without resize or crop are possible"
            )
        return height

    def prepared(self, short: int, square: int = 0) -> Prepared:
        """The image with that shorter side."""
        return Prepared(self.channels, short, square, self.interpolation)
