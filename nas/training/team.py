"""`Team`: the processes that train one network together, as each of them sees it.

Every member draws the same order and the same moves from the seed, takes its share of each batch, and adds its
gradients to the others'. `ALONE` is a team of one, which communicates with nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """Member `rank` (from 0) of `size`. With more than one, torch.distributed has been set up.

    `sync_bn`: whether batch normalisation takes its statistics over all members' images; on GPUs only.
    """

    rank: int = 0
    size: int = 1
    sync_bn: bool = False

    @property
    def first(self) -> bool:
        """Whether this member writes the files."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This member's share of so many things in a row: all shares are of nearly one size."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def prepared(self, module: nn.Module) -> nn.Module:
        """`module`, on its device, with the normalisation that the team wants."""
        if not self.sync_bn or self.size == 1:
            return module
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return converted

    def wrapped(self, module: nn.Module, device: torch.device) -> nn.Module:
        """What to call in training: gradients become the mean over the members while they are computed."""
        if self.size == 1:
            return module
        kind = nn.parallel.DistributedDataParallel
        # Statistics of normalisations are evened out once an epoch instead of being sent before every step.
        named = "forward_sync_buffers" in signature(kind).parameters  # its name in newer releases of torch
        options: dict[str, Any] = {"forward_sync_buffers" if named else "broadcast_buffers": False}
        devices = [device] if device.type == "cuda" else None
        return kind(module, device_ids=devices, gradient_as_bucket_view=True, **options)

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over the members, of a tensor that all have in one shape."""
        if self.size > 1:
            torch.distributed.all_reduce(numbers)
        return numbers

    def gather(self) -> None:
        """Wait until all members have come here."""
        if self.size > 1:
            torch.distributed.barrier()

    @torch.no_grad()
    def even_out(self, tensors: Sequence[Tensor]) -> None:
        """Set each tensor to its mean over the members."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))


ALONE = Team()
