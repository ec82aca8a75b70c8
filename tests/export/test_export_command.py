"""`nas export` as a person runs it: good and bad input, one line an error, data on stdout only."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from nas.checkpoint import Checkpoint

Nas: TypeAlias = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def best(checkpoint: Checkpoint, tmp_path: Path) -> str:
    checkpoint.write(tmp_path / "best.safetensors")
    return "best.safetensors"


def test_a_checkpoint_is_exported_with_its_card(nas: Nas, best: str, tmp_path: Path) -> None:
    code, out, err = nas("export", best, "--format", "python", "-o", "out", "--licence", "MIT", "--no-latency")
    assert (code, err) == (0, "")
    assert "out/best.py and out/best.weights.pt: python" in out
    assert "largest difference from torch over batches of 1, 2 and 5: 0.0e+00" in out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["MODEL_CARD.md", "MODEL_CARD.svg", "best.py", "best.weights.pt"]
    assert "| licence | MIT |" in (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_json_is_one_object_and_torchscript_is_said_to_be_deprecated(nas: Nas, best: str, tmp_path: Path) -> None:
    code, out, err = nas("export", best, "--format", "torchscript", "--no-card", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["weights"] == "trained"
    assert document["files"] == ["best.torchscript.pt"]
    assert document["difference"] <= document["allowed"]
    assert err == "note: PyTorch has deprecated TorchScript; its successor is --format torch-export\n"
    assert document["bytes"] == (tmp_path / "best.torchscript.pt").stat().st_size


def test_untrained_weights_are_said_to_be_so(nas: Nas, tmp_path: Path) -> None:
    code, out, err = nas("export", "resnet8", "--format", "python", "--image", "1,8,8", "--classes", "3", "--no-card")
    assert code == 0
    assert err.startswith("note: untrained weights (seed 0);")
    assert "(N, 1, 8, 8)" in out
    assert "untrained weights (seed 0)" in (tmp_path / "resnet8.py").read_text(encoding="utf-8")


def test_a_trial_of_a_study_is_exported_as_the_dashboard_says(nas: Nas, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason='pip install "nas[export]"')
    pytest.importorskip("onnxscript", reason='pip install "nas[export]"')
    quick = ("--executor", "inline", "--recipe", "epochs=1", "--controller", "random", "--fraction", "0.1", "--quiet")
    code, _, err = nas("search", "--budget", "1", *quick, "--baselines", "none", "--name", "one")
    assert code == 0, err
    code, out, err = nas("export", "one:0", "--format", "onnx", "--no-latency")
    assert code == 0, err
    assert "one_0.onnx: onnx" in out
    assert err.splitlines() == [
        "note: untrained weights (seed 0); a search keeps none: nas retrain one:0 trains it, then export the checkpoint"
    ]
    assert (tmp_path / "MODEL_CARD.md").exists()


WRONG = {
    "an unknown format": (("export", "resnet8", "--format", "onn"), 1, "did you mean 'onnx'"),
    "an unknown network": (("export", "resnet_8"), 1, "unknown network"),
    "an absent checkpoint": (("export", "none.safetensors"), 1, "none.safetensors: no such file"),
    "a folder": (("export", "folder.safetensors"), 1, "a folder"),
    "a pickle": (("export", "bomb.safetensors"), 1, "not a whole .safetensors file"),
    "a pickle by its own name": (("export", "bomb.pt"), 1, "not a whole .safetensors file"),
    "a checkpoint with classes": (("export", "best.safetensors", "--classes", "3"), 2, "has its own"),
    "a card twice": (("export", "resnet8", "--card", "x.md", "--no-card"), 2, "not with"),
    "a card that is none": (("export", "resnet8", "--card", "x.txt"), 1, "x.txt: a card is a Markdown file"),
    "a card in the way": (("export", "resnet8", "--card", "mine.md"), 1, "mine.md: is there already"),
    "an output in the way": (("export", "resnet8", "--format", "python", "-o", "mine.py"), 1, "is there already"),
    "weights in the way": (("export", "resnet8", "--format", "python", "-o", "x.py"), 1, "x.weights.pt: is there"),
    "an output in no folder": (
        ("export", "resnet8", "--format", "python", "-o", "mine.py/x.py"),
        1,
        "cannot be written",
    ),
    "another suffix": (("export", "resnet8", "--format", "python", "-o", "x.onnx"), 1, "end in .py"),
    "an image too small": (("export", "vgg16", "--image", "3,-1,4"), 2, ""),
}


@pytest.mark.parametrize(("arguments", "exit_code", "word"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(
    arguments: tuple[str, ...], exit_code: int, word: str, nas: Nas, best: str, tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.mkdir, (tmp_path / "fired",)

    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    torch.save(Bomb(), tmp_path / "bomb.pt")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("mine.md", "mine.py", "x.weights.pt"):
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = nas(*arguments)
    assert (code, out) == (exit_code, "")
    assert word in err
    if code == 1:
        assert len([line for line in err.splitlines() if not line.startswith("note: ")]) == 1
        assert "nas: " in err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine.py").read_text() == "mine"


def test_force_replaces(nas: Nas, best: str, tmp_path: Path) -> None:
    for name in ("best.py", "best.weights.pt", "MODEL_CARD.md", "MODEL_CARD.svg"):
        (tmp_path / name).write_text("mine")
    code, _, err = nas("export", best, "--format", "python", "--force", "--no-latency")
    assert (code, err) == (0, "")
    assert all((tmp_path / name).read_bytes() != b"mine" for name in ("best.py", "best.weights.pt", "MODEL_CARD.md"))


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_onnx_without_its_libraries_names_what_to_install(
    library: str, nas: Nas, best: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, sys.modules[__name__])
    monkeypatch.setitem(sys.modules, library, None)
    code, out, err = nas("export", best)
    assert (code, out) == (1, "")
    assert err == f'nas: ONNX needs {library}, which is not installed: pip install "nas[export]"\n'
    assert [path.name for path in tmp_path.iterdir()] == [best]
