"""Random changes to training images, as operations on a whole batch on its device.

The numbers of an epoch are drawn at once on the host, so that a step only slices them, and so that the same seed
gives the same images on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nas.recipe import Recipe


@dataclass(frozen=True)
class Moves:
    """What happens to each of N images: its crop's corner, whether it is mirrored, its hole's centre.

    None: this change is not made. All of shape (N,) and int64, `mirrored` bool.
    """

    top: Tensor | None
    left: Tensor | None
    mirrored: Tensor | None
    hole_row: Tensor | None
    hole_column: Tensor | None

    @classmethod
    def draw(cls, count: int, height: int, width: int, recipe: Recipe, rng: torch.Generator) -> Moves:
        """Moves for `count` images of so many pixels, on the host."""

        def below(limit: int, wanted: bool) -> Tensor | None:
            return torch.randint(limit, (count,), generator=rng) if wanted else None

        cropped, holed = recipe.crop > 0, recipe.cutout > 0
        corners = 2 * recipe.crop + 1
        top, left = below(corners, cropped), below(corners, cropped)
        mirrored = torch.randint(2, (count,), generator=rng).bool() if recipe.flip else None
        return cls(top, left, mirrored, below(height, holed), below(width, holed))

    def to(self, device: torch.device) -> Moves:
        """These moves on a device."""
        return Moves(*(None if part is None else part.to(device, non_blocking=True) for part in self._parts))

    def __getitem__(self, which: slice) -> Moves:
        return Moves(*(None if part is None else part[which] for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.top, self.left, self.mirrored, self.hole_row, self.hole_column


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
