"""`Study`: what a search found, read from the store: trials, front, baselines, and who dominates whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from nas import pareto
from nas.errors import StudyError
from nas.objectives import Objective, values_of
from nas.spec import StudySpec
from nas.store import Store, StudyRecord, TrialRecord, bulk, queries
from searchspaces import Architecture, InvalidArchitecture, InvalidSpace
from searchspaces.catalog import import_home
from searchspaces.summary import summarise

_VALUES = 2  # the first column of the objective values, among those of the complete trials


class Study:
    """A stored search. Reads when asked, so it is current also while the search runs.

    `ended_because` says why a search that has just run stopped short of its budget; empty if it did not.
    """

    def __init__(self, store: Store, name: str, ended_because: str = "") -> None:
        self.store, self.name, self.ended_because = store, name, ended_because

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.record.counts['complete']} complete trials)"

    @property
    def record(self) -> StudyRecord:
        """The study's row and tallies. Raises `StoreError` when there is no such study."""
        return self.store.study(self.name)

    @property
    def spec(self) -> StudySpec:
        """What the study was asked to do."""
        return StudySpec.from_json(self.record.spec)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What it optimises, in order."""
        return _objectives(self.record)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, baselines too, in the order in which they were added."""
        return self.store.trials(self.record.id)

    @property
    def front(self) -> list[TrialRecord]:
        """The complete trials, children and baselines, that no other dominates, the best first objective first."""
        record = self.record
        return self._front(record, self._measured(record))

    @property
    def best(self) -> TrialRecord | None:
        """The complete child with the best first objective; None before there is one."""
        record = self.record
        rows, objectives = self._measured(record), _objectives(record)
        children = rows[(rows[:, 1] == 1) & ~np.isnan(rows[:, _VALUES])]
        if not len(children):
            return None
        place = np.argmax if objectives[0].maximise else np.argmin
        return self.store.numbered(record.id, [int(children[place(children[:, _VALUES]), 0])])[0]

    def values(self, trial: TrialRecord) -> list[float]:
        """The objective values of a complete trial in natural units. Raises `NasError` for a missing metric."""
        return trial_values(trial, self.objectives)

    def baselines(self) -> dict[str, list[int]]:
        """For each complete baseline, the numbers of the children that dominate it (empty: none does)."""
        record = self.record
        return self._beaten(record, self._measured(record))

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs that the children were trained, and how many they would have been without a scheduler."""
        record = self.record
        own = [total for total in queries.totals(self.store, record.id)[0] if total.kind == "child"]
        trained = sum(total.trials * total.epochs for total in own)
        each = int(StudySpec.from_json(record.spec).recipe["epochs"])
        return trained, trained + sum(t.trials * (each - t.epochs) for t in own if t.state == "pruned")

    def architecture(self, number: int) -> Architecture:
        """The architecture of trial `number`.

        Raises `StoreError` when there is no such trial, `InvalidArchitecture` for a block that is not known here.
        """
        self._import_homes()
        return Architecture.from_json(self.store.architecture(self.store.trial(self.name, number).architecture_key))

    def _import_homes(self) -> None:
        """Import the modules of the user's own that the study names: they bring its blocks."""
        spec = self.spec
        for name in (spec.space, *spec.baselines):
            if ":" in name:
                with suppress(InvalidSpace):
                    import_home(name)

    def to_json(self) -> dict[str, Any]:
        """The study as `nas search --json` prints it: `study`, `epochs`, `trials`, `front`, `baselines`."""
        trained, whole = self.epochs
        return self._json(self.trials, {"epochs": {"trained": trained, "without_scheduler": whole}})

    def front_json(self) -> dict[str, Any]:
        """`to_json` for a reader of the front only: no `epochs`, and of `trials` the baselines."""
        return self._json(self.store.trials(self.record.id, kind="baseline"), {})

    def _json(self, trials: Sequence[TrialRecord], more: dict[str, Any]) -> dict[str, Any]:
        self._import_homes()
        record = self.record
        measured = self._measured(record)
        objectives, front = _objectives(record), self._front(record, measured)
        keys = {trial.architecture_key for trial in (*trials, *front)}
        documents = queries.architecture_documents(self.store, sorted(keys))
        summaries = {key: _summary(document) for key, document in documents.items()}
        return {
            "study": study_json(record),
            **more,
            "trials": [trial_json(trial, objectives, summaries[trial.architecture_key]) for trial in trials],
            "front": [trial_json(trial, objectives, summaries[trial.architecture_key]) for trial in front],
            "baselines": [
                {"name": name, "dominated_by": numbers} for name, numbers in self._beaten(record, measured).items()
            ],
        }

    def _measured(self, record: StudyRecord) -> pareto.Rows:
        """Every complete trial: its number, 1 for a child, and from column `_VALUES` on the objective values."""
        return bulk.read_complete(self.store, record.id, [objective.name for objective in _objectives(record)])

    def _front(self, record: StudyRecord, rows: pareto.Rows) -> list[TrialRecord]:
        objectives = _objectives(record)
        kept = pareto.front(rows[:, _VALUES:], [objective.maximise for objective in objectives])
        first = rows[kept, _VALUES]
        order = np.argsort(-first if objectives[0].maximise else first, kind="stable")
        return self.store.numbered(record.id, rows[kept, 0][order].astype(int).tolist())

    def _beaten(self, record: StudyRecord, rows: pareto.Rows) -> dict[str, list[int]]:
        losses = rows[:, _VALUES:] * [-1.0 if objective.maximise else 1.0 for objective in _objectives(record)]
        children, numbers = rows[:, 1] == 1, rows[:, 0].astype(int)
        found = {}
        baselines = self.store.numbered(record.id, numbers[~children].tolist())
        for trial, own in zip(baselines, losses[~children], strict=True):
            better = children & (losses <= own).all(axis=1) & (losses < own).any(axis=1)
            found[str(trial.name)] = numbers[better].tolist()
        return found


