"""`nas compare`, run as a person runs it: a tiny comparison on digits, its JSON and picture, good and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.api import open_study

NAS = [sys.executable, "-c", "from nas.cli import main; main()"]
BAND = "flops=4M+-30%"
QUICK = ["--samples", "3", "--constraint", BAND, "--executor", "inline", "--recipe", "epochs=1", "--fraction", "0.2"]


def compare(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "160", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    env.pop("NAS_STORAGE", None)
    return subprocess.run(
        [*NAS, "compare", *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two spaces have been compared."""
    folder = tmp_path_factory.mktemp("place")
    done = compare("resnet", "resnext", *QUICK, "--plot", "edf.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "out").write_text(done.stdout, encoding="utf-8")
    (folder / "err").write_text(done.stderr, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def document(place: Path) -> Any:
    """What the same comparison prints as JSON when asked for again."""
    done = compare("resnet", "resnext", *QUICK, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "known already: compare-resnet-digits-1" in done.stderr
    return json.loads(done.stdout)


def test_it_prints_tables_and_sentences_and_draws(place: Path) -> None:
    out, err = ((place / name).read_text(encoding="utf-8") for name in ("out", "err"))
    assert "digits, constraints: flops=4M+-30%; in brackets 95 % intervals" in out
    for words in ("median error, %", "Importance of the axes", "cardinality", "At 4 ± 1.2 MFLOPs, resnext's median"):
        assert words in out
    assert out.rstrip().endswith("Studies: compare-resnet-digits-1, compare-resnext-digits-1")
    assert "resnet: new study compare-resnet-digits-1" in err
    assert "\x1b[" not in out + err
    assert (place / "edf.png").stat().st_size > 10_000


def test_the_json_has_what_the_table_has(place: Path, document: dict[str, Any]) -> None:
    names = ["data", "epochs", "constraints", "matched", "bound", "level", "resamples", "seed"]
    assert list(document) == [*names, "spaces", "pairs", "cautions"]
    out = (place / "out").read_text(encoding="utf-8")
    for space in document["spaces"]:
        assert space["children"] == 3
        assert 2.8e6 <= space["flops"]["min"] <= space["flops"]["max"] <= 5.2e6
        assert f"{100 * space['median']['value']:.1f} [" in out
    assert document["pairs"][0]["reading"] in out


def test_stored_studies_are_compared_without_training(place: Path, document: dict[str, Any]) -> None:
    before = (place / "nas.db").stat().st_mtime
    studies = [space["study"] for space in document["spaces"]]
    done = compare("--studies", *studies, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == document
    assert done.stderr == ""
    assert (place / "nas.db").stat().st_mtime == before
    weighted = compare("--studies", *studies, "--match", "none", "--errors", "5,50", "--bound", "60", cwd=place)
    assert "with an error of at most 5 %, %" in weighted.stdout
    assert "at most 60 each" in weighted.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet", "resnet"], "space 'resnet' is given twice; name each once"),
        (["resnet", "resnxt"], "unknown space 'resnxt'; did you mean "),
        (["resnet", "resnext", "--samples", "0"], "0 samples; a distribution needs at least 2"),
        (["resnet", "resnext", "--constraint", "flops=9G±10%"], "no network within flops=9G±10% in 2000 random"),
        (["resnet", "resnext", "--match", "flop"], "unknown cost to match 'flop'; did you mean 'flops'"),
        (["resnet", "resnext", "--plot", "edf.txt"], "edf.txt: a plot is a file that ends in"),
        (["--studies", "nowhere", "compare-resnet-digits-1"], "unknown study 'nowhere'"),
    ],
)
def test_bad_input_gets_one_line(arguments: list[str], message: str, place: Path) -> None:
    done = compare(*arguments, cwd=place)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("nas: ")
    assert message in line
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--studies", "a", "b", "--samples", "5", "--recipe", "epochs=1"], "trains nothing: no --samples, --recipe"),
        (["resnet", "resnext", "--errors", "1,x"], "per cent with commas, as in 2,5,10"),
        (["resnet", "resnext", "--executor", "inline", "--cpus-per-trial", "1"], "takes no Ray options"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = compare(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_limits_and_tries_go_to_the_studies(place: Path) -> None:
    limits = ["--epoch-timeout", "99", "--trial-timeout", "999", "--max-failures", "0"]
    done = compare("resnet", "resnext", *QUICK, *limits, "--storage", "other.db", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    for part in json.loads(done.stdout)["spaces"]:
        spec = open_study(part["study"], place / "other.db").record.spec
        assert spec["executor_options"] == {"epoch_timeout": 99, "trial_timeout": 999}
        assert spec["max_failures"] == 0
