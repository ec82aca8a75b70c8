"""The store: studies, trials, learning curves, architectures and recipes; one transaction a step.

Only the driver of a search writes. Every step either is in the database whole or not at all, and a trial's
states follow one order (`records.ENDS`), so that no result can be recorded twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError
from nas.store import address, claims, latencies, rows, schema, steps
from nas.store.database import Database, connect, insert_missing
from nas.store.lookups import Lookups
from nas.store.records import (
    ENDS,
    End,
    Json,
    LatencyKind,
    NewTrial,
    State,
    StudyRecord,
    TrialRecord,
    finite,
)
from nas.store.tables import architectures, curves, recipes, studies


def open_store(url: str | os.PathLike[str] | None = None, *, create: bool = True) -> Store:
    """Open a database, and make or migrate its tables where needed.

    `url` is a path, a URL of SQLite or PostgreSQL, or None for a database in memory. With `create` False an absent or
    empty database is an error: a reader's misspelt path makes no file. Raises StoreError.
    """
    where = address.parse(url)
    address.check_file(where, create=create)
    database = connect(where)
    try:
        schema.prepare(database, create=create)
    except BaseException:
        database.close()
        raise
    return Store(database)


class Store(Lookups):
    """The one writer's view of a database. All methods raise StoreError; times are UTC."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._recipes: set[str] = set()  # the keys of those that are surely in the database

    def close(self) -> None:
        """Close the database; harmless when repeated."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Studies

    def create_study(self, name: str, spec: Json) -> StudyRecord:
        """Begin a study; `spec` is whatever resuming it needs. Raises StoreError if the name is taken."""
        rows.check_name(name)
        values = {"name": name, "spec": spec, "created_at": _now()}

        def create(connection: Connection) -> StudyRecord:
            there = rows.studies_where(connection, studies.c.name == name)
            if there:
                raise StoreError(rows.taken(there[0]))
            try:
                connection.execute(insert(studies).values(**values))
            except IntegrityError:
                raise StoreError(f"study {name!r} was just created by another process; choose another name") from None
            return rows.study(connection, name)

        def created(connection: Connection) -> StudyRecord | None:
            mine = (studies.c.name == name, studies.c.created_at == values["created_at"])
            return next(iter(rows.studies_where(connection, *mine)), None)

        return self.database.commit(create, created)

    def finish_study(self, study_id: int) -> None:
        """Declare the search finished."""
        self._update_study(study_id, finished_at=_now())

    def reopen(self, study_id: int, spec: Json | None = None) -> None:
        """Let a finished study go on, with a new spec (say, a larger budget) if one is given."""
        self._update_study(study_id, finished_at=None, **({} if spec is None else {"spec": spec}))

    def spend(self, study_id: int, document: Json) -> None:
        """Keep what the search has cost so far; the document takes the place of the one before."""
        self._update_study(study_id, spent=document)

    def claimed(self, study_id: int) -> AbstractContextManager[None]:
        """Hold the study while it is searched. Entering raises StoreError when another live process holds it."""
        found = self.database.ask(lambda connection: rows.studies_where(connection, studies.c.id == study_id))
        name = found[0].name if found else str(study_id)
        return claims.claimed(self.database, study_id, name)

    # Trials, step by step

    def add_trial(self, study_id: int, new: NewTrial) -> TrialRecord:
        """Add a trial under the study's next number, with its architecture and recipe where they are new.

        A trial answered from a known result (`reused_from`, state "complete") takes over its metrics.
        """
        steps.check_new(new)
        now = _now()
        values: dict[str, Any] = {name: getattr(new, name) for name in steps.COPIED}
        values |= {"study_id": study_id, "epochs": 0, "created_at": now, "reason": steps.line(new.reason)}
        if new.state != "waiting":
            values["finished_at"] = now

        def add(connection: Connection) -> TrialRecord:
            steps.lock(connection, study_id)
            known = {} if new.reused_from is None else steps.known_result(connection, new)
            insert_missing(connection, architectures, {"key": new.architecture_key, "document": new.architecture})
            if new.recipe_key not in self._recipes:
                insert_missing(connection, recipes, {"key": new.recipe_key, "document": new.recipe})
            return steps.add(connection, {**values, **known})

        trial = self.database.commit(add, lambda connection: steps.added(connection, values))
        self._recipes.add(new.recipe_key)
        return trial

    def start(self, trial_id: int, worker: str | None = None) -> None:
        """A waiting trial begins to run."""
        self._step(trial_id, "start", ("waiting",), state="running", worker=worker, started_at=_now())

    def record_epoch(self, trial_id: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record one epoch (1-based, each one later than the last) of a running trial.

        The trial's own `metrics`, `val_accuracy` and `epochs` follow its last epoch.
        """
        if epoch < 1:
            raise StoreError(f"epoch {epoch} cannot be recorded; epochs count from 1")
        kept = finite(metrics)
        last = {"metrics": kept, "val_accuracy": kept.get("val_accuracy"), "epochs": epoch}
        self.database.commit(
            lambda connection: steps.add_epoch(connection, trial_id, last),
            lambda connection: steps.holds(connection, trial_id, last),
        )

    def end(
        self,
        trial_id: int,
        state: End,
        *,
        reason: str | None = None,
        metrics: Mapping[str, float] | None = None,
        told: int | None = None,
        traceback: str | None = None,
    ) -> None:
        """End a trial for good. Without `metrics` it keeps those of its last epoch, without `traceback` the last one.

        Complete and pruned need a running trial, failed a waiting or running one, infeasible a waiting one.
        """
        if state not in ENDS:
            raise StoreError(f"a trial cannot end as {state!r}; choose one of: {', '.join(ENDS)}")
        values: dict[str, Any] = {"state": state, "reason": steps.line(reason), "finished_at": _now()}
        if metrics is not None:
            values["metrics"] = finite(metrics)
            values["val_accuracy"] = values["metrics"].get("val_accuracy")
        if told is not None:
            values["told"] = told
        if traceback is not None:
            values["traceback"] = steps.tail(traceback)
        self._step(trial_id, f"end as {state}", ENDS[state], **values)

    def requeue(self, trial_id: int) -> None:
        """Send a running trial back to waiting and drop its epochs: the search was killed under it."""
        self.database.commit(
            lambda connection: steps.requeue(connection, trial_id),
            lambda connection: steps.holds(connection, trial_id, steps.UNTRIED),
        )

    def retry(self, trial_id: int, reason: str, traceback: str | None = None) -> None:
        """Send a running trial back to waiting and drop its epochs: its run broke. Counted in its `failures`."""
        values = {**steps.UNTRIED, "reason": steps.line(reason), "traceback": steps.tail(traceback)}
        self.database.commit(
            lambda connection: steps.retry(connection, trial_id, values),
            lambda connection: steps.holds(connection, trial_id, values),
        )

    def add_curve(self, study_id: int, step: int, values: Mapping[str, float]) -> None:
        """Keep the controller's own numbers after position `step`; a step that is there stays as it is.

        So a resumed search may add every step of its replay again.
        """
        row = {"study_id": study_id, "step": step, "values": finite(values)}
        self.database.commit(lambda connection: insert_missing(connection, curves, row))

    # Measured latencies

    def keep_latency(
        self,
        *,
        machine: str,
        device: str,
        threads: int,
        batch: int,
        precision: str,
        kind: LatencyKind,
        key: str,
        median: float,
        low: float,
        high: float,
        runs: int,
    ) -> None:
        """Keep a measured latency (seconds: median and quartiles of `runs` timings) in place of an earlier one."""
        what = {"machine": machine, "device": device, "threads": threads, "batch": batch, "precision": precision}
        measured = {"median": median, "low": low, "high": high, "runs": runs, "measured_at": _now()}
        self.database.commit(
            lambda connection: latencies.keep(connection, {**what, "kind": kind, "key": key}, measured)
        )

    def _step(self, trial_id: int, action: str, allowed: tuple[State, ...], **values: Any) -> None:
        self.database.commit(
            lambda connection: steps.step(connection, trial_id, action, allowed, values),
            lambda connection: steps.holds(connection, trial_id, values),
        )

    def _update_study(self, study_id: int, **values: Any) -> None:
        statement = update(studies).where(studies.c.id == study_id).values(**values)

        def change(connection: Connection) -> None:
            if connection.execute(statement).rowcount != 1:
                raise StoreError(f"there is no study with id {study_id} in the store ({self.label})")

        self.database.commit(change)


def _now() -> datetime:
    return datetime.now(UTC)