def _summary(document: Mapping[str, Any]) -> str:
    try:
        return summarise(Architecture.from_json(document))
    except InvalidArchitecture as error:
        return f"cannot be read here: {error.problem.partition(';')[0]}"


def _objectives(record: StudyRecord) -> tuple[Objective, ...]:
    return tuple(Objective.parse(text) for text in StudySpec.from_json(record.spec).objectives)


def trial_values(trial: TrialRecord, objectives: Sequence[Objective]) -> list[float]:
    """The objective values of a complete trial. Raises `NasError` for a metric that it lacks."""
    if trial.state != "complete":
        raise StudyError(f"trial {trial.number} is {trial.state}; only a complete trial has objective values")
    return values_of(objectives, trial.metrics or {}, trial.cost)


def study_json(record: StudyRecord) -> dict[str, Any]:
    """A study without its trials."""
    return {
        "name": record.name,
        "created": record.created_at.isoformat(),
        "finished": record.finished_at.isoformat() if record.finished_at else None,
        "spec": dict(record.spec),
        "counts": dict(record.counts),
        "reused": record.reused,
        "best_accuracy": record.best_accuracy,
        "baseline_accuracy": record.baseline_accuracy,
        "spent": None if record.spent is None else dict(record.spent),
    }


def trial_json(trial: TrialRecord, objectives: Sequence[Objective], summary: str) -> dict[str, Any]:
    """One trial; `values` are those of the objectives, None unless it is complete."""
    complete = trial.state == "complete"
    values = dict(zip([o.name for o in objectives], trial_values(trial, objectives), strict=True)) if complete else None
    return {
        "trial": trial.number,
        "kind": trial.kind,
        "name": trial.name,
        "state": trial.state,
        "reason": trial.reason,
        "architecture": trial.architecture_key,
        "summary": summary,
        **{name: trial.cost.get(name) for name in ("params", "flops", "activations", "memory")},
        "values": values,
        "metrics": None if trial.metrics is None else dict(trial.metrics),
        "epochs": trial.epochs,
        "reused": trial.reused_from is not None,
        "failures": trial.failures,
        "traceback": trial.traceback,
        "worker": trial.worker,
        "started": trial.started_at.isoformat() if trial.started_at else None,
        "finished": trial.finished_at.isoformat() if trial.finished_at else None,
    }
