"""What the store answers about studies, trials and latencies: whole records, by name, number or key.

Light rows and numpy columns for many trials at once are in `queries` and `bulk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from nas.store import claims, latencies, rows
from nas.store.database import Database
from nas.store.records import (
    CurveRecord,
    EpochRecord,
    Kind,
    LatencyKind,
    LatencyRecord,
    State,
    StudyRecord,
    TrialRecord,
)
from nas.store.tables import architectures, curves, epochs, recipes, trials


class Lookups:
    """The reading half of a store. All methods raise StoreError; times are UTC."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.label = database.label  # names the database in messages; holds no password

    def study(self, name: str) -> StudyRecord:
        """The study of this name. Raises StoreError with the nearest name that exists."""
        return self.database.ask(lambda connection: rows.study(connection, name))

    def studies(self) -> list[StudyRecord]:
        """All studies with their tallies, oldest first: one query, whatever the number of trials."""
        return self.database.ask(lambda connection: rows.studies_where(connection))

    def claim(self, study_id: int) -> claims.Claim | None:
        """The process that runs the study, or died over it; None if nobody does."""
        return self.database.ask(lambda connection: claims.claim_of(connection, study_id))

    def running(self) -> set[int]:
        """The ids of the studies that a live process runs."""
        return self.database.ask(lambda connection: claims.running(connection))

    def find(self, graph_key: str, evaluator_key: str, recipe_key: str, seed: int) -> TrialRecord | None:
        """The first complete trial of any study that trained just this; None if there is none."""
        return self.database.ask(lambda connection: rows.known(connection, graph_key, evaluator_key, recipe_key, seed))

    def trials(self, study_id: int, state: State | None = None, kind: Kind | None = None) -> list[TrialRecord]:
        """The trials of a study, or those of one state or kind, in the order of their numbers."""
        conditions: list[ColumnElement[bool]] = [trials.c.study_id == study_id]
        if state is not None:
            conditions.append(trials.c.state == state)
        if kind is not None:
            conditions.append(trials.c.kind == kind)
        return self.database.ask(lambda connection: rows.trials_where(connection, *conditions, order=trials.c.number))

    def numbered(self, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
        """The trials of a study with these numbers, in their order; numbers that do not exist are left out."""
        return self.database.ask(lambda connection: rows.numbered(connection, study_id, numbers))

    def trial(self, study: str, number: int) -> TrialRecord:
        """One trial by the name of its study and its number. Raises StoreError saying which there are."""
        return self.database.ask(lambda connection: rows.trial(connection, study, number))

    def epochs(self, trial_id: int) -> list[EpochRecord]:
        """The learning curve of a trial; that of the trial which answered it, if it was reused."""
        source = select(func.coalesce(trials.c.reused_from, trials.c.id)).where(trials.c.id == trial_id)
        wanted = select(epochs.c.epoch, epochs.c.metrics, epochs.c.val_accuracy, epochs.c.seconds)
        statement = wanted.where(epochs.c.trial_id == source.scalar_subquery()).order_by(epochs.c.epoch)
        return self.database.ask(lambda connection: [EpochRecord(*row) for row in connection.execute(statement)])

    def architecture(self, key: str) -> dict[str, Any]:
        """The JSON document of an architecture."""
        return self.database.ask(lambda connection: rows.document(connection, architectures, "architecture", key))

    def recipe(self, key: str) -> dict[str, Any]:
        """The JSON document of a recipe."""
        return self.database.ask(lambda connection: rows.document(connection, recipes, "recipe", key))

    def curves(self, study_id: int) -> list[CurveRecord]:
        """The controller's curves of a study, in the order of their steps."""
        wanted = select(curves.c.step, curves.c["values"]).where(curves.c.study_id == study_id).order_by(curves.c.step)
        return self.database.ask(lambda connection: [CurveRecord(*row) for row in connection.execute(wanted)])

    def latencies(
        self, machine: str, device: str, threads: int, batch: int, precision: str, kind: LatencyKind
    ) -> dict[str, LatencyRecord]:
        """The latencies measured under these conditions, by the key of the network or block."""
        what = {"machine": machine, "device": device, "threads": threads, "batch": batch, "precision": precision}
        return self.database.ask(lambda connection: latencies.under(connection, {**what, "kind": kind}))
