"""Whether an exported network gives what the network gives: the largest difference of their scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.errors import ExportError
from nas.export.quiet import quiet
from nas.export.subject import Subject

BATCHES = (1, 2, 5)
TOLERANCE = 1e-4  # of the largest score: rounding in another order, not another computation


@dataclass(frozen=True)
class Comparison:
    """The largest absolute difference of scores, the largest score, and the difference that is allowed."""

    difference: float
    largest: float
    allowed: float


def compare(subject: Subject, exported: Callable[[Tensor], Tensor]) -> Comparison:
    """Run both on random images, in batches of 1, 2 and 5. Raises `ExportError` where they differ by too much."""
    module = subject.module()
    rng = torch.Generator().manual_seed(1)
    difference = largest = 0.0
    for batch in BATCHES:
        image = torch.rand((batch, *subject.image), generator=rng)
        with torch.inference_mode():
            wanted = module(image)
        with quiet(), torch.no_grad():
            found = exported(image)
        if found.shape != wanted.shape:
            raise ExportError(f"the export gives {tuple(found.shape)} where torch gives {tuple(wanted.shape)}")
        if not (found.isfinite().all() and wanted.isfinite().all()):
            whose = "its" if subject.checkpoint is not None else "the untrained network's"
            raise ExportError(f"{whose} scores are not finite: an export of it cannot be compared")
        difference = max(difference, (found - wanted).abs().max().item())
        largest = max(largest, wanted.abs().max().item())
    made = Comparison(difference, largest, TOLERANCE * largest + 1e-6)
    if difference > made.allowed:
        raise ExportError(f"the export's scores differ by {difference:.1e}; allowed is {made.allowed:.1e}")
    return made
