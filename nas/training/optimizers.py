"""The optimizer that a recipe asks for, and what it remembers, as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers of each parameter: `optimizer.INDEX.NAME`, such as a momentum; its own tensors."""
    return {
        f"optimizer.{index}.{name}": value
        for index, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Let the optimizer remember what `optimizer_tensors` gave.

    Raises `ValueError` or `KeyError` for what does not belong to its parameters.
    """
    parameters = dict(enumerate(_parameters(optimizer)))
    optimizer.state.clear()
    for key, value in tensors.items():
        if not key.startswith("optimizer."):
            continue
        _, index, name = key.split(".", 2)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # In the parameter's own order of memory, by which a kernel for all parameters goes.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        elif value.ndim:
            raise ValueError(f"{key} is {tuple(value.shape)} where {tuple(parameter.shape)} is wanted")
        optimizer.state[parameter][name] = value.to(parameter.device).clone()


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
