"""A network as TorchScript, for programs in C++ and for older PyTorch. PyTorch has deprecated it: see torch_export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.export.quiet import quiet
from nas.export.subject import Subject
from nas.export.torch_export import example

SUFFIX = ".torchscript.pt"
DEPRECATED = "PyTorch has deprecated TorchScript; its successor is --format torch-export"


def write(subject: Subject, path: Path) -> None:
    """Write the traced network, weights inside; what it is stands in the extra files."""
    trace: Callable[..., Any] = torch.jit.trace
    with quiet(), torch.no_grad():
        traced = trace(subject.module(), example(subject))
        torch.jit.save(traced, str(path), _extra_files=dict(subject.metadata()))


def opened(path: Path) -> Callable[[Tensor], Tensor]:
    """The network of a written file."""
    load: Callable[..., Callable[[Tensor], Tensor]] = torch.jit.load
    with quiet():
        return load(str(path), map_location="cpu")
