"""`nas show` of a child that failed: its reason, its further tries, the end of its traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nas
from nas.cli import app, look  # noqa: F401 - look adds the command
from nas.executors import Driver, Failure
from nas.plan import make_plan
from nas.store import open_store
from nas.study import Loop
from searchspaces import Architecture

WORDS = 'Traceback (most recent call last):\n  File "[red]mine.py[/]", line 3\nOSError: [Errno 5]'


def judge(architecture: Architecture) -> float:
    return 0.5


class Lost:
    """An executor whose workers all die."""

    slots = 1

    def run(self, driver: Driver) -> None:
        while (job := driver.next()) is not None:
            driver.started(job.id, "here:1")
            driver.failed(job.id, Failure("the worker died", WORDS, again=True))


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "nas.db"
    plan = make_plan("resnext", evaluator=judge, image=(1, 8, 8), budget=1, baselines="none", max_failures=2)
    with open_store(path) as store:
        Lost().run(Loop(store, store.create_study("s", plan.spec.to_json()), plan.terms))
    return str(path)


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    app(["show", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_it_says_why_and_where(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = show(capsys, "s:0", "--storage", database)
    assert "child, failed: the worker died\n" in out
    assert "further tries, after its worker died or hung: 2\n" in out
    assert WORDS in out, "as it is, brackets included"


def test_json_has_both(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(show(capsys, "s:0", "--storage", database, "--json"))
    assert (document["state"], document["failures"], document["traceback"]) == ("failed", 2, WORDS)
    (row,) = nas.open_study("s", database).to_json()["trials"]
    assert (row["failures"], row["traceback"]) == (2, WORDS)
