"""Averaged weights: an exponential moving average over the steps, measured in place of the last step's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of a module's weights and of the statistics of its normalisations.

    `decay` is that of late steps: after step t it is at most (1 + t) / (10 + t), so that a short training does not
    measure its first random weights. Polyak & Juditsky 1992; the form of Szegedy et al. 2016, section 8.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        everything = [*module.parameters(), *module.buffers()]
        self.decay, self.updates = decay, 0
        # Counters of batches are whole numbers, which have no average.
        self.live: list[Tensor] = [tensor.detach() for tensor in everything if tensor.is_floating_point()]
        self.mean: list[Tensor] = [tensor.clone() for tensor in self.live]
        self.swapped = False
        weights = sum(parameter.is_floating_point() for parameter in module.parameters())
        self.of_buffers = self.mean[weights:]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.mean, self.live, 1 - decay)

    @torch.no_grad()
    def exchange(self, averaged: bool) -> None:
        """Put the averaged weights into the module, or those of the last step; nothing where they are there."""
        if averaged is self.swapped:
            return
        for live, mean in zip(self.live, self.mean, strict=True):
            kept = live.clone()
            live.copy_(mean)
            mean.copy_(kept)
        self.swapped = averaged
