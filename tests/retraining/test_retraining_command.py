"""`nas retrain` as a person sees it: data on stdout, words on stderr, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nas.checkpoint import read_checkpoint
from nas.cli import app, retrain  # noqa: F401 - adds the command

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ["--fraction", "0.2", "--recipe", "epochs=2", "--recipe", "batch_size=32", "--device", "cpu"]


def nas(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["retrain", *arguments, *QUICK], env={"COLUMNS": "160"})


def test_a_table_with_seeds_and_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = nas("lenet5", "--seeds", "2", "--baselines", "resnet8")
    assert done.exit_code == 0, done.output
    heading, first, second = done.stdout.splitlines()
    assert heading.split()[:3] == ["network", "test", "accuracy"]
    assert first.startswith("lenet5 ")
    assert " ± " in first
    assert " 2 " in first
    assert max(map(len, done.stdout.splitlines())) < 80  # of a usual terminal
    assert second.startswith("resnet8 (baseline)")
    assert "lenet5, resnet8: 2 epochs on 287 training images of digits, 2 seeds" in done.stderr
    assert "lenet5, seed 1: test " in done.stderr
    files = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*.safetensors"))
    assert files == [
        f"retrained/{name}-digits/seed{seed}/last.safetensors" for name in ("lenet5", "resnet8") for seed in (0, 1)
    ]


def test_json_has_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = nas("lenet5", "--json", "--quiet", "--output", "out")
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["training_images"], document["validation_images"], document["workers"]) == (287, 0, 1)
    (network,) = document["networks"]
    kept = read_checkpoint(tmp_path / "out/lenet5-digits/seed0/last.safetensors")
    assert network["test_accuracy"]["mean"] == kept.results["test_accuracy"] == network["seeds"][0]["test_accuracy"]
    assert network["test_accuracy"]["std"] is None
    assert (network["search_val_accuracy"], network["optimism"], network["failed"]) == (None, None, None)
    assert json.loads(nas("lenet5", "--json", "--quiet", "--output", "out").stdout) == document  # read, not trained


def test_a_network_that_fails_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = nas("lenet5", "--recipe", "lr=1e30", "--recipe", "clip=0", "--recipe", "schedule=constant")
    assert done.exit_code == 1
    assert "lenet5 was not trained to its end: seed 0: loss became" in done.stderr
    assert "lenet5" in done.stdout


def test_wrong_usage_is_exit_code_2() -> None:
    assert nas("lenet5", "--recipe", "epochs").exit_code == 2
    assert nas("lenet5", "--seeds", "0").exit_code == 2
    assert nas("lenet5", "--num-workers", "0").exit_code == 2
