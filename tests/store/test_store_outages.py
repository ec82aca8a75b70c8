"""The database is gone for a while: results wait in memory, then land in order, nothing lost and nothing twice."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from store_server import Server
from store_writer import EPOCHS, metrics, new_trial, train

from nas.errors import StoreError
from nas.store import Store, claims, database, open_store, outages, tables

CHILDREN = 12


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "LONGEST_PAUSE", 0.3)


def search(store: Store, study_id: int) -> None:
    """What a driver does: each result is asked for, then written, step by step."""
    for content in range(CHILDREN):
        new = new_trial(content, asked=2 * content)
        assert store.find(str(new.graph_key), new.evaluator_key, new.recipe_key, new.seed) is None
        trial = store.add_trial(study_id, new)
        store.start(trial.id, "worker-0")
        for epoch in range(1, EPOCHS + 1):
            store.record_epoch(trial.id, epoch, metrics(epoch))
        store.end(trial.id, "complete", told=2 * content + 1)
        time.sleep(0.1)  # twelve of them last longer than it takes to stop a server


def check_all_there(store: Store, study: str = "s") -> None:
    trials = store.trials(store.study(study).id)
    assert [trial.architecture_key for trial in trials] == [f"{content:016x}" for content in range(CHILDREN)]
    assert [(trial.number, trial.asked, trial.told) for trial in trials] == [
        (n, 2 * n, 2 * n + 1) for n in range(CHILDREN)
    ]
    for trial in trials:
        assert (trial.state, trial.metrics) == ("complete", metrics(EPOCHS))
        assert [row.epoch for row in store.epochs(trial.id)] == list(range(1, EPOCHS + 1))


def in_thread(work: Callable[[], None]) -> tuple[threading.Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == outages.__name__]


@pytest.fixture
def stopped(server: Server) -> Iterator[Callable[[float], None]]:
    """Stops the server for some seconds."""

    def stop(seconds: float) -> None:
        server.stop()
        try:
            time.sleep(seconds)
        finally:
            server.start()

    yield stop
    server.start()


class TestPostgresql:
    def test_a_search_outlasts_two_stops_of_the_server(
        self, postgresql: str, stopped: Callable[[float], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        with open_store(postgresql) as store:
            study = store.create_study("s", {}).id
            with store.claimed(study):
                before = store.claim(study)
                thread, failures = in_thread(lambda: search(store, study))
                for seconds in (1.0, 0.3):
                    time.sleep(0.15)
                    stopped(seconds)
                thread.join(60)
                assert failures == []
                after = store.claim(study)
            check_all_there(store)
            assert before is not None
            assert after is not None
            assert after.seen_at > before.seen_at, "the first step after an outage is a sign of life too"
        said = lines(caplog)
        assert said, "the search ran into the stop"
        for begin, end in zip(said[::2], said[1::2], strict=True):
            assert begin.startswith(f"database {store.label}: ")
            assert begin.endswith("waiting up to 600 s for it")
            assert "\n" not in begin
            assert end.startswith(f"database {store.label}: there again after ")

    def test_signs_of_life_go_on_after_a_stop(
        self, postgresql: str, stopped: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
        with open_store(postgresql) as store:
            study = store.create_study("s", {}).id
            with store.claimed(study):
                stopped(0.3)
                first = store.claim(study)
                deadline = time.monotonic() + 20
                while (now := store.claim(study)) is not None and first is not None and now.seen_at == first.seen_at:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                assert now is not None
            assert store.claim(study) is None

    @pytest.mark.parametrize("committed", [True, False])
    @pytest.mark.parametrize("step", ["create", "add", "start", "epoch", "requeue", "retry", "end", "spend", "curve"])
    def test_a_commit_without_an_answer_is_done_once(
        self, postgresql: str, monkeypatch: pytest.MonkeyPatch, step: str, committed: bool
    ) -> None:
        with open_store(postgresql) as store:
            study = store.create_study("s", {}).id
            trial = store.add_trial(study, new_trial(0)).id
            if step != "start":
                store.start(trial)
            steps: dict[str, Callable[[], Any]] = {
                "create": lambda: store.create_study("t", {"seed": 1}),
                "add": lambda: store.add_trial(study, new_trial(1)),
                "start": lambda: store.start(trial, "w"),
                "epoch": lambda: store.record_epoch(trial, 1, metrics(1)),
                "requeue": lambda: store.requeue(trial),
                "retry": lambda: store.retry(trial, "broke", "Traceback"),
                "end": lambda: store.end(trial, "complete", metrics=metrics(3), told=5),
                "spend": lambda: store.spend(study, {"seconds": 1}),
                "curve": lambda: store.add_curve(study, 3, {"entropy": 0.5}),
            }
            dialect, real = store.database.engine.dialect, store.database.engine.dialect.do_commit
            left = [1]

            def break_off(connection: Any) -> None:
                if left.pop() if left else 0:
                    if committed:
                        real(connection)
                    raw = connection.driver_connection
                    raw.close()
                    raw.execute("SELECT 1")  # raises the driver's own error
                real(connection)

            monkeypatch.setattr(dialect, "do_commit", break_off)
            result = steps[step]()
            monkeypatch.undo()
            assert left == []
            found = store.trials(study)
            assert len(found) == (2 if step == "add" else 1)
            if step == "add":
                assert result == found[1]
            if step == "create":
                assert result == store.study("t")
                assert len(store.studies()) == 2
            state = {"requeue": "waiting", "retry": "waiting", "end": "complete"}.get(step, "running")
            assert (found[0].state, found[0].failures) == (state, int(step == "retry"))
            assert len(store.epochs(trial)) == (step == "epoch")
            assert store.study("s").spent == ({"seconds": 1} if step == "spend" else None)
            assert len(store.curves(study)) == (step == "curve")

    def test_a_study_that_was_taken_over_meanwhile_is_left_alone(
        self, postgresql: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with open_store(postgresql) as store, open_store(postgresql) as other:
            study = store.create_study("s", {}).id
            trial = store.add_trial(study, new_trial(0)).id

            def cut_off_and_taken_over(*_: object) -> None:
                monkeypatch.undo()
                with other.database.write() as connection:
                    connection.execute(update(tables.claims).values(host="elsewhere", pid=7))
                    connection.exec_driver_sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )

            with store.claimed(study):
                monkeypatch.setattr(outages, "SHORTEST_PAUSE", 0.01)
                cut_off_and_taken_over()
                with pytest.raises(StoreError, match="study 's' was taken over by process 7 on elsewhere while its"):
                    store.start(trial)
                assert store.trial("s", 0).state == "waiting"
            assert other.claim(study) is not None, "the claim of the other one is left"

    def test_patience_ends(self, postgresql: str, server: Server) -> None:
        with open_store(postgresql) as store:
            study = store.create_study("s", {}).id
            store.database.patience = 0.5
            server.stop()
            try:
                with pytest.raises(StoreError, match=r"cannot use database postgresql.*\(waited [0-9] s\)") as caught:
                    store.add_trial(study, new_trial(0))
            finally:
                server.start()
            assert "\n" not in str(caught.value)
            store.add_trial(study, new_trial(0))


class TestSqlite:
    @pytest.fixture(autouse=True)
    def hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)

    def test_a_search_outlasts_a_lock_that_is_held_longer_than_sqlite_waits(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with open_store(tmp_path / "x.db") as store, closing(sqlite3.connect(tmp_path / "x.db")) as other:
            study = store.create_study("s", {}).id
            thread, failures = in_thread(lambda: search(store, study))
            for seconds in (0.8, 0.4):
                time.sleep(0.1)
                other.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
                other.rollback()
            thread.join(60)
            assert failures == []
            check_all_there(store)
        said = lines(caplog)
        assert len(said) in (2, 4)
        assert said[0] == f"database {store.label}: database is locked; waiting up to 600 s for it"

    def test_readers_outlast_an_exclusive_lock(self, tmp_path: Path) -> None:
        with open_store(tmp_path / "x.db") as store, closing(sqlite3.connect(tmp_path / "x.db")) as other:
            study = store.create_study("s", {})
            store.database.engine.dispose()
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            thread, failures = in_thread(lambda: print(train(store, store.study("s").id, 0)))
            time.sleep(0.4)
            assert thread.is_alive()
            other.rollback()
            other.close()
            thread.join(30)
            assert failures == []
            assert store.trials(study.id)[0].state == "complete"

    def test_what_does_not_pass_is_not_waited_for(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with open_store(tmp_path / "x.db") as store:
            study = store.create_study("s", {}).id
            with store.database.write() as connection:
                connection.exec_driver_sql("DROP TABLE nas_epochs")
            trial = store.add_trial(study, new_trial(0)).id
            store.start(trial)
            began = time.monotonic()
            with pytest.raises(StoreError, match=r"cannot write database .*no such table: nas_epochs"):
                store.record_epoch(trial, 1, metrics(1))
            assert time.monotonic() - began < 1
            assert store.trial("s", 0).epochs == 0, "the step is undone whole"
        assert lines(caplog) == []


def test_pauses_grow_and_what_waits_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr(outages, "LONGEST_PAUSE", 10.0)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    outage = outages.Outage("x.db", 30.0)
    for _ in range(9):
        outage.wait("gone")
    with pytest.raises(StoreError, match=r"x\.db: gone \(waited 30 s\)"):
        outage.wait("gone")
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 7.3]
    assert lines(caplog) == ["database x.db: gone; waiting up to 30 s for it"]


def test_a_claim_lost_without_an_outage_is_not_looked_for(tmp_path: Path) -> None:
    """It costs a statement; two processes on one study are told apart by the positions of their steps."""
    with open_store(tmp_path / "x.db") as store:
        study = store.create_study("s", {}).id
        with store.claimed(study):
            assert len(store.database.guards) == 1
            with store.database.write() as connection:
                connection.execute(update(tables.claims).values(pid=7))
            store.add_trial(study, new_trial(0))
        assert store.database.guards == []
