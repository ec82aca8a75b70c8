"""Weights as training leaves them; what fixtures give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

from nas.export import Exported

Exporting: TypeAlias = Callable[[str], Exported]


def lively(module: nn.Module, seed: int = 5) -> nn.Module:
    """The module with running statistics as training leaves them, no two alike: a swapped name would show."""
    rng = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.2, generator=rng)
            layer.running_var.uniform_(0.5, 1.5, generator=rng)
            layer.weight.data.uniform_(0.5, 1.5, generator=rng)
            layer.bias.data.normal_(0, 0.2, generator=rng)
    return module
