"""A dataset ready for training: `Split`, `Dataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nas.data.images import Shape
from nas.data.streamed import StreamedImages
from nas.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Images (uint8 N,C,H,W, usually memory-mapped) and their labels (int64 N, counted from 0).

    Images of a folder too large to be decoded once are `StreamedImages`: indexed alike, decoded when asked for.
    """

    images: NDArray[np.uint8] | StreamedImages
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and validation images of a classification task, and, only when asked for, its test images.

    `key`: a fingerprint of what is trained and validated on, the same on every machine. `image`: channels, height,
    width. `mean`, `std`: of each channel over the training images, in units where 255 is 1; `std` is at
    least 1/255. Images of `train` are ordered by class or as published: shuffle them.
    """

    name: str
    key: str
    image: Shape
    classes: tuple[str, ...]
    train: Split
    validation: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    read_test: Callable[[], Split] | None = field(default=None, repr=False)

    @property
    def has_test(self) -> bool:
        """Whether there is a test split; to know this reads none of it."""
        return self.read_test is not None

    def test(self) -> Split:
        """The test split, for the one final measurement; nothing else reads it. Raises DataError if there is none."""
        if self.read_test is None:
            raise DataError(
                f"{self.name} has no test split; put images that took no part in the search into test/<class>/"
            )
        return self.read_test()
