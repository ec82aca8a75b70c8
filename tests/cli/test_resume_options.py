"""`nas resume` with other limits, tries and executors than those that the study was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_commands import QUICK, nas, reads

from nas.api import open_study, resume, search
from nas.errors import ExecutorError
from searchspaces import Architecture

BEGIN = ["--baselines", "none", "--name", "s", "--quiet"]


def spec(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = reads("show", "s", cwd=folder)["study"]["spec"]
    return found


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A folder with a study of one child that has limits."""
    limits = ["--epoch-timeout", "100", "--max-failures", "2"]
    done = nas("search", "--budget", "1", *QUICK, *BEGIN, *limits, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_limits_are_kept_unless_given_and_hold_from_then_on(begun: Path) -> None:
    kept = reads("resume", "s", "--budget", "2", "--quiet", cwd=begun)
    assert [trial["state"] for trial in kept["trials"]] == ["complete"] * 2
    assert spec(begun)["executor_options"] == {"epoch_timeout": 100}
    assert spec(begun)["max_failures"] == 2

    late = reads(
        "resume", "s", "--budget", "3", "--trial-timeout", "0.001", "--max-failures", "0", "--quiet", cwd=begun
    )
    assert [trial["state"] for trial in late["trials"]] == ["complete", "complete", "failed"]
    assert "it took longer than 0.001 s, the trial_timeout" in late["trials"][2]["reason"]
    assert spec(begun)["executor_options"] == {"epoch_timeout": 100, "trial_timeout": 0.001}
    assert spec(begun)["max_failures"] == 0


@pytest.mark.faults(only_long=True)
def test_another_executor_keeps_the_limits_alone(begun: Path) -> None:
    options = ["--executor", "ray", "--max-concurrent", "1", "--cpus-per-trial", "1"]
    there = reads("resume", "s", "--budget", "2", *options, "--quiet", cwd=begun)
    assert [trial["state"] for trial in there["trials"]] == ["complete"] * 2
    expected = {"epoch_timeout": 100, "max_concurrent": 1, "cpus_per_trial": 1}
    assert (spec(begun)["executor"], spec(begun)["executor_options"]) == ("ray", expected)
    back = reads("resume", "s", "--executor", "inline", "--budget", "3", "--quiet", cwd=begun)
    assert [trial["state"] for trial in back["trials"]] == ["complete"] * 3
    assert (spec(begun)["executor"], spec(begun)["executor_options"]) == ("inline", {"epoch_timeout": 100})


def judge(architecture: Architecture) -> float:
    return 0.5


def test_from_python_none_takes_a_limit_away_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    database = tmp_path / "nas.db"
    options = {"epoch_timeout": 100.0, "trial_timeout": 200.0}
    search(
        evaluator=judge,
        image=(1, 8, 8),
        budget=1,
        baselines="none",
        controller="random",
        executor_options=options,
        name="s",
        storage=database,
    )
    before = open_study("s", database).record.spec
    with pytest.raises(ExecutorError, match="trial_timeout must be a positive number of seconds, got -1"):
        resume("s", database, evaluator=judge, budget=2, max_failures=5, executor_options={"trial_timeout": -1})
    assert open_study("s", database).record.spec == before
    with pytest.raises(ExecutorError, match="no Ray at"):
        resume("s", database, evaluator=judge, budget=2, executor="ray", executor_options={"address": "127.0.0.1:9"})
    assert open_study("s", database).record.spec == before
    study = resume("s", database, evaluator=judge, budget=2, executor_options={"epoch_timeout": None})
    assert study.record.spec["executor_options"] == {"trial_timeout": 200}
    assert study.record.counts["complete"] == 2
