"""Random changes of shape, of a whole batch on its device, as one affine map an image.

A map (3 × 3) takes a place in the result to the place in the image that its pixel is read from. Places are in
half images from the centre: x and y from -1, the left or upper edge, to 1. So maps are made on the host, cost a few
numbers an image, and any number of changes is one resampling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LOG_ASPECT = math.log(4 / 3)  # a crop is at most so much wider than high, or higher than wide


def crops(smallest: float, count: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Maps (N, 3, 3) of random crops resized to the image (Szegedy et al. 2015, section 6).

    The area is uniform from `smallest` to 1 of the image's, the aspect ratio log-uniform from 3/4 to 4/3 (in pixels,
    whatever the image's own), the place uniform. A side longer than the image's is cut to it.
    """
    area = smallest + (1 - smallest) * torch.rand(count, generator=rng)
    aspect = torch.exp((2 * torch.rand(count, generator=rng) - 1) * LOG_ASPECT)
    place = 2 * torch.rand(count, 2, generator=rng) - 1
    # Shares of the image's sides; in pixels the area is area · height · width and the ratio `aspect`.
    wide = (area * aspect * height / width).sqrt().clamp(max=1)
    high = (area / aspect * width / height).sqrt().clamp(max=1)
    return _maps(
        count, {(0, 0): wide, (1, 1): high, (0, 2): place[:, 0] * (1 - wide), (1, 2): place[:, 1] * (1 - high)}
    )


def moved(shear: Tensor, shift: Tensor, angle: Tensor, height: int, width: int) -> Tensor:
    """Maps (N, 3, 3) that shear (N, 2: along x, along y; tangents), shift (N, 2: shares of the sides) and turn.

    `angle`: (N,), radians, counterclockwise as seen. Shears and turns are of pixels, so that a square stays one.
    """
    count = len(angle)
    ratio = height / width
    sine, cosine = angle.sin(), angle.cos()
    turned = _maps(count, {(0, 0): cosine, (0, 1): -sine * ratio, (1, 0): sine / ratio, (1, 1): cosine})
    along_x = _maps(count, {(0, 1): shear[:, 0] * ratio})
    along_y = _maps(count, {(1, 0): shear[:, 1] / ratio})
    shifted = _maps(count, {(0, 2): 2 * shift[:, 0], (1, 2): 2 * shift[:, 1]})
    return turned @ along_x @ along_y @ shifted


def resampled(images: Tensor, maps: Tensor, *, extended: bool = False) -> Tensor:
    """Images (N, C, H, W) read through maps (N, 3, 3), bilinearly.

    What lies outside an image is 0, or `extended` from its edge, as crops within the image need it: half a pixel.
    """
    grid = functional.affine_grid(maps[:, :2], list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border" if extended else "zeros", align_corners=False)


def _maps(count: int, entries: dict[tuple[int, int], Tensor]) -> Tensor:
    maps = torch.eye(3).repeat(count, 1, 1)
    for (row, column), values in entries.items():
        maps[:, row, column] = values
    return maps
