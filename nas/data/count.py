"""`Count`: mean and standard deviation of images, chunk by chunk."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

SMALLEST_STD = 1 / 255


class Count:
    """Mean and standard deviation of each channel; its sums are whole numbers, so that all machines agree."""

    def __init__(self, channels: int) -> None:
        self._pixels = 0
        self._sum = [0] * channels
        self._squares = [0] * channels

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Count the pixels of these images, N,C,H,W."""
        self._pixels += pixels.size // pixels.shape[1]
        for channel in range(pixels.shape[1]):
            levels = np.bincount(pixels[:, channel].ravel(), minlength=256)
            self._sum[channel] += int(levels @ np.arange(256))
            self._squares[channel] += int(levels @ np.arange(256) ** 2)

    @property
    def mean(self) -> list[float]:
        """Of each channel, in units where 255 is 1."""
        return [total / self._pixels / 255 for total in self._sum]

    @property
    def std(self) -> list[float]:
        """At least 1/255, so that one may divide by it."""
        variances = (
            (squares * self._pixels - total**2) / self._pixels**2
            for total, squares in zip(self._sum, self._squares, strict=True)
        )
        return [max(sqrt(variance) / 255, SMALLEST_STD) for variance in variances]
