"""Random changes of colour, of a whole batch on its device; a pixel is a float from 0 to 255."""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = 255.0
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in how bright a pixel looks (ITU-R BT.601)


def grey(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, 1, H, W): the luma of three channels, the mean of any other number."""
    if images.shape[1] != len(LUMA):
        return images.mean(1, keepdim=True)
    # Plane by plane: a product with the shares, summed, takes several times as long with channels last on a CPU.
    red, green, blue = (images[:, i : i + 1] for i in range(3))
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def recoloured(images: Tensor, factors: Tensor) -> Tensor:
    """Images (N, C, H, W) with brightness, contrast and saturation changed by factors (N, 3), in this order.

    A factor of 1 changes nothing, of 0 gives black, the mean grey of the image, the image in grey; each result is
    clipped to what a pixel may be.
    """
    brightness, contrast, saturation = (factors[:, i, None, None, None] for i in range(3))
    images = (images * brightness).clamp_(0, WHITE)
    middle = grey(images).mean((2, 3), keepdim=True)
    images = torch.lerp(middle, images, contrast).clamp_(0, WHITE)
    return torch.lerp(grey(images), images, saturation).clamp_(0, WHITE)


def posterized(images: Tensor, bits: Tensor) -> Tensor:
    """Images (N, C, H, W) of which each keeps the highest `bits` (N,) of the eight of a pixel."""
    step = torch.exp2(8 - bits)[:, None, None, None]
    return torch.floor(images / step) * step


def solarized(images: Tensor, threshold: Tensor) -> Tensor:
    """Images (N, C, H, W) with the pixels at their `threshold` (N,) and above inverted."""
    return torch.where(images >= threshold[:, None, None, None], WHITE - images, images)
