"""A full disk stops a search with one line, and leaves a whole database behind that goes on once there is room."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from store_writer import EPOCHS, train

from nas.errors import StoreError
from nas.store import Store, open_store

ENOUGH = 5000  # children that surely fill what there is


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk; the limit of pages stands in for it")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: Store, study_id: int) -> tuple[list[int], str]:
    """Train until there is no room: the trials that are complete, and the one line of the end."""
    done: list[int] = []
    with pytest.raises(StoreError) as caught:
        done.extend(train(store, study_id, content) for content in range(ENOUGH))
    return done, str(caught.value)


def check_whole(path: Path, done: list[int]) -> None:
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    with open_store(path) as store:
        study = store.study("s").id
        assert {trial.id for trial in store.trials(study, "complete")} == set(done)
        for trial in store.trials(study):
            assert len(store.epochs(trial.id)) == trial.epochs
            if trial.state == "running":
                store.requeue(trial.id)
        train(store, study, ENOUGH + 1)


def test_a_disk_that_fills_up(small_disk: Path) -> None:
    path = small_disk / "x.db"
    with open_store(path) as store:
        done, message = fill(store, store.create_study("s", {}).id)
        assert len(done) > 20
        assert message.startswith(f"cannot write database {path}: ")
        assert "disk is full; free some space, then go on with `nas resume`" in message
        assert "\n" not in message
        assert store.study("s").counts["complete"] == len(done), "it can still be read"
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    check_whole(path, done)


def test_a_disk_that_is_full_already(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(b"\0" * 4096):
            pass
    with pytest.raises(StoreError, match=r"cannot (open|write) database .*(full|I/O)") as caught:
        open_store(small_disk / "x.db")
    assert "\n" not in str(caught.value)
    (small_disk / "filler").unlink()
    with open_store(small_disk / "x.db") as store:
        train(store, store.create_study("s", {}).id, 0)


def test_a_limit_of_pages(tmp_path: Path) -> None:
    """What every user can do: SQLite itself says that the database is full."""
    path = tmp_path / "x.db"
    with open_store(path) as store:
        study = store.create_study("s", {}).id
        train(store, study, ENOUGH)
        with store.database.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")
        done, message = fill(store, study)
        assert "database or disk is full; free some space" in message
        done += [store.trial("s", 0).id]
    check_whole(path, done)
    assert EPOCHS > 1, "or no trial could be left half done"
