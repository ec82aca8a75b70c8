"""A search that is killed with SIGKILL at random moments and resumed ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from broken_search import begin, lines, outcome, search, trials

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("controller", ["evolution", "pareto"])
def test_killed_at_random_moments_it_is_the_same_search(tmp_path: Path, controller: str, long: bool) -> None:
    kills = 60 if long else 3
    budget = 20 + 8 * kills  # so that there is always something left to kill
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    search(str(whole), budget=budget, controller=controller)
    rng, kept = random.Random(kills), set[str]()
    for _ in range(kills):
        before = lines(broken)
        process = begin(broken, budget=budget, controller=controller, pause=0.01)
        wanted = len(before) + rng.randint(0, 3)
        while len(lines(broken)) < wanted and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))  # anywhere in a child's life, or, with nothing wanted, in the start
        process.kill()
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        assert not kept & set(lines(broken)[len(before) :]), "a finished trial was trained again"
        now = {trial.architecture_key for trial in trials(broken) if trial.ended}
        assert kept <= now, "a finished trial was lost"
        kept = now
    search(str(broken), budget=budget, controller=controller)
    assert outcome(broken) == outcome(whole)
    trained = lines(broken)
    assert len(trained) == len(set(trained))
    print(f"{kills} kills, {len(outcome(broken))} trials, {len(trained)} of them trained to their end, none twice")
