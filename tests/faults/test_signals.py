"""Ctrl-C and SIGTERM, once and twice, sent to a search in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from broken_search import EPOCHS, begin, lines, outcome, search, trials

from nas.executors.process import LEAVE_SECONDS, TERM_SECONDS

pytestmark = pytest.mark.faults

EXECUTORS: dict[str, dict[str, Any]] = {"inline": {}, "ray": {"num_cpus": 1}}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
MESSAGES = {
    signal.SIGINT: "nas: interrupted: the search ends when the running epochs are recorded; Ctrl-C again ends it",
    signal.SIGTERM: "nas: terminated: the search ends when the running epochs are recorded, in 10 s at most",
}


def until(process: subprocess.Popen[str], folder: Path, *, epochs: int) -> None:
    """Wait until so many epochs have begun."""
    end = time.monotonic() + 120
    while len(lines(folder, "epochs.log")) < epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def send(process: subprocess.Popen[str], number: signal.Signals) -> tuple[float, str]:
    """Send the signal as a terminal, or a system that takes the machine away, does; the seconds that the end took."""
    begun = time.monotonic()
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    return time.monotonic() - begun, errors


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_once_ends_after_the_running_epoch_and_twice_resumes(
    tmp_path: Path, executor: str, number: signal.Signals, long: bool
) -> None:
    if not long and executor == "ray":
        pytest.skip("with Ray: with -m faults")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    settings: dict[str, Any] = {"budget": 12, "executor": executor, "executor_options": EXECUTORS[executor]}
    search(str(whole), budget=12)
    for round in range(4 if long else 1):
        process = begin(broken, **settings, pause=0.4)
        begun = len(lines(broken, "epochs.log"))
        until(process, broken, epochs=begun + 5 + round)
        took, errors = send(process, number)
        assert process.returncode == CODES[number], errors
        assert errors.strip() == MESSAGES[number] + " at once" * (number == signal.SIGINT)
        assert took < 30  # on a busy machine; Ray's own end takes some seconds
        assert begun + 5 + round <= len(lines(broken, "epochs.log")) <= begun + 6 + round
        after = trials(broken)
        ended = {trial.architecture_key for trial in after if trial.ended}
        assert set(lines(broken)) <= ended, "a child that was trained to its end is lost"
        assert not [trial for trial in after if trial.state == "running"]
        assert all(trial.failures == 0 for trial in after)
    resumed = begin(broken, **settings)  # in a process of its own: this one may have a Ray with more cores
    _, errors = resumed.communicate(timeout=250)
    assert resumed.returncode == 0, errors
    assert outcome(broken) == outcome(whole)
    assert max(Counter(lines(broken)).values()) == 1, "a finished trial was trained again"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_ctrl_c_twice_does_not_wait_for_the_epoch(tmp_path: Path, executor: str, long: bool) -> None:
    if not long and executor == "ray":
        pytest.skip("with Ray: with -m faults")
    process = begin(tmp_path, budget=3, executor=executor, executor_options=EXECUTORS[executor], pause=60)
    until(process, tmp_path, epochs=1)
    time.sleep(1.0)  # the start is recorded
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    took, errors = send(process, signal.SIGINT)
    assert process.returncode == 130, errors
    assert took < 20
    assert [trial.state for trial in trials(tmp_path)] == ["waiting"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sigterm_does_not_wait_for_a_long_epoch(tmp_path: Path, executor: str, long: bool) -> None:
    if not long and executor == "ray":
        pytest.skip("with Ray: with -m faults")
    seconds = TERM_SECONDS if long else 1.0
    options = EXECUTORS[executor]
    process = begin(tmp_path, budget=3, executor=executor, executor_options=options, pause=60, term_seconds=seconds)
    until(process, tmp_path, epochs=1)
    time.sleep(1.0)  # the start is recorded
    took, errors = send(process, signal.SIGTERM)
    assert process.returncode == 143, errors
    assert 0.5 * seconds < took < seconds + 15
    assert [trial.state for trial in trials(tmp_path)] == ["waiting"]


@pytest.mark.faults(only_long=True)
def test_sigterm_to_all_processes_of_ray_too(tmp_path: Path) -> None:
    """As a node is taken away: the driver must not wait for a Ray that is gone.

    Of a busy machine's one in ten or so Ray ends the process itself, in C++, with its own last words and code 1.
    """
    seconds = TERM_SECONDS
    process = begin(
        tmp_path, budget=6, executor="ray", executor_options={"num_cpus": 2}, pause=0.5, term_seconds=seconds
    )
    until(process, tmp_path, epochs=5)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143 or (process.returncode == 1 and "core_worker" in errors), errors
    assert time.monotonic() - begun < seconds + LEAVE_SECONDS + 5
    assert not [trial for trial in trials(tmp_path) if trial.state == "failed"]
    assert search(str(tmp_path)).record.counts["failed"] == 0


def test_the_last_epoch_of_a_child_is_not_lost(tmp_path: Path) -> None:
    process = begin(tmp_path, budget=3, scheduler="none", pause=1.0)
    until(process, tmp_path, epochs=EPOCHS)
    _, errors = send(process, signal.SIGTERM)
    assert [trial.state for trial in trials(tmp_path)] == ["complete"], errors
