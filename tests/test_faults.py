"""A search that is killed with SIGKILL at random moments and resumed ends as if nothing had happened.

NAS_KILLS=100 python -m pytest tests/test_faults.py -n 0      # the number of kills; a few by default
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas
from nas.errors import StoreError
from nas.store import TrialRecord, open_store

KILLS = int(os.environ.get("NAS_KILLS", "4"))
BUDGET = 20 + 8 * KILLS  # so that there is always something left to kill

# What is searched: slow enough to be killed in the middle, and it writes down each child that it has trained.
SEARCH = """
import sys
import time
import zlib

import nas
from nas.store import open_store

path, log, budget, controller, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5])


def judge(architecture):
    for epoch in range(1, 4):
        time.sleep(pause)
        if epoch == 3:
            with open(log, "a") as file:
                file.write(architecture.key + "\\n")
        yield 0.3 * epoch + zlib.crc32(architecture.key.encode()) / 2**32 / 20


options = dict(evaluator=judge, image=(1, 8, 8))
settings = dict(space="resnext", name="s", storage=path, budget=budget, controller=controller, baselines="none",
                scheduler="asha", recipe={"epochs": "3"}, seed=5)
with open_store(path) as store:
    known = [study.name for study in store.studies()]
if known:
    nas.resume("s", path, evaluator=judge)
else:
    nas.search(**options, **settings)
"""


def command(folder: Path, controller: str, pause: float) -> list[str]:
    arguments = [str(folder / "nas.db"), str(folder / "trained.log"), str(BUDGET), controller, str(pause)]
    return [sys.executable, "-c", SEARCH, *arguments]


def lines(path: Path) -> list[str]:
    """The children that were trained."""
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def ends(path: Path) -> list[TrialRecord]:
    """The trials that have ended; none while there is no study yet."""
    try:
        with open_store(path, create=False) as store:
            return [trial for trial in nas.open_study("s", store).trials if trial.ended]
    except StoreError:
        return []


def outcome(path: Path) -> list[tuple[object, ...]]:
    with open_store(path, create=False) as store:
        trials = nas.open_study("s", store).trials
        return [(t.architecture_key, t.state, t.val_accuracy, t.epochs, t.reason) for t in trials]


@pytest.mark.timeout(60 + 10 * KILLS)
@pytest.mark.parametrize("controller", ["evolution", "pareto"])
def test_killed_at_random_moments_it_is_the_same_search(tmp_path: Path, controller: str) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    subprocess.run(command(whole, controller, 0.0), check=True, capture_output=True)
    rng, kept = random.Random(KILLS), set[str]()
    log = broken / "trained.log"
    for _ in range(KILLS):
        before = lines(log)
        search = subprocess.Popen(command(broken, controller, 0.01), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wanted = len(before) + rng.randint(0, 3)
        while len(lines(log)) < wanted and search.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))  # anywhere in a child's life, or, with nothing wanted, in the start
        search.kill()
        _, errors = search.communicate()
        assert search.returncode == -signal.SIGKILL, errors.decode()
        assert not kept & set(lines(log)[len(before) :]), "a finished trial was trained again"
        now = {trial.architecture_key for trial in ends(broken / "nas.db")}
        assert kept <= now, "a finished trial was lost"
        kept = now
    subprocess.run(command(broken, controller, 0.0), check=True, capture_output=True)
    assert outcome(broken / "nas.db") == outcome(whole / "nas.db")
