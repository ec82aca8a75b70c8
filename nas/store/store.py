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

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError
from nas.store import address, claims, rows, schema
from nas.store.database import Database, connect, insert_missing
from nas.store.records import (
    ENDS,
    CurveRecord,
    End,
    EpochRecord,
    Json,
    Kind,
    NewTrial,
    State,
    StudyRecord,
    TrialRecord,
    finite,
)
from nas.store.tables import architectures, curves, epochs, recipes, studies, trials


def open_store(url: str | os.PathLike[str] | None = None, *, create: bool = True) -> Store:
    """Open a database, and make or migrate its tables where needed.

    `url` is a path, any SQLAlchemy URL, or None for a database in memory. With `create` False an absent or
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


class Store:
    """The one writer's view of a database. All methods raise StoreError; times are UTC."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.label = database.label  # names the database in messages; holds no password

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
        with self.database.write() as connection:
            there = rows.studies_where(connection, studies.c.name == name)
            if there:
                raise StoreError(rows.taken(there[0]))
            try:
                connection.execute(insert(studies).values(name=name, spec=spec, created_at=_now()))
            except IntegrityError:
                raise StoreError(f"study {name!r} was just created by another process; choose another name") from None
            return rows.study(connection, name)

    def study(self, name: str) -> StudyRecord:
        """The study of this name. Raises StoreError with the nearest name that exists."""
        with self.database.read() as connection:
            return rows.study(connection, name)

    def studies(self) -> list[StudyRecord]:
        """All studies with their tallies, oldest first: one query, whatever the number of trials."""
        with self.database.read() as connection:
            return rows.studies_where(connection)

    def finish_study(self, study_id: int) -> None:
        """Declare the search finished."""
        self._update_study(study_id, finished_at=_now())

    def reopen(self, study_id: int, spec: Json | None = None) -> None:
        """Let a finished study go on, with a new spec (say, a larger budget) if one is given."""
        self._update_study(study_id, finished_at=None, **({} if spec is None else {"spec": spec}))

    def claimed(self, study_id: int) -> AbstractContextManager[None]:
        """Hold the study while it is searched. Entering raises StoreError when another live process holds it."""
        with self.database.read() as connection:
            found = rows.studies_where(connection, studies.c.id == study_id)
        name = found[0].name if found else str(study_id)
        return claims.claimed(self.database, study_id, name)

    def claim(self, study_id: int) -> claims.Claim | None:
        """The process that runs the study, or died over it; None if nobody does."""
        with self.database.read() as connection:
            return claims.claim_of(connection, study_id)

    def running(self) -> set[int]:
        """The ids of the studies that a live process runs."""
        with self.database.read() as connection:
            return claims.running(connection)

    # Trials, step by step

    def add_trial(self, study_id: int, new: NewTrial) -> TrialRecord:
        """Add a trial under the study's next number, with its architecture and recipe where they are new.

        A trial answered from a known result (`reused_from`, state "complete") takes over its metrics.
        """
        rows.check_new(new)
        with self.database.write() as connection:
            number = rows.next_number(connection, study_id)
            now = _now()
            values: dict[str, Any] = {name: getattr(new, name) for name in rows.COPIED}
            values |= {"study_id": study_id, "number": number, "epochs": 0, "created_at": now}
            values["reason"] = rows.line(new.reason)
            if new.reused_from is not None:
                values |= rows.known_result(connection, new)
            if new.state != "waiting":
                values["finished_at"] = now
            insert_missing(connection, architectures, {"key": new.architecture_key, "document": new.architecture})
            insert_missing(connection, recipes, {"key": new.recipe_key, "document": new.recipe})
            return rows.add(connection, values)

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
        with self.database.write() as connection:
            rows.add_epoch(connection, trial_id, epoch, kept)

    def end(
        self,
        trial_id: int,
        state: End,
        *,
        reason: str | None = None,
        metrics: Mapping[str, float] | None = None,
        told: int | None = None,
    ) -> None:
        """End a trial for good. Without `metrics` it keeps those of its last epoch.

        Complete and pruned need a running trial, failed a waiting or running one, infeasible a waiting one.
        """
        if state not in ENDS:
            raise StoreError(f"a trial cannot end as {state!r}; choose one of: {', '.join(ENDS)}")
        values: dict[str, Any] = {"state": state, "reason": rows.line(reason), "finished_at": _now()}
        if metrics is not None:
            values["metrics"] = finite(metrics)
            values["val_accuracy"] = values["metrics"].get("val_accuracy")
        if told is not None:
            values["told"] = told
        self._step(trial_id, f"end as {state}", ENDS[state], **values)

    def requeue(self, trial_id: int) -> None:
        """Send a running trial back to waiting and drop its epochs: the search was killed under it."""
        with self.database.write() as connection:
            rows.step(
                connection,
                trial_id,
                "requeue",
                ("running",),
                {
                    "state": "waiting",
                    "worker": None,
                    "started_at": None,
                    "metrics": None,
                    "val_accuracy": None,
                    "epochs": 0,
                },
            )
            connection.execute(delete(epochs).where(epochs.c.trial_id == trial_id))

    def add_curve(self, study_id: int, step: int, values: Mapping[str, float]) -> None:
        """Keep the controller's own numbers after position `step`; a step that is there stays as it is.

        So a resumed search may add every step of its replay again.
        """
        with self.database.write() as connection:
            insert_missing(connection, curves, {"study_id": study_id, "step": step, "values": finite(values)})

    # Reading

    def find(self, graph_key: str, evaluator_key: str, recipe_key: str, seed: int) -> TrialRecord | None:
        """The first complete trial of any study that trained just this; None if there is none."""
        with self.database.read() as connection:
            return rows.known(connection, graph_key, evaluator_key, recipe_key, seed)

    def trials(self, study_id: int, state: State | None = None, kind: Kind | None = None) -> list[TrialRecord]:
        """The trials of a study, or those of one state or kind, in the order of their numbers."""
        conditions: list[ColumnElement[bool]] = [trials.c.study_id == study_id]
        if state is not None:
            conditions.append(trials.c.state == state)
        if kind is not None:
            conditions.append(trials.c.kind == kind)
        with self.database.read() as connection:
            return rows.trials_where(connection, *conditions, order=trials.c.number)

    def trial(self, study: str, number: int) -> TrialRecord:
        """One trial by the name of its study and its number. Raises StoreError saying which there are."""
        with self.database.read() as connection:
            named = select(studies.c.id).where(studies.c.name == study).scalar_subquery()
            found = rows.trials_where(connection, trials.c.study_id == named, trials.c.number == number)
            if found:
                return found[0]
            last = rows.study(connection, study).trials - 1
            there = f"it has 0 to {last}" if last >= 0 else "it has none yet"
            raise StoreError(f"study {study!r} has no trial {number}; {there}")

    def epochs(self, trial_id: int) -> list[EpochRecord]:
        """The learning curve of a trial; that of the trial which answered it, if it was reused."""
        source = select(func.coalesce(trials.c.reused_from, trials.c.id)).where(trials.c.id == trial_id)
        wanted = select(epochs.c.epoch, epochs.c.metrics, epochs.c.val_accuracy, epochs.c.seconds)
        with self.database.read() as connection:
            found = connection.execute(
                wanted.where(epochs.c.trial_id == source.scalar_subquery()).order_by(epochs.c.epoch)
            )
            return [EpochRecord(*row) for row in found]

    def architecture(self, key: str) -> dict[str, Any]:
        """The JSON document of an architecture."""
        with self.database.read() as connection:
            return rows.document(connection, architectures, "architecture", key)

    def recipe(self, key: str) -> dict[str, Any]:
        """The JSON document of a recipe."""
        with self.database.read() as connection:
            return rows.document(connection, recipes, "recipe", key)

    def curves(self, study_id: int) -> list[CurveRecord]:
        """The controller's curves of a study, in the order of their steps."""
        wanted = select(curves.c.step, curves.c["values"]).where(curves.c.study_id == study_id)
        with self.database.read() as connection:
            return [CurveRecord(*row) for row in connection.execute(wanted.order_by(curves.c.step))]

    def _step(self, trial_id: int, action: str, allowed: tuple[State, ...], **values: Any) -> None:
        with self.database.write() as connection:
            rows.step(connection, trial_id, action, allowed, values)

    def _update_study(self, study_id: int, **values: Any) -> None:
        with self.database.write() as connection:
            changed = connection.execute(update(studies).where(studies.c.id == study_id).values(**values))
            if changed.rowcount != 1:
                raise StoreError(f"there is no study with id {study_id} in the store ({self.label})")


def _now() -> datetime:
    return datetime.now(UTC)
