"""RandAugment-like augmentation: a few random operations an image, as one strength for each of them.

Cubuk et al. 2020 draw operations one after the other. Here an image draws which, and strengths of one operation add
up; then every operation runs once on the whole batch, with strength 0 for the images that did not draw it. Left out of
the paper's fourteen are autocontrast, equalize and sharpness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training import geometry

# What one operation does at magnitude 1, as in Cubuk et al. 2019, table 6, in the order of the columns of a strength.
STRONGEST: dict[str, float] = {
    "identity": 0.0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "shift_x": 150 / 331,  # shares of the side
    "shift_y": 150 / 331,
    "rotate": math.radians(30),
    "brightness": 0.9,  # factors 0.1 to 1.9
    "contrast": 0.9,
    "saturation": 0.9,
    "posterize": 4.0,  # bits taken off
    "solarize": 256.0,  # below white
}
PLACE = {name: column for column, name in enumerate(STRONGEST)}


@dataclass(frozen=True)
class Strengths:
    """How strongly each of N images is changed: (N, operations), from -1 to 1 of what is strongest."""

    values: Tensor

    @classmethod
    def draw(cls, operations: int, magnitude: float, count: int, rng: torch.Generator) -> Strengths:
        """So many operations an image, with replacement, each with a random sign; on the host."""
        which = torch.randint(len(STRONGEST), (count, operations), generator=rng)
        signs = 2.0 * torch.randint(2, (count, operations), generator=rng) - 1
        values = torch.zeros(count, len(STRONGEST)).scatter_add_(1, which, signs * magnitude)
        return cls(values.clamp_(-1, 1))

    def amount(self, name: str) -> Tensor:
        """(N,): of one operation, in its own unit."""
        return self.values[:, PLACE[name]] * STRONGEST[name]

    def maps(self, height: int, width: int) -> Tensor:
        """(N, 3, 3): shears, shifts and turns together, for `geometry.resampled`."""
        shear, shift = (torch.stack([self.amount(f"{how}_{axis}") for axis in "xy"], 1) for how in ("shear", "shift"))
        return geometry.moved(shear, shift, self.amount("rotate"), height, width)

    def factors(self) -> Tensor:
        """(N, 3): of brightness, contrast and saturation."""
        return 1 + torch.stack([self.amount(name) for name in ("brightness", "contrast", "saturation")], 1)

    def bits(self) -> Tensor:
        """(N,): bits of a pixel that posterizing keeps; a sign means nothing there."""
        return 8 - self.amount("posterize").abs().round()

    def threshold(self) -> Tensor:
        """(N,): from which value on solarizing inverts; 256, above every pixel, where it was not drawn."""
        return 256 - self.amount("solarize").abs()
