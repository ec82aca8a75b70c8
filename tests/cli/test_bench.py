"""`nas bench controllers`, and `nas search --table`: on tiny tables, good and bad input, JSON, Ctrl-C."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_commands import NAS, nas, reads
from test_contracts import documented

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_controllers_table.py"
QUICK = ["--controllers", "random,optuna-tpe", "--seeds", "2", "--budgets", "4,2", "--jobs", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of all networks of `nasbench_macro`, its accuracies made up."""
    folder = tmp_path_factory.mktemp("place")
    codes = ["".join(digits) for digits in itertools.product("012", repeat=8)]
    (folder / "t.json").write_text(json.dumps({key: {"mean_acc": 80 + sum(map(int, key))} for key in codes}))
    return folder


@pytest.fixture(scope="module")
def document(place: Path) -> Any:
    return reads("bench", "controllers", "--table", "t.json", *QUICK, cwd=place)


def test_the_document_is_the_documented_one(document: dict[str, Any]) -> None:
    assert list(document) == documented("`nas bench controllers`:")
    assert list(document["problem"]) == documented("- `problem`:")
    assert document["budgets"] == [2, 4]
    for result in document["results"]:
        assert list(result) == documented("- a result:")
        assert [entry["children"] for entry in result["budgets"]] == [2, 4]
        for entry in (*result["budgets"], *result["curve"]):
            names = ["children", "regret", "regret_error", "hypervolume", "hypervolume_error"]
            assert list(entry) == names
            assert all(name in documented_text() for name in names)
    for run in document["runs"]:
        assert list(run) == documented("- a run:")
    assert {(r["controller"], r["objectives"]) for r in document["results"]} == {
        *(("random", "one"), ("random", "two"), ("optuna-tpe", "one"), ("optuna-tpe", "two"))
    }
    assert document["problem"]["networks"] == 3969
    assert document["problem"]["best_accuracy"] == 0.96
    assert document["problem"]["reference"]["accuracy"] == 0.85


