"""What the tests of exports share: a small trained network, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from export_samples import Exporting, lively

from nas.build import build
from nas.checkpoint import Checkpoint
from nas.export import Exported, Subject, export
from nas.recipe import Recipe
from searchspaces.resnet import cifar_resnet

IMAGE = (3, 16, 16)


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    network = cifar_resnet(8)
    return Checkpoint(
        architecture=network,
        image=IMAGE,
        classes=("ant", "bee", 'c"a\\t', "dog\n```"),
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 0.5, 0.25),
        recipe=Recipe(epochs=3),
        seed=3,
        dataset={"name": "digits", "fraction": 0.5},
        data_key="digits-8px",
        source="study:3",
        weights=lively(build(network.draw(IMAGE, 4), seed=3)).state_dict(),
        results={"test_accuracy": 0.5, "test_images": 20, "search_val_accuracy": 0.75},
    )


@pytest.fixture(scope="session")
def exported(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Exporting:
    """The checkpoint in a format, in a folder of its own; exported once."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def made(form: str) -> Exported:
        if form == "onnx":
            for library in ("onnx", "onnxscript", "onnxruntime"):
                pytest.importorskip(library, reason='pip install "nas[export]"')
        return export(Subject.of(checkpoint, "runs/best.safetensors"), form, folder / form)

    return made


@pytest.fixture
def nas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in `tmp_path`: exit code, stdout, stderr."""
    from nas.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("NAS_STORAGE", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run
