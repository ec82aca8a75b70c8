"""One process runs a study at a time: who is refused, who takes over, and what is left behind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from nas.errors import StoreError
from nas.store import Store, claims, open_store, tables

HOLD = """
import sys, time
from nas.store import open_store
with open_store(sys.argv[1], create=False) as store, store.claimed(store.study("s").id):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "nas.db")


def claim_elsewhere(store: Store, study_id: int, seconds_ago: float) -> None:
    seen = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    row = {"study_id": study_id, "host": "elsewhere", "pid": 7, "started": "1", "seen_at": seen}
    with store.database.write() as connection:
        connection.execute(insert(tables.claims), row)


def test_a_claim_names_its_process_and_is_gone_afterwards(store: Store) -> None:
    study = store.create_study("s", {}).id
    assert store.claim(study) is None

    def break_off() -> None:
        with store.claimed(study):
            found = store.claim(study)
            assert found is not None
            assert (found.host, found.pid, found.alive) == (platform.node(), os.getpid(), True)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        break_off()
    assert store.claim(study) is None


def test_a_study_is_not_run_twice_at_once(store: Store) -> None:
    first, other = store.create_study("s", {}).id, store.create_study("t", {}).id
    with store.claimed(first), store.claimed(other):
        with pytest.raises(StoreError, match=f"study 's' is being run by process {os.getpid()} on .*; end that search"):
            store.claimed(first).__enter__()
        assert store.claim(first) is not None, "the refused one releases nothing"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_known_to_be_dead_at_once(store: Store, tmp_path: Path, how: signal.Signals) -> None:
    study = store.create_study("s", {}).id
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "nas.db"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=f"being run by process {holder.pid} on"):
        store.claimed(study).__enter__()
    holder.send_signal(how)
    holder.wait(timeout=30)
    holder.stdout.close()
    left = store.claim(study)
    assert left is not None
    assert not left.alive
    with store.claimed(study):
        assert store.claim(study) != left


def test_another_process_with_the_same_number_is_not_the_same(store: Store) -> None:
    study = store.create_study("s", {}).id
    with store.claimed(study), store.database.write() as connection:
        connection.execute(update(tables.claims).values(started="1"))
        found = claims.claim_of(connection, study)
    assert found is not None
    assert found.alive == (claims.started_at(os.getpid()) == "1")


def test_a_process_elsewhere_is_believed_until_it_is_silent_for_a_minute(store: Store) -> None:
    study = store.create_study("s", {}).id
    claim_elsewhere(store, study, 50)
    with pytest.raises(StoreError, match=r"process 7 on elsewhere .last seen 5[0-9] s ago; if it is dead, try again"):
        store.claimed(study).__enter__()
    with store.database.write() as connection:
        connection.execute(update(tables.claims).values(seen_at=datetime.now(UTC) - timedelta(seconds=61)))
    with store.claimed(study):
        found = store.claim(study)
        assert found is not None
        assert found.host == platform.node()


def test_it_gives_signs_of_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
    study = store.create_study("s", {}).id
    with store.claimed(study):
        first = store.claim(study)
        assert first is not None
        deadline = time.monotonic() + 10
        while (now := store.claim(study)) is not None and now.seen_at == first.seen_at:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_database_that_is_gone_does_not_stop_the_heart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is its error the one that is seen at the end."""
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    study = store.create_study("s", {}).id

    def break_off() -> None:
        with store.claimed(study):
            store.close()
            time.sleep(0.2)
            raise RuntimeError("the search's own")

    with pytest.raises(RuntimeError, match="the search's own"):
        break_off()


def test_there_is_no_process_of_a_number_that_is_free() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert claims.started_at(child.pid) is None
    assert claims.started_at(os.getpid())