def documented_text() -> str:
    return (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


def test_it_prints_a_table_for_each_goal_and_what_the_numbers_mean(place: Path) -> None:
    done = nas("bench", "controllers", "--table", "t.json", *QUICK, "--objectives", "two", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "Two objectives: accuracy and FLOPs" in done.stdout
    assert "One objective" not in done.stdout
    assert re.search(r"^random +\d+\.\d{3} ± \d+\.\d{3} .* 0 %$", done.stdout, re.M)
    assert "Best and front: of all 3,969 networks." in done.stdout
    assert done.stderr == ""
    assert "\x1b[" not in done.stdout


def test_the_readme_table_comes_from_the_json(place: Path, document: dict[str, Any]) -> None:
    (place / "bench.json").write_text(json.dumps(document))
    done = subprocess.run(
        [sys.executable, SCRIPT, "bench.json"], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\| `(.+?)` \|", done.stdout, re.M) in (["random", "optuna-tpe"], ["optuna-tpe", "random"])


WRONG: list[tuple[list[str], int, str]] = [
    ([], 2, "give --table FILE or --synthetic"),
    (["--table", "t.json", "--synthetic", "smooth"], 2, "give --table FILE or --synthetic"),
    (["--table", "none.json"], 1, "none.json: No such file"),
    (["--table", "t.json", "--space", "resnxt"], 1, "resnxt"),
    (["--table", "t.json", "--table-option", "code"], 2, "NAME=VALUE"),
    (["--table", "t.json", "--table-option", "val_accuracy=acc"], 1, "no column 'acc'; it has: mean_acc"),
    (["--table", "t.json", "--table-option", "loss=mean_acc"], 1, "no val_accuracy but loss"),
    (["--table", "t.json", "--reference", "99"], 1, "the best accuracy is 0.96: choose a lower reference"),
    (["--table", "t.json", "--reference", "120"], 2, "reference"),
    (["--synthetic", "smoth"], 1, "did you mean 'smooth'"),
    (["--synthetic", "smooth", "--table-option", "code=graph"], 2, "only with --table"),
    (["--synthetic", "smooth", "--controllers", "randm"], 1, "did you mean 'random'"),
    (["--synthetic", "smooth", "--controllers", "random+x=1"], 1, "unknown option of controller 'random' 'x'"),
    (["--synthetic", "smooth", "--objectives", "three"], 2, "one, two or both"),
    (["--synthetic", "smooth", "--budgets", "50,x"], 2, "50,100"),
    (["--synthetic", "smooth", "--budgets", "0"], 2, "50,100"),
    (["--synthetic", "smooth", "--seeds", "0"], 2, "seeds"),
    (["--synthetic", "smooth", "--jobs", "0"], 2, "jobs"),
    (["--synthetic", "smooth", "-o", "a.gif"], 1, r"ends in \.svg, \.png, \.pdf"),
    (["--synthetic", "smooth", "-o", "no/a.svg"], 1, "there is no folder"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "message"), WRONG, ids=[" ".join(case[0]) or "nothing" for case in WRONG]
)
def test_wrong_use_gets_one_clear_line(arguments: list[str], code: int, message: str, place: Path) -> None:
    given = {argument for argument in arguments if argument.startswith("--")}
    quick = [
        word for name, value in zip(QUICK[::2], QUICK[1::2], strict=True) if name not in given for word in (name, value)
    ]
    done = nas("bench", "controllers", *arguments, *quick, cwd=place)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.strip().splitlines()) == 1


def test_bench_alone_and_an_unknown_benchmark(place: Path) -> None:
    assert "controllers" in nas("bench", cwd=place).stdout
    done = nas("bench", "executors", cwd=place)
    assert done.returncode == 2
    assert "executors" in done.stderr


def test_ctrl_c_ends_all_processes(place: Path) -> None:
    arguments = ["bench", "controllers", "--table", "t.json", "--controllers", "pareto", "--seeds", "40", "--jobs", "2"]
    process = subprocess.Popen(
        [*NAS, *arguments],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(_group(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    for pid in _group(process.pid):  # as a terminal does: to every process of the group
        signal_to(pid)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.strip() == "stopped; a benchmark keeps nothing until it is whole"
    deadline = time.monotonic() + 20
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _group(process.pid) == []


def signal_to(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)


def _group(leader: int) -> list[int]:
    """The processes of a session, as Linux lists them; those that have ended but are not collected do not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


# --- searches on a table ----------------------------------------------------------------------------------------


def test_a_search_on_a_table_and_its_resume(place: Path, tmp_path: Path) -> None:
    arguments = ["--space", "nasbench_macro", "--table", str(place / "t.json"), "--controller", "random"]
    done = nas("search", *arguments, "--budget", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "looked up in t" in done.stderr
    found = reads("resume", "nasbench_macro-t-1", "--budget", "5", "--quiet", cwd=tmp_path)
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 5
    assert all(0.8 <= trial["values"]["accuracy"] <= 0.96 for trial in found["trials"])
    assert "looked up" not in nas("studies", cwd=tmp_path).stderr
    (study,) = reads("studies", cwd=tmp_path)
    assert study["spec"]["table"]["code"] == "searchspaces.nasbench_macro:code"
    assert study["spec"]["executor"] == "inline"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--table", "none.json"], 1, "none.json: No such file"),
        (["--table", "t.json", "--dataset", "mnist"], 2, "trains nothing"),
        (["--table", "t.json", "--recipe", "epochs=2"], 2, "trains nothing"),
        (["--table-option", "code=graph"], 2, "only with --table"),
        (["--table", "t.json", "--table-option", "code"], 2, "val_accuracy=acc/100"),
        (["--table", "t.json", "--table-option", "code=grap"], 1, "module:function"),
        (["--table", "t.json", "--table-option", "image=3,32"], 1, "channels, height, width"),
    ],
)
def test_wrong_use_of_a_table(arguments: list[str], code: int, message: str, place: Path, tmp_path: Path) -> None:
    storage = tmp_path / "nas.db"
    done = nas("search", "--space", "nasbench_macro", "--storage", str(storage), *arguments, cwd=place)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not storage.exists()
