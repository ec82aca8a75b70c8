"""The read-only queries: what they answer, and that none of them walks through all trials."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event
from store_writer import EPOCHS, metrics, new_trial, train

from nas.errors import StoreError
from nas.store import Store, StudyRecord, open_store, queries


@pytest.fixture
def filled(store: Store, study: StudyRecord) -> Store:
    """Numbers 0 and 1 complete, 2 a baseline, 3 answered from 0, 4 pruned, 5 failed, 6 waiting; another study."""
    source = train(store, study.id, 0, accuracy=0.5)
    train(store, study.id, 1, accuracy=0.7)
    train(store, study.id, 2, accuracy=0.6, kind="baseline", name="resnet18")
    store.add_trial(study.id, new_trial(0, state="complete", reused_from=source))
    for content, state in ((4, "pruned"), (5, "failed")):
        trial = store.add_trial(study.id, new_trial(content))
        store.start(trial.id, "worker-1")
        store.record_epoch(trial.id, 1, metrics(1))
        store.end(trial.id, cast(Any, state), reason=state)
    store.add_trial(study.id, new_trial(6))
    train(store, store.create_study("other", {}).id, 7)
    return store


def test_candidates_are_the_complete_trials(filled: Store, study: StudyRecord) -> None:
    found = queries.candidates(filled, study.id)
    assert [row.number for row in found] == [0, 1, 2, 3]
    assert found[1] == (1, "child", None, 0.7, 1_001, 5_000_000_001, 2_001, 8_001)
    assert (found[2].kind, found[2].name) == ("baseline", "resnet18")


def test_a_metric_comes_by_number(filled: Store, study: StudyRecord) -> None:
    assert queries.metric(filled, study.id, "train_loss") == pytest.approx(dict.fromkeys(range(4), 1 / EPOCHS))
    assert queries.metric(filled, study.id, "latency") == dict.fromkeys(range(4))
    trial = filled.trial("first", 6)
    filled.start(trial.id)
    filled.end(trial.id, "complete", metrics={"latency": 2.5, "odd 'name'\".x": 3.0, "none": float("nan")})
    assert queries.metric(filled, study.id, "latency")[6] == 2.5
    assert queries.metric(filled, study.id, "none")[6] is None
    assert queries.metric(filled, study.id, "odd 'name'.x") == dict.fromkeys((0, 1, 2, 3, 6))


def test_progress_has_every_trial(filled: Store, study: StudyRecord) -> None:
    found = queries.progress(filled, study.id)
    assert [row.state for row in found] == [trial.state for trial in filled.trials(study.id)]
    assert [row.reused for row in found] == [False, False, False, True, False, False, False]
    assert [row.finished_at for row in found] == [trial.finished_at for trial in filled.trials(study.id)]


def test_pages_sort_filter_and_count(filled: Store, study: StudyRecord) -> None:
    rows, total = queries.page(filled, study.id, limit=3, offset=2)
    assert ([row.number for row in rows], total) == ([2, 3, 4], 7)
    rows, total = queries.page(filled, study.id, limit=3, descending=True)
    assert ([row.number for row in rows], total) == ([6, 5, 4], 7)
    rows, _ = queries.page(filled, study.id, order="val_accuracy", descending=True)
    assert [row.number for row in rows] == [1, 2, 0, 3, 4, 5, 6]
    rows, _ = queries.page(filled, study.id, order="val_accuracy")
    assert [row.number for row in rows] == [4, 5, 0, 3, 2, 1, 6]
    rows, total = queries.page(filled, study.id, state="failed", kind="child")
    assert ([(row.reason, row.worker, row.epochs) for row in rows], total) == ([("failed", "worker-1", 1)], 1)
    assert queries.page(filled, study.id, kind="baseline", limit=0) == ([], 1)
    with pytest.raises(StoreError, match="unknown column to sort by 'flop'; did you mean 'flops'"):
        queries.page(filled, study.id, order=cast(Any, "flop"))


def test_learning_curves_of_some_trials(filled: Store, study: StudyRecord) -> None:
    found = queries.learning_curves(filled, study.id, [3, 0, 4, 6, 99, 3])
    assert [(row.number, row.epoch) for row in found] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (3, 1),
        (3, 2),
        (3, 3),
        (4, 1),
    ]
    assert {row.val_accuracy for row in found} == {0.5, 0.1}
    assert queries.learning_curves(filled, study.id, []) == []
    assert len(queries.learning_curves(filled, study.id, range(100_000))) == 4 * EPOCHS + 2


@contextmanager
def plans(store: Store) -> Iterator[list[str]]:
    """SQLite's plan of every SELECT, INSERT, UPDATE and DELETE that is run meanwhile."""
    found: list[str] = []
    seen: list[str] = []

    def trace(raw: sqlite3.Connection, *_: object) -> None:
        raw.set_trace_callback(seen.append)

    event.listen(store.database.engine, "checkout", trace)
    yield found
    event.remove(store.database.engine, "checkout", trace)
    with closing(sqlite3.connect(store.label)) as raw:
        for statement in seen:
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                found.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}"))


QUESTIONS: dict[str, tuple[Callable[[Store], object], str]] = {
    "find": (lambda store: store.find("g", "e", "r", 0), "ix_nas_trials_known"),
    "tally of one": (lambda store: store.study("first"), "USING COVERING INDEX ix_nas_trials_tally"),
    "tally of all": (lambda store: store.studies(), "USING COVERING INDEX ix_nas_trials_tally"),
    "one trial": (lambda store: store.trial("first", 0), "(study_id=? AND number=?)"),
    "trials": (lambda store: store.trials(1), "(study_id=?)"),
    "running trials": (
        lambda store: store.trials(1, "running"),
        "ix_nas_trials_tally (study_id=? AND state=?)",
    ),
    "next number": (lambda store: store.add_trial(1, new_trial(50)), "COVERING INDEX"),
    "a step": (lambda store: store.start(7), "INTEGER PRIMARY KEY (rowid=?)"),
    "epochs": (lambda store: store.epochs(1), "PRIMARY KEY (trial_id=?)"),
    "candidates": (lambda store: queries.candidates(store, 1), "(study_id=? AND state=?)"),
    "metric": (lambda store: queries.metric(store, 1, "latency"), "(study_id=? AND state=?)"),
    "progress": (lambda store: queries.progress(store, 1), "(study_id=?)"),
    "page": (lambda store: queries.page(store, 1, limit=10), "(study_id=?)"),
    "curves": (lambda store: queries.learning_curves(store, 1, [0, 1]), "(study_id=? AND number=?)"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_answered_by_an_index(tmp_path: Path, question: str) -> None:
    ask, expected = QUESTIONS[question]
    with open_store(tmp_path / "x.db") as store:
        study = store.create_study("first", {})
        for content in range(5):
            train(store, study.id, content)
        for content in range(5, 8):
            store.add_trial(study.id, new_trial(content))
        with plans(store) as steps:
            ask(store)
    assert any(expected in step for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN nas_trials") and "COVERING INDEX" not in step]
    assert not [step for step in steps if step.startswith("SCAN nas_epochs")]
