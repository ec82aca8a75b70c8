"""The model card: facts as they are, with intervals and measured latencies; its code runs as it stands."""

from __future__ import annotations

import io
import re
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from export_samples import Exporting

from nas.checkpoint import Checkpoint
from nas.errors import ExportError
from nas.export import FORMATS, Subject, card, timing
from nas.export.card import Stated, write_card
from nas.export.timing import Latency, latencies
from nas.latency.conditions import Conditions
from nas.latency.measure import Effort, Timing
from searchspaces import NETWORKS

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Conditions("some CPU, torch 9", "cpu", 2, 8)
MEASURED = (
    Latency(HERE, Timing(0.004, 0.003, 0.005, 40)),
    Latency(replace(HERE, batch=32), None, "not measured; slow"),
)


def rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.M))


def test_a_card_states_facts(checkpoint: Checkpoint) -> None:
    subject = Subject.of(checkpoint, "runs/best.safetensors")
    text = card.card(subject, ("onnx", Path("best.onnx")), "card.svg", MEASURED, Stated("MIT", "A. Person"))
    assert text.startswith("# study:3\n")
    found = rows(text)
    # Wilson's interval of 10 of 20: 29.93 to 70.07 %.
    assert found["test accuracy"] == "50.00 % of 20 images (95 % interval 29.93 to 70.07 %, Wilson)"
    assert found["validation accuracy in the search"] == "75.00 %"
    assert found["key"] == f"`{checkpoint.architecture.key}`"
    assert found["parameters"] == f"{sum(w.numel() for n, w in checkpoint.module().named_parameters()):,}"
    assert found["epochs"] == "3"
    assert (found["licence"], found["author"]) == ("MIT", "A. Person")
    assert (found["dataset"], found["option fraction"]) == ("digits", "0.5")
    assert found["classes"].startswith("4: ant, bee, c\"a/t, dog '''")
    assert "| cpu, 2 threads | 8 | 4 | 3 to 5 | 2,000 | 40 |" in text
    assert "| cpu, 2 threads | 32 | not measured; slow |" in text
    assert "some CPU, torch 9" in text
    assert "![The network](card.svg)" in text
    assert text.count("```") % 2 == 0


def test_a_card_says_what_is_not_known(checkpoint: Checkpoint) -> None:
    bare = Subject.of(replace(checkpoint, results={}), "best")
    text = card.card(bare, ("onnx", Path("best.onnx")), None, (), Stated())
    found = rows(text)
    assert found["test accuracy"] == "not measured"
    assert (found["licence"], found["author"]) == ("not stated", "not stated")
    assert "No figure was drawn" in text
    assert "It was not measured on a test split" in text
    partly = Subject.of(replace(checkpoint, results={"test_accuracy": 0.5}), "best")
    assert "number of test images is not known" in card.card(partly, ("onnx", Path("best.onnx")), None, (), Stated())
    network = NETWORKS["resnet8"]
    text = card.card(
        Subject("resnet8", network.architecture, network.image, 10), ("onnx", Path("x.onnx")), None, (), Stated()
    )
    assert "Untrained" in text
    assert "accuracy" not in text


@pytest.mark.parametrize("form", FORMATS)
def test_the_code_of_a_card_runs(
    form: str, checkpoint: Checkpoint, exported: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / file.name.replace("best", "exported_here") for file in exported(form).files]
    for file, here in zip(exported(form).files, files, strict=True):
        content = file.read_bytes()
        here.write_bytes(
            content.replace(b"best.weights.pt", b"exported_here.weights.pt") if file.suffix == ".py" else content
        )
    text = card.card(Subject.of(checkpoint, "best"), (form, files[0]), None, (), Stated())
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 1  # of this format: no file of another is there
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(said):
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        exec(blocks[0], {"__name__": "reader"})
    sys.modules.pop("exported_here", None)
    assert re.fullmatch(r"(tensor\()?\[[0-3]\]\)?\n", said.getvalue())


def test_a_card_has_its_figure_and_replaces_only_its_own(checkpoint: Checkpoint, tmp_path: Path) -> None:
    subject, path = Subject.of(checkpoint, "best"), tmp_path / "MODEL_CARD.md"
    written = write_card(subject, ("onnx", tmp_path / "best.onnx"), path, MEASURED, Stated())
    assert [file.name for file in written] == ["MODEL_CARD.md", "MODEL_CARD.svg"]
    assert ElementTree.parse(written[1]).getroot().tag.endswith("svg")
    write_card(subject, ("torch-export", tmp_path / "best.pt2"), path, MEASURED, Stated())
    assert "`best.pt2`" in path.read_text(encoding="utf-8")
    for content in ("# Mine\n", path.read_text(encoding="utf-8").replace(checkpoint.architecture.key, "0" * 16)):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ExportError, match="there already"):
            write_card(subject, ("onnx", tmp_path / "best.onnx"), path, MEASURED, Stated())
        assert path.read_text(encoding="utf-8") == content
    with pytest.raises(ExportError, match=r"ends in \.md"):
        write_card(subject, ("onnx", tmp_path / "best.onnx"), tmp_path / "card.txt", MEASURED, Stated())


def test_latencies_are_measured_here_and_long_ones_left_out(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "EFFORT", Effort(seconds=0.01, warmup=0, least=5, most=5, rounds=1))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    subject = Subject.of(checkpoint, "best")
    found = latencies(subject)
    assert [each.conditions.batch for each in found] == [1, 8, 32]
    assert all(each.timing is not None and each.timing.runs == 5 and each.timing.median > 0 for each in found)
    monkeypatch.setattr(timing, "LONGEST", 0.0)
    slow = latencies(subject)
    assert [each.timing is None for each in slow] == [False, True, True]
    assert slow[1].why.startswith("not measured; about")
