"""Every format gives the network's scores, for any number of images, and says what it is; or nothing is written."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from export_samples import Exporting
from torch import Tensor

from nas.checkpoint import Checkpoint
from nas.errors import ExportError
from nas.export import FORMATS, Subject, export
from searchspaces import NETWORKS

pytestmark = pytest.mark.usefixtures("one_thread")


def scores(checkpoint: Checkpoint, image: Tensor) -> Tensor:
    """Of images in [0, 1], by the checkpoint itself."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (checkpoint.mean, checkpoint.std))
    with torch.inference_mode():
        return checkpoint.module()((image - mean) / std)


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_takes_plain_images_and_gives_the_same_scores(
    form: str, checkpoint: Checkpoint, exported: Exporting
) -> None:
    made = exported(form)
    assert made.files[0].name.startswith("best.")
    assert sorted(made.files[0].parent.iterdir()) == sorted(made.files)
    assert made.comparison.difference <= 1e-5
    opened = import_module(FORMATS[form]).opened(made.files[0])
    for batch in (1, 3, 7):
        image = torch.rand(batch, *checkpoint.image)
        with torch.no_grad():
            torch.testing.assert_close(opened(image), scores(checkpoint, image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["torch-export", "python"])
def test_without_normalisation_an_export_takes_what_the_network_takes(
    form: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    made = export(Subject.of(checkpoint, "best", normalise=False), form, tmp_path)
    image = torch.randn(2, *checkpoint.image)
    with torch.no_grad():
        found = import_module(FORMATS[form]).opened(made.files[0])(image)
        torch.testing.assert_close(found, checkpoint.module()(image))


def said(form: str, path: Path) -> dict[str, str]:
    """What a file says of itself, as another program would read it."""
    if form == "onnx":
        import onnx

        return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    names: dict[str, Any] = dict.fromkeys(("nas_key", "classes", "mean", "std", "image", "weights", "input"), "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "torchscript":
            torch.jit.load(str(path), _extra_files=names)
            return {name: value.decode() for name, value in names.items()}
        torch.export.load(path, extra_files=names)
    return names


@pytest.mark.parametrize("form", ["onnx", "torch-export", "torchscript"])
def test_a_file_says_what_it_is(form: str, checkpoint: Checkpoint, exported: Exporting) -> None:
    made = exported(form)
    found = said(form, made.files[0])
    assert found["nas_key"] == checkpoint.architecture.key
    assert tuple(json.loads(found["classes"])) == checkpoint.classes
    assert tuple(json.loads(found["mean"])) == checkpoint.mean
    assert tuple(json.loads(found["image"])) == checkpoint.image
    assert found["weights"] == "trained"
    assert "[0, 1]" in found["input"]
    if form == "onnx":
        import onnxruntime

        (inputs,), (outputs,) = (
            getattr(onnxruntime.InferenceSession(str(made.files[0])), name)() for name in ("get_inputs", "get_outputs")
        )
        assert (inputs.name, inputs.shape) == ("image", ["batch", *checkpoint.image])
        assert (outputs.name, outputs.shape) == ("scores", ["batch", 4])


def test_an_export_that_gives_other_scores_leaves_nothing(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject.of(checkpoint, "best")
    module = import_module(FORMATS["python"])
    write = module.write
    name = next(name for name in checkpoint.weights if name.endswith("weight"))
    other = replace(checkpoint, weights={**checkpoint.weights, name: checkpoint.weights[name] * 1.01})
    monkeypatch.setattr(module, "write", lambda _, path: write(Subject.of(other, "best"), path))
    with pytest.raises(ExportError, match="scores differ by"):
        export(subject, "python", tmp_path / "new")
    assert list(tmp_path.rglob("*.*")) == []
    (tmp_path / "best.py").write_text("mine")
    with pytest.raises(ExportError, match="scores differ by"):
        export(subject, "python", tmp_path, force=True)
    assert (tmp_path / "best.py").read_text() == "mine"


def test_scores_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = NETWORKS["resnet8"]
    subject = Subject("resnet8", network.architecture, network.image, 10)
    next(subject.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(ExportError, match="not finite"):
        export(subject, "python", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written_are_one_line(checkpoint: Checkpoint, tmp_path: Path) -> None:
    subject = Subject.of(checkpoint, "best")
    (tmp_path / "file").write_text("")
    for form, output, word in (
        ("python", tmp_path / "file" / "x.py", "cannot be written"),
        ("python", tmp_path / "x.onnx", r"python end in \.py"),
        ("torchscript", tmp_path / "x.pth", r"end in \.pt"),
        ("pickle", tmp_path / "x.pkl", "unknown format 'pickle'"),
        ("python", tmp_path / ("x" * 300 + ".py"), "cannot be written"),
    ):
        with pytest.raises(ExportError, match=word):
            export(subject, form, output)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_for_files_can_be_imported() -> None:
    network = NETWORKS["resnet8"]
    for source, name in (
        ("resnet8", "resnet8"),
        ("digits-1:3", "digits_1_3"),
        ("runs/best.safetensors", "best"),
        ("18.safetensors", "network_18"),
        ("../☃", "network"),
    ):
        assert Subject(source, network.architecture, network.image, 10).name == name
