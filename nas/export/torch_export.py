"""A network as a torch.export program (.pt2), with any number of images a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from nas.export.quiet import quiet
from nas.export.subject import Subject

SUFFIX = ".pt2"
BATCH = torch.export.Dim("batch", min=1)


def example(subject: Subject) -> Tensor:
    """Two images to trace with; one would be taken for a fixed size."""
    return torch.rand(2, *subject.image, generator=torch.Generator().manual_seed(0))


def write(subject: Subject, path: Path) -> None:
    """Write the program, weights inside; what it is stands in the extra files."""
    with quiet(), torch.no_grad():
        program = torch.export.export(subject.module(), (example(subject),), dynamic_shapes=({0: BATCH},))
        torch.export.save(program, path, extra_files=dict(subject.metadata()))


def opened(path: Path) -> Callable[[Tensor], Tensor]:
    """The network of a written program."""
    with quiet():
        module: Callable[[Tensor], Tensor] = torch.export.load(path).module()
    return module
