"""`Reader`: a streamed split as training reads it, in whatever order and batches, decoded ahead by `decoders`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.images import BATCH
from nas.data.streamed import StreamedImages
from nas.training.decoders import Decoders, Request, decoders


class Reader:
    """Reads a split's images; what comes next is known, so that workers decode it while a step computes.

    The order of an epoch is announced; batches of any size are then read from it. To read something else is allowed,
    and begins a new order: a slice is taken as a pass over the rest of the split.
    """

    def __init__(self, images: StreamedImages, pin: bool) -> None:
        self.shape, self.nbytes = images.shape, images.nbytes
        self._images, self._pin = images, pin
        self._decoders: Decoders | None = None
        self._order = np.empty(0, np.int64)
        self._done = 0  # of the order, handed out
        self._stream: Iterator[Tensor] | None = None
        self._left: Tensor | None = None  # decoded, not handed out

    def __len__(self) -> int:
        return len(self._images)

    def announce(self, order: Tensor) -> None:
        """These images (N,) int64 are read next, in this order; decoding begins."""
        self._begin(order.numpy())

    def read(self, which: Tensor | slice) -> list[Tensor]:
        """Some images, uint8 on the host (pinned if asked for), in pieces (n, C, H, W). Raises DataError."""
        if isinstance(which, slice):
            start, stop, _ = which.indices(len(self))
            wanted, rest = np.arange(start, stop), np.arange(start, len(self))
        else:
            wanted = rest = which.numpy()
        if not np.array_equal(self._order[self._done : self._done + len(wanted)], wanted):
            self._begin(rest)
        pieces = [] if len(wanted) else [torch.empty(0, *self.shape[1:], dtype=torch.uint8)]
        missing = len(wanted)
        while missing:
            piece = self._next()
            pieces.append(piece[:missing])
            self._left = piece[missing:] if len(piece) > missing else None
            self._done += len(pieces[-1])
            missing -= len(pieces[-1])
        return pieces

    def _begin(self, order: NDArray[np.int64]) -> None:
        self._order, self._done, self._left = order, 0, None
        self._stream = self._streamed()

    def _next(self) -> Tensor:
        """The next images of the order, at least one."""
        while self._left is None:
            if self._stream is None:  # another reader has the workers, or an error ended it: begin where it stopped
                self._stream = self._streamed()
            stream, self._stream = self._stream, None
            self._left = next(stream, None)
            if self._left is not None:
                self._stream = stream
        return self._left

    def _streamed(self) -> Iterator[Tensor]:
        images, pool = self._images.image, self._pool()
        count = pool.request_images(images) if pool else BATCH
        order = self._order[self._done :]
        if pool:  # of few images too, each worker has some to decode
            count = max(1, min(count, len(order) // (2 * pool.workers)))
        parts = (order[start : start + count] for start in range(0, len(order), count))
        if pool is None:
            return (self._here(part) for part in parts)
        return pool.stream(Request(self._images.paths(part), images) for part in parts)

    def _here(self, which: NDArray[np.int64]) -> Tensor:
        images = torch.from_numpy(self._images[which])
        return images.pin_memory() if self._pin else images

    def _pool(self) -> Decoders | None:
        if self._decoders is None or self._decoders.process != os.getpid():
            self._decoders = decoders(self._pin)
        return self._decoders
