"""`nas reproduce`, run as a person runs it: tables, JSON and pictures on digits, good and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nas.cli import app, reproduce  # noqa: F401 - adds the commands
from nas.errors import NasError

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ["--dataset", "digits", "--fraction", "0.1", "--recipe", "epochs=1", "--recipe", "batch_size=32"]
PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def nas(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reproduce", *arguments], env={"COLUMNS": "160"})


def test_degradation(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ask = ["degradation", *QUICK, "--networks", "resnet8,resnet14"]
    done = nas(*ask, "--plot", "curves.png")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines()[:3])) < 100
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    assert "resnet14, seed 0: training error" in done.stderr
    assert "training error after epoch 1: resnet14 " in done.stdout
    again = nas(*ask, "--json", "--quiet")
    found = json.loads(again.stdout)
    assert [each["name"] for each in found["networks"]] == ["resnet8", "resnet14"]
    error = found["networks"][0]["curve"][-1]["train_error"]
    assert f"{100 * error:.1f} / " in done.stdout  # trained once, and read the second time
    assert again.stderr == ""
    refused = nas(*ask, "--recipe", "epochs=2")
    assert "epochs is 1 there and 2 here" in str(refused.exception)


def test_baselines(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ask = ["baselines", *QUICK, "--networks", "resnet8,resnet20", "--published", "CIFAR-10"]
    done = nas(*ask, "--plot", "errors.png")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines()[:3])) < 100
    assert (tmp_path / "errors.png").read_bytes().startswith(PNG)
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("resnet20 *"))
    assert "8.75" in row
    assert row[-1] == f"{float(row[row.index('(n') - 1]) - 8.75:+.2f}"
    assert "164 epochs, batch 128" in done.stdout
    (other,) = (line for line in done.stdout.splitlines() if line.startswith("resnet8 *"))
    assert other.split()[-2:] == ["-", "-"]  # the paper has no resnet8
    planned = nas(*ask, "--dry-run", "--json", "--output", "elsewhere")
    assert [each["test_error"] for each in json.loads(planned.stdout)["networks"]] == [None, None]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("arguments", [["baselines"], ["degradation"]])
def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_trained(arguments: list[str]) -> None:
    done = nas(*arguments, *QUICK, "--plot", "curves.txt")
    assert isinstance(done.exception, NasError)
    assert "a plot is a file that ends in" in str(done.exception)
    assert not Path("reproduced").exists()


def test_wrong_usage() -> None:
    done = nas("degradation", "--dataset", "digits", "--recipe", "epochs")
    assert done.exit_code == 2
    assert "give NAME=VALUE" in done.stderr
