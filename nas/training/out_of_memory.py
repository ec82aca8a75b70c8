"""What to do when memory runs out: try once more with less at a time, then fail with a reason that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from nas.errors import TrainingError
from nas.recipe import Recipe

# Parts of the messages that PyTorch gives a RuntimeError for, where it has no OutOfMemoryError.
ALLOCATION_FAILURES = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")

T = TypeVar("T")


def ran_out(error: Exception) -> bool:
    """Whether an error says that there is no memory left, on the host or on a device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in ALLOCATION_FAILURES)


def twice(work: Callable[[], T], smaller: Callable[[], bool], device: torch.device) -> T:
    """What `work` gives; where memory runs out, what it gives after `smaller`, unless that says there is no less."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error) or not smaller():
            raise
    # Out here, so that the frames of the error, and with them its tensors, are gone.
    release(device)
    return work()


def release(device: torch.device) -> None:
    """Give memory that PyTorch keeps for itself back, where it does so."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def within_memory(
    work: Callable[[], T], when: str, recipe: Recipe, device: torch.device, tried: Callable[[], str] = str
) -> T:
    """What `work` gives; `TrainingError` for whatever PyTorch raises when memory runs out.

    `tried` says, after the fact, what was tried in vain to need less.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
    # Raised out here, so that it does not hold the frames, and with them the tensors, of the error it comes from.
    release(device)
    raise TrainingError(
        f"out of memory on {device} {when}, with batch_size {recipe.batch_size} and eval_batch_size "
        f"{recipe.eval_batch_size}; lower them, or bound the children's memory by a constraint{tried()}"
    )
