"""The store among processes: two writers at once, and writers that are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import store_writer

import nas.errors
from nas.store import Store, open_store

ROOT = Path(nas.errors.__file__).parents[1]


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder for very many small databases: in memory where there is such a place, to wait for no disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def writer(*arguments: object) -> subprocess.Popen[str]:
    """Another process that writes; see store_writer."""
    return subprocess.Popen(
        [sys.executable, store_writer.__file__, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_whole(path: Path) -> None:
    """Every step is in the database either whole or not at all."""
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    with open_store(path) as store:
        check_steps(store)


def check_steps(store: Store) -> None:
    """What each step leaves, and that a later search can go on."""
    for study in store.studies():
        trials = store.trials(study.id)
        assert [trial.number for trial in trials] == list(range(len(trials)))
        for trial in trials:
            assert store.architecture(trial.architecture_key)
            assert store.recipe(trial.recipe_key)
            epochs = store.epochs(trial.id)
            assert [row.epoch for row in epochs] == list(range(1, trial.epochs + 1))
            assert trial.metrics == (epochs[-1].metrics if epochs else None)
            assert (trial.started_at is None) == (trial.state == "waiting" or trial.reused_from is not None)
            assert (trial.finished_at is not None) == (trial.state == "complete")
            if trial.state == "complete":
                assert trial.epochs == store_writer.EPOCHS
    go_on(store)


def go_on(store: Store) -> None:
    """A later search can use what is there: requeue what was running, and train."""
    for study in store.studies():
        for trial in store.trials(study.id, state="running"):
            store.requeue(trial.id)
        store_writer.train(store, study.id, 999)
        assert store.study(study.name).counts["running"] == 0


def test_two_processes_write_one_file_at_once(tmp_path: Path) -> None:
    # The file does not exist yet: they also race to create the tables and the study.
    path = tmp_path / "studies.db"
    writers = [writer("write", path, "shared", 200, first) for first in (0, 1000)]
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    with open_store(path) as store:
        study = store.study("shared")
        assert study.counts["complete"] == 400
        trained = {trial.architecture_key for trial in store.trials(study.id)}
        assert trained == {f"{content:016x}" for content in (*range(200), *range(1000, 1200))}
    check_whole(path)


def test_four_searches_write_one_server_at_once(postgresql: str) -> None:
    """Two of them into one study; all of the same networks and recipe, so that they also meet in those tables."""
    open_store(postgresql).close()
    writers = [writer("write", postgresql, study, 40, 0) for study in ("a", "b", "shared", "shared")]
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    with open_store(postgresql) as store:
        assert {study.name: study.counts["complete"] for study in store.studies()} == {"a": 40, "b": 40, "shared": 80}
        check_steps(store)


def test_three_searches_write_one_file_at_once(tmp_path: Path) -> None:
    """Each into its own study, of the same networks and recipe."""
    path = tmp_path / "studies.db"
    writers = [writer("write", path, study, 60, 0) for study in ("a", "b", "c")]
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    with open_store(path) as store:
        assert {study.name: study.counts["complete"] for study in store.studies()} == {"a": 60, "b": 60, "c": 60}
    check_whole(path)


def test_many_processes_create_one_file_at_once(quick_folder: Path) -> None:
    process = writer("open", quick_folder, 25, 6)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output.strip(), errors) == (0, "0", "")
    for path in quick_folder.glob("*.db"):
        check_whole(path)


def test_a_process_killed_at_any_step_leaves_whole_transactions(quick_folder: Path) -> None:
    process = writer("kill", quick_folder)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    steps, status = map(int, output.split())
    assert status == 0
    assert steps > 60  # creating the tables, the study, and four trials' steps
    for step in range(steps):
        check_whole(quick_folder / f"{step}.db")


def test_a_process_killed_at_any_time_loses_nothing_it_reported(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    process = writer("write", path, "killed", 100_000, 0)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    reported += [int(line) for line in process.communicate(timeout=60)[0].split()]
    assert process.returncode == -signal.SIGKILL
    with open_store(path) as store:
        complete = {trial.id for trial in store.trials(store.study("killed").id, state="complete")}
    assert set(reported) <= complete
    check_whole(path)
