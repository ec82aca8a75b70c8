"""Random changes to training images, as operations on a whole batch on its device.

The numbers of an epoch are drawn at once on the host, so that a step only slices them, and so that the same seed
gives the same images on every device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nas.recipe import Recipe
from nas.training import colour, geometry
from nas.training.placement import Placed
from nas.training.randaugment import Strengths


@dataclass(frozen=True)
class Moves:
    """What happens to each of N images. None: this change is not made.

    The corner of its crop and the centre of its hole (int64), whether it is mirrored (bool), all (N,). Then, as
    floats: its affine map (N, 3, 3), factors of brightness, contrast and saturation (N, 3), bits that posterizing
    keeps, the value from which on it is inverted, and the share of it that stays when it is mixed with another, (N,).
    """

    top: Tensor | None = None
    left: Tensor | None = None
    mirrored: Tensor | None = None
    hole_row: Tensor | None = None
    hole_column: Tensor | None = None
    maps: Tensor | None = None
    factors: Tensor | None = None
    bits: Tensor | None = None
    threshold: Tensor | None = None
    share: Tensor | None = None

    @classmethod
    def draw(cls, count: int, height: int, width: int, recipe: Recipe, rng: torch.Generator) -> Moves:
        """Moves for `count` images of so many pixels, on the host.

        What came later is drawn last, so that a recipe without it draws what it always drew.
        """

        def below(limit: int, wanted: bool) -> Tensor | None:
            return torch.randint(limit, (count,), generator=rng) if wanted else None

        cropped, holed = recipe.crop > 0, recipe.cutout > 0
        corners = 2 * recipe.crop + 1
        top, left = below(corners, cropped), below(corners, cropped)
        mirrored = torch.randint(2, (count,), generator=rng).bool() if recipe.flip else None
        hole = below(height, holed), below(width, holed)
        maps = geometry.crops(recipe.resized_crop, count, height, width, rng) if recipe.resized_crop else None
        factors = bits = threshold = share = None
        if recipe.jitter:
            factors = 1 + recipe.jitter * (2 * torch.rand(count, 3, generator=rng) - 1)
        if recipe.randaugment:
            drawn = Strengths.draw(recipe.randaugment, recipe.magnitude, count, rng)
            turned, bits, threshold = drawn.maps(height, width), drawn.bits(), drawn.threshold()
            maps = turned if maps is None else maps @ turned
            factors = drawn.factors() if factors is None else factors * drawn.factors()
        if recipe.mixup:  # torch draws from a beta distribution by its global generator only
            seed = int(torch.randint(2**62, (), generator=rng))
            shares = np.random.default_rng(seed).beta(recipe.mixup, recipe.mixup, count)
            share = torch.from_numpy(shares.astype(np.float32))
        return cls(top, left, mirrored, *hole, maps, factors, bits, threshold, share)

    def to(self, device: torch.device) -> Moves:
        """These moves on a device."""
        return Moves(*(None if part is None else part.to(device, non_blocking=True) for part in self._parts))

    def __getitem__(self, which: slice) -> Moves:
        return Moves(*(None if part is None else part[which] for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor | None, ...]:
        places = self.top, self.left, self.mirrored, self.hole_row, self.hole_column
        return *places, self.maps, self.factors, self.bits, self.threshold, self.share


@dataclass(frozen=True)
class Batch:
    """Images (N, C, H, W) as a network sees them, and their labels (N,).

    Where images are mixed, `share` (N,) of each is itself and the rest an image whose label is in `partners` (N,).
    """

    images: Tensor
    labels: Tensor
    partners: Tensor | None = None
    share: Tensor | None = None

    def micro_batches(self, count: int) -> Iterator[Batch]:
        """As many parts of nearly one size, in order."""
        parts = [self.images, self.labels, self.partners, self.share]
        yield from map(Batch, *([None] * count if part is None else part.tensor_split(count) for part in parts))


def augmented(images: Tensor, labels: Tensor, moves: Moves, recipe: Recipe, placed: Placed) -> Batch:
    """A batch of bytes after all its moves, normalised.

    First crop and mirror, then colours, then one resampling, whose surroundings are the data's mean, then the hole,
    then mixing: each image with the one before it in the batch, which is a random one since the order is.
    """
    images = placed.normalised(recoloured(shift(images, moves, recipe.crop), moves))
    if moves.maps is not None:
        images = geometry.resampled(images, moves.maps, extended=not recipe.randaugment)
    images = cut_out(images, moves, recipe.cutout)
    if moves.share is None:
        return Batch(images, labels)
    images = torch.lerp(images.roll(1, 0), images, moves.share[:, None, None, None])
    return Batch(images, labels, labels.roll(1, 0), moves.share)


def recoloured(images: Tensor, moves: Moves) -> Tensor:
    """Bytes (N, C, H, W) with their colours changed: as floats from 0 to 255, or untouched where nothing is asked."""
    if moves.factors is not None:
        images = colour.recoloured(images.float(), moves.factors)
    if moves.bits is not None:
        images = colour.posterized(images.float(), moves.bits)
    if moves.threshold is not None:
        images = colour.solarized(images.float(), moves.threshold)
    return images


def shift(images: Tensor, moves: Moves, crop: int) -> Tensor:
    """Images (N, C, H, W) of any type, each padded with `crop` zeros, cropped at its corner, perhaps mirrored."""
    count, _, height, width = images.shape
    if moves.top is None and moves.left is None and moves.mirrored is None:
        return images
    rows = torch.arange(height, device=images.device).expand(count, height)
    columns = torch.arange(width, device=images.device).expand(count, width)
    if moves.mirrored is not None:
        columns = torch.where(moves.mirrored[:, None], width - 1 - columns, columns)
    if moves.top is not None and moves.left is not None:
        images = functional.pad(images, (crop, crop, crop, crop))
        rows = rows + moves.top[:, None]
        columns = columns + moves.left[:, None]
    # One gather for crop and mirror: (N, 1, 1), (N, H, 1), (N, 1, W) index (N, H, W) pixels of all channels.
    each = torch.arange(count, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor, moves: Moves, size: int) -> Tensor:
    """Images (N, C, H, W) with a square of `size` pixels set to zero around each hole's centre, clipped at the edge.

    DeVries & Taylor 2017; a square of even size extends one pixel further up and left.
    """
    if moves.hole_row is None or moves.hole_column is None:
        return images
    height, width = images.shape[2:]
    start = size // 2
    rows = torch.arange(height, device=images.device) - moves.hole_row[:, None] + start
    columns = torch.arange(width, device=images.device) - moves.hole_column[:, None] + start
    hole = ((rows >= 0) & (rows < size))[:, None, :, None] & ((columns >= 0) & (columns < size))[:, None, None, :]
    return images.masked_fill(hole, 0)
