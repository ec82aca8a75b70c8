"""A network as ONNX, with any number of images a batch; run by onnxruntime to compare it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from nas.errors import ExportError
from nas.export.quiet import quiet
from nas.export.subject import Subject
from nas.export.torch_export import BATCH, example

SUFFIX = ".onnx"
OPSET = 18  # what torch's exporter writes without converting, in every version since 2.6
INPUT, OUTPUT = "image", "scores"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def check() -> None:
    """Raise `ExportError` unless everything is installed that writing and comparing need."""
    for name in NEEDED:
        _library(name)


def write(subject: Subject, path: Path) -> None:
    """Write the network, weights inside, with what it is among its metadata. Raises `ExportError`."""
    with quiet():
        program = torch.onnx.export(
            subject.module(),
            (example(subject),),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: BATCH},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update(subject.metadata())
        program.model.producer_name = "nas"
        program.save(str(path), external_data=False)


def opened(path: Path) -> Callable[[Tensor], Tensor]:
    """The written network in onnxruntime, on the CPU."""
    runtime = _library("onnxruntime")
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: image.numpy()})[0])

    return run


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ExportError(f'ONNX needs {name}, which is not installed: pip install "nas[export]"') from None
