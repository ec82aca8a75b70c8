"""Whole searches on Ray whose workers are killed, crash, hang, run out of memory, or whose children talk nonsense."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from broken_search import AGAIN, DEEDS, Evaluator, begin, lines, outcome, search, trials

pytestmark = pytest.mark.faults

REASONS = {
    "kill": "killed or crashed",
    "exit": "killed or crashed",
    "segfault": "killed or crashed",
    "hang": "epoch 2 took longer than 2 s, the epoch_timeout",
    "block": "its worker did not answer and was killed",
    "stop": "its worker did not answer and was killed",
    "memory": "MemoryError",
    "error": "ValueError: a bug of the user's",
    "nan": "val_accuracy",
    "garbage": "metric 'val_accuracy' must be a number, got 'high'",
}
TRACEBACKS = {
    "segfault": "Segmentation fault",
    "hang": "time.sleep(3600)",
    "memory": "MemoryError",
    "error": "ValueError: a bug of the user's",
    "garbage": "TrainingError",
}


def run(folder: Path, deeds: list[str], budget: int, *, always: bool = False) -> None:
    """One child at a time, so that the order of the search does not depend on when a try ends."""
    options = {"num_cpus": 1, "epoch_timeout": 2}
    settings = {"budget": budget, "deeds": deeds, "always": always, "scheduler": "none" if always else "asha"}
    process = begin(folder, executor="ray", executor_options=options, **settings)
    _, errors = process.communicate(timeout=800)
    assert process.returncode == 0, errors


def test_a_search_whose_workers_are_lost_is_the_same_search(tmp_path: Path, long: bool) -> None:
    deeds = sorted(AGAIN) if long else ["kill", "hang", "memory"]
    budget = 100 if long else 10
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    search(str(whole), budget=budget)
    run(broken, deeds, budget)
    assert outcome(broken) == outcome(whole)
    judge = Evaluator(str(broken), deeds, 0, always=False)
    tried = {path.name for path in (broken / "tried").iterdir()}
    assert {judge.deed(key) for key in tried} == set(deeds), "the test broke nothing; change its seed"
    for trial in trials(broken):
        deed = judge.deed(trial.architecture_key) if trial.architecture_key in tried else ""
        assert trial.failures == bool(deed)
        assert (trial.traceback is not None) == bool(deed)
        assert TRACEBACKS.get(deed, "") in (trial.traceback or "")
    assert max(Counter(lines(broken)).values()) == 1, "a finished trial was trained again"


@pytest.mark.faults(only_long=True)
def test_a_child_that_breaks_every_worker_fails_alone(tmp_path: Path) -> None:
    deeds, budget = sorted(DEEDS), 60
    run(tmp_path, deeds, budget, always=True)
    judge = Evaluator(str(tmp_path), deeds, 0, always=True)
    tried = {path.name for path in (tmp_path / "tried").iterdir()}
    assert {judge.deed(key) for key in tried} == set(deeds), "the test broke nothing; change its seed"
    found = trials(tmp_path)
    assert (
        sum(trial.reused_from is None and trial.state in ("complete", "pruned", "failed") for trial in found) == budget
    )
    for trial in found:
        if trial.architecture_key not in tried or trial.state == "infeasible":
            assert trial.state in ("complete", "pruned", "infeasible")
            continue
        deed = judge.deed(trial.architecture_key)
        if deed == "nan" and trial.state == "complete":  # another epoch came after the one without a value
            continue
        assert trial.state == "failed", deed
        assert REASONS[deed] in (trial.reason or "")
        assert TRACEBACKS.get(deed, "") in (trial.traceback or "")
        assert trial.failures == (deed in AGAIN), json.dumps([deed, trial.reason])
