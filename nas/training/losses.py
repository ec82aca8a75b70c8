"""The loss of a batch, as a recipe asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nas.recipe import Recipe
from nas.training.augmentation import Batch


def batch_loss(scores: Tensor, auxiliary: Sequence[Tensor], batch: Batch, recipe: Recipe) -> Tensor:
    """Cross-entropy of scores (N, classes), and that of each auxiliary classifier by its weight.

    Szegedy et al. 2015, section 5.
    """
    loss = _cross_entropy(scores, batch, recipe)
    for each in auxiliary:
        loss = loss + recipe.auxiliary * _cross_entropy(each, batch, recipe)
    return loss


def _cross_entropy(scores: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """The mean over a batch; a mixed image has the labels of both, by their shares (Zhang et al. 2018)."""
    smoothing = recipe.label_smoothing
    if batch.partners is None or batch.share is None:
        return functional.cross_entropy(scores, batch.labels, label_smoothing=smoothing)
    own, other = (
        functional.cross_entropy(scores, labels, label_smoothing=smoothing, reduction="none")
        for labels in (batch.labels, batch.partners)
    )
    return torch.lerp(other, own, batch.share).mean()
