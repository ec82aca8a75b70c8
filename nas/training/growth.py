"""Fidelity beside epochs: the first epochs on a share of the training images, or on smaller ones.

Both rise linearly to the whole in the last epoch, so that a child which a scheduler stops early has cost even less.
Smaller images first are the progressive learning of Tan & Le 2021 (EfficientNetV2, section 4).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from nas.errors import TrainingError
from nas.recipe import Recipe
from searchspaces import Architecture, InvalidArchitecture, price

Image = tuple[int, int, int]


def share_at(first: float, epoch: int, epochs: int) -> float:
    """A share in an epoch, counted from 1: `first` in the first of them, 1 in the last."""
    return 1.0 if epochs == 1 else first + (1 - first) * (epoch - 1) / (epochs - 1)


def steps_of(recipe: Recipe, steps: int) -> list[int]:
    """The steps of each epoch, where `steps` take all images once."""
    epochs = range(1, recipe.epochs + 1)
    return [max(1, round(steps * share_at(recipe.first_images, epoch, recipe.epochs))) for epoch in epochs]


def size_at(recipe: Recipe, epoch: int, height: int, width: int) -> tuple[int, int]:
    """Height and width, in pixels, of the images of an epoch."""
    share = share_at(recipe.first_side, epoch, recipe.epochs)
    return max(1, round(height * share)), max(1, round(width * share))


def work_of(recipe: Recipe, epochs: int) -> float:
    """What the first so many epochs cost, in epochs of all images at full size: FLOPs go by the area."""
    total = 0.0
    for epoch in range(1, epochs + 1):
        images, side = (share_at(first, epoch, recipe.epochs) for first in (recipe.first_images, recipe.first_side))
        total += images * side**2
    return total


def shrunk(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) of another size, filtered against aliasing; themselves where they have it."""
    if images.shape[2:] == size:
        return images
    return functional.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def check(architecture: Architecture, recipe: Recipe, image: Image, classes: int) -> None:
    """Raise `TrainingError` for a network whose weights do not fit the smaller images of the first epochs."""
    if recipe.first_side == 1:
        return
    channels, height, width = image
    small = (channels, *size_at(recipe, 1, height, width))
    side = "×".join(map(str, small[1:]))
    try:
        fits = price(architecture.draw(small, classes)).params == price(architecture.draw(image, classes)).params
    except InvalidArchitecture as error:
        raise TrainingError(f"first_side = {recipe.first_side:g}: images of {side} pixels: {error}") from None
    if not fits:
        raise TrainingError(
            f"first_side = {recipe.first_side:g}: the fully connected layers of this network fit images of "
            f"{height}×{width} pixels only, not of {side}; use a network with global pooling, or first_images"
        )
