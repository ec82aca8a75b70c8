"""Where the images lie while children train: as uint8 on the device, on the host, or in files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data import Dataset, Split
from nas.data.streamed import StreamedImages
from nas.training.streaming import Reader

DEVICE_SHARE = 0.5  # of a GPU's free memory may hold images: the rest is for the child


@dataclass(frozen=True, eq=False)
class Part:
    """One split: labels (N,) int64 on the device, and images (N, C, H, W) uint8.

    The images are a tensor on the device, or an array on the host, or a `Reader` of files.
    """

    images: Tensor | NDArray[np.uint8] | Reader
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Some images and their labels on the device; `which` lies on the host unless the images do not."""
        if isinstance(self.images, Tensor):
            return self.images[which], self.labels[which]
        device = self.labels.device
        labels = self.labels[which if isinstance(which, slice) else which.to(device)]
        if isinstance(self.images, Reader):
            return torch.cat([piece.to(device, non_blocking=True) for piece in self.images.read(which)]), labels
        batch = torch.from_numpy(np.array(self.images[which if isinstance(which, slice) else which.numpy()]))
        if device.type == "cuda":  # from pinned memory the copy runs while the GPU still computes the batch before
            batch = batch.pin_memory()
        return batch.to(device, non_blocking=True), labels

    def nearby(self, which: Tensor) -> Tensor:
        """An index where `take` wants it; images in files begin to be read in that order."""
        if isinstance(self.images, Reader):
            self.images.announce(which)
        return which.to(self.images.device) if isinstance(self.images, Tensor) else which


@dataclass(frozen=True, eq=False)
class Placed:
    """A dataset placed for training on a device; any number of children may share it, one after the other."""

    train: Part
    validation: Part
    device: torch.device
    gain: Tensor  # (1, C, 1, 1): from bytes to zero mean and unit variance
    offset: Tensor

    def normalised(self, images: Tensor) -> Tensor:
        """Bytes (N, C, H, W) as float32 of zero mean and unit variance."""
        return torch.addcmul(self.offset, images.float(), self.gain)


def place(data: Dataset, device: torch.device) -> Placed:
    """The training and validation images of `data`, ready for `train`; its test split is not read."""
    mean, std = (torch.tensor(numbers, dtype=torch.float32).view(1, -1, 1, 1) for numbers in (data.mean, data.std))
    return Placed(
        train=place_split(data.train, device),
        validation=place_split(data.validation, device),
        device=device,
        gain=(1 / (255 * std)).to(device),
        offset=(-mean / std).to(device),
    )


def place_split(split: Split, device: torch.device) -> Part:
    """One split: on the CPU it shares the array's memory, mapped files included."""
    labels = _shared(split.labels).to(device)
    if isinstance(split.images, StreamedImages):
        return Part(Reader(split.images, pin=device.type == "cuda"), labels)
    if device.type == "cuda" and split.images.nbytes > DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
        return Part(split.images, labels)
    return Part(_shared(split.images).to(device), labels)


def _shared(array: NDArray[np.uint8] | NDArray[np.int64]) -> Tensor:
    # Torch has no read-only tensors, and warns.
    return torch.from_numpy(array if array.flags.writeable else array.copy())
