"""The optimizer that a recipe asks for."""

from __future__ import annotations

import torch
from torch import nn

from nas.recipe import Recipe


def make_optimizer(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer of a recipe; scales, shifts and biases are vectors, and do not decay unless the recipe says so."""
    matrices = [p for p in parameters if p.ndim > 1 or recipe.decay_norm_and_bias]
    vectors = [p for p in parameters if p.ndim <= 1 and not recipe.decay_norm_and_bias]
    groups = [
        {"params": group, "weight_decay": decay}
        for group, decay in ((matrices, recipe.weight_decay), (vectors, 0.0))
        if group
    ]
    # One kernel for all parameters: with a hundred small tensors the default takes seven times as long on a CPU.
    fused = parameters[0].device.type in ("cpu", "cuda")
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=fused)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
