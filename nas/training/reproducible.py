"""`reproducible`: PyTorch's global generators and choice of kernels, fixed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Global generators (dropout reads them) seeded in here and restored after; no random choice of GPU kernels."""
    with ExitStack() as scope:
        scope.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            scope.enter_context(torch.cuda.device(device))
            scope.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
            torch.cuda.manual_seed(seed)
        yield
