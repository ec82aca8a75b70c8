"""Probabilities of a network for images in all its views, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import EvaluationError
from nas.evaluation.members import Member
from nas.evaluation.pictures import Chunk, Pixels
from nas.evaluation.views import Look, Prepared
from nas.training.forward import narrow_type
from nas.training.out_of_memory import ran_out, release

BUDGET = 2**30  # bytes that the maps of a batch may take on a CPU
GPU_SHARE = 0.25  # and of a GPU's free memory
LARGEST_BATCH = 1024


class Scorer:
    """A member on a device: `probabilities` of the classes of a dataset for chunks of its images."""

    def __init__(
        self, member: Member, looks: Sequence[Look], order: Sequence[int], device: torch.device, batch: int | None
    ) -> None:
        self._member, self._looks, self._device = member, looks, device
        self._order = torch.tensor(order, device=device)
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (member.mean, member.std))
        self._gain, self._offset = (1 / (255 * std)).to(device), (-mean / std).to(device)
        narrow = None if member.recipe is None or device.type == "cpu" else narrow_type(member.recipe, device)
        self._autocast = nullcontext if narrow is None else partial(torch.autocast, device.type, narrow)
        self._most = batch or LARGEST_BATCH
        self._fixed = batch is not None
        self._budget = GPU_SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else BUDGET
        self._module = lru_cache(self._made)
        self._check_dense = lru_cache(maxsize=4096)(member.check_dense)  # photographs have many sizes

    def probabilities(self, chunk: Chunk) -> Tensor:
        """(N, classes), averaged over the views. Raises `EvaluationError` when memory runs out with single images."""
        total = torch.zeros(len(chunk.labels), len(self._order), device=self._device)
        for look in self._looks:
            for which, images in _alike(chunk.pixels[look.prepared]):
                total[torch.from_numpy(which).to(self._device)] += self._of_size(look, images)
        return total / sum(look.views for look in self._looks)

    def _of_size(self, look: Look, images: Tensor) -> Tensor:
        """The probabilities of images (N, C, H, W) of one size, summed over the views of a look."""
        height, width = images.shape[-2:]
        if look.dense:
            self._check_dense(height, width)
            module = self._module(0, 0)
        else:
            module = self._module(*((look.crop, look.crop) if look.crop else (height, width)))
        while True:
            size = min(self._batch(height * width), len(images))
            try:
                return torch.cat([self._forward(module, look, part) for part in _parts(images, size)])
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            # Out here, so that the frames of the error, and with them its tensors, are gone.
            release(self._device)
            if size == 1:
                pixels = f"{height}×{width}"
                raise EvaluationError(
                    f"{self._member.name}: out of memory on {self._device} with one image of {pixels}"
                )
            self._most, self._fixed = size // 2, True

    @torch.inference_mode()
    def _forward(self, module: nn.Module, look: Look, images: Tensor) -> Tensor:
        normal = torch.addcmul(self._offset, images.to(self._device).float(), self._gain)
        total: Tensor | None = None
        for view in look.cut(normal):
            with self._autocast():
                scores = module(view)
            shares = scores.float().softmax(1)[:, self._order]
            total = shares if total is None else total + shares
        assert total is not None
        return total

    def _batch(self, pixels: int) -> int:
        """How many images of so many pixels at once."""
        if self._fixed:
            return self._most
        return max(1, min(self._most, int(self._budget / (self._member.bytes_per_pixel * pixels))))

    def _made(self, height: int, width: int) -> nn.Module:
        """The network for images of that size, or for 0 the fully convolutional one, on the device."""
        return (self._member.module(height, width) if height else self._member.dense).to(self._device)


def _alike(images: Sequence[Pixels]) -> list[tuple[NDArray[np.int64], Tensor]]:
    """Images by size: their positions, and (N, C, H, W) uint8 on the host."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault(image.shape, []).append(index)
    return [
        (np.array(positions), torch.from_numpy(np.stack([images[i] for i in positions])))
        for positions in groups.values()
    ]


def _parts(images: Tensor, size: int) -> list[Tensor]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def prepared_for(looks: Sequence[Sequence[Look]]) -> list[Prepared]:
    """Every preparation that the members of an ensemble ask for, once."""
    return list(dict.fromkeys(look.prepared for own in looks for look in own))
