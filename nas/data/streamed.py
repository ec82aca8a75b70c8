"""Images that stay in their files and are decoded whenever they are read: `StreamedImages`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.data.images import FileImages, Shape


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Some images of a folder, which look like an array uint8 (N, C, H, W) of `shape` and `nbytes`.

    Indexing decodes in threads of this process, with the pixels that a decoded folder would have; training reads
    them through worker processes (`nas.training.streaming`). `chosen`: positions in `files`. `image`: C, H, W.
    """

    files: FileImages
    chosen: NDArray[np.int64]
    image: Shape

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""
        return (len(self.chosen), *self.image)

    @property
    def nbytes(self) -> int:
        """Bytes that they would take decoded."""
        images, channels, height, width = self.shape
        return images * channels * height * width

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, which: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some images, decoded now. Raises DataError for one that cannot be."""
        positions = np.atleast_1d(self.chosen[which])
        if not len(positions):
            return np.empty((0, *self.image), np.uint8)
        return np.concatenate([chunk.pixels for chunk in self.files.decode(positions, self.image)])

    def paths(self, which: NDArray[np.int64]) -> list[str]:
        """The files of these images."""
        return [self.files.files[int(position)] for position in self.chosen[which]]
