"""`Forward`: a module on a placed dataset, forward only: what training and measuring share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import RecipeError
from nas.recipe import Recipe
from nas.training.out_of_memory import twice
from nas.training.placement import Part, Placed
from nas.training.team import ALONE, Team
from searchspaces.graph import MAIN


class Forward:
    """Forward passes without gradients, and what all forward passes share.

    `network` is what is called; in a team it is the module wrapped.
    """

    def __init__(self, module: nn.Module, placed: Placed, recipe: Recipe, team: Team = ALONE) -> None:
        self.module, self.placed, self.recipe, self.team = module, placed, recipe, team
        self.network: nn.Module = module
        self.layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.narrow = narrow_type(recipe, placed.device)
        self.eval_size = recipe.eval_batch_size

    def autocast(self) -> AbstractContextManager[Any]:
        """The narrow type that the recipe asks for."""
        if self.narrow is None:
            return nullcontext()
        return torch.autocast(self.placed.device.type, self.narrow)

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W) normalised to (N, classes) in float32, and the same from each auxiliary classifier."""
        network = self.network if self.module.training else self.module
        with self.autocast():
            output = network(images.contiguous(memory_format=self.layout))
        if isinstance(output, Tensor):
            return output.float(), []
        return output[MAIN].float(), [scores.float() for name, scores in output.items() if name != MAIN]

    def sums(self, part: Part) -> Tensor:
        """(2,): the summed loss, and the number of images whose class is found, on the device; of a team's member,
        over its share of the images.
        """
        return twice(partial(self._sums, part), self._measure_less, self.placed.device)

    def _sums(self, part: Part) -> Tensor:
        self.module.eval()
        total = torch.zeros(2, device=self.placed.device)
        own = self.team.share(len(part))
        with torch.inference_mode():
            for start in range(own.start, own.stop, self.eval_size):
                images, labels = part.take(slice(start, min(start + self.eval_size, own.stop)))
                logits, _ = self.outputs(self.placed.normalised(images))
                loss = functional.cross_entropy(logits, labels, reduction="sum")
                total += torch.stack((loss, (logits.argmax(1) == labels).sum()))
        return total

    def _measure_less(self) -> bool:
        """Halve the batches of measuring, once; whether that could be done."""
        if self.eval_size == 1 or self.eval_size < self.recipe.eval_batch_size:
            return False
        self.eval_size //= 2
        return True


def narrow_type(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """The type that autocast computes in, None for float32. Raises `RecipeError` for fp16 without a GPU.

    "auto" is float32 on a CPU: narrow types gain nothing there for small networks, where they exist at all.
    """
    if recipe.precision == "float32" or (recipe.precision == "auto" and device.type != "cuda"):
        return None
    if recipe.precision == "fp16" and device.type == "cpu":
        raise RecipeError("recipe: precision fp16 needs a GPU; on a CPU use auto, float32 or bf16")
    if recipe.precision == "fp16":
        return torch.float16
    if recipe.precision == "bf16" or torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16
