"""`Study`: what a search found, read from the store: trials, front, baselines, and who dominates whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from nas import pareto
from nas.errors import StudyError
from nas.objectives import Objective, values_of
from nas.spec import StudySpec
from nas.store import Store, StudyRecord, TrialRecord
from searchspaces import Architecture, InvalidArchitecture, InvalidSpace
from searchspaces.catalog import import_home
from searchspaces.summary import summarise

Measured: TypeAlias = tuple[TrialRecord, list[float]]  # a complete trial and its objective values


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
        objectives, rows = self._measured()
        kept = pareto.front([values for _, values in rows], [objective.maximise for objective in objectives])
        return [trial for trial, _ in _best_first((rows[index] for index in kept), objectives)]

    @property
    def best(self) -> TrialRecord | None:
        """The complete child with the best first objective; None before there is one."""
        objectives, rows = self._measured()
        ordered = _best_first((row for row in rows if row[0].kind == "child"), objectives)
        return ordered[0][0] if ordered else None

    def values(self, trial: TrialRecord) -> list[float]:
        """The objective values of a complete trial in natural units. Raises `NasError` for a missing metric."""
        return trial_values(trial, self.objectives)

    def baselines(self) -> dict[str, list[int]]:
        """For each complete baseline, the numbers of the children that dominate it (empty: none does)."""
        objectives, rows = self._measured()
        maximise = [objective.maximise for objective in objectives]
        return {
            str(trial.name): [
                other.number
                for other, theirs in rows
                if other.kind == "child" and pareto.dominates(theirs, own, maximise)
            ]
            for trial, own in rows
            if trial.kind == "baseline"
        }

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs that the children were trained, and how many they would have been without a scheduler."""
        own = [trial for trial in self.trials if trial.kind == "child" and trial.reused_from is None]
        trained = sum(trial.epochs for trial in own)
        each = int(self.spec.recipe["epochs"])
        return trained, trained + sum(each - trial.epochs for trial in own if trial.state == "pruned")

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

    def _summary(self, key: str) -> str:
        try:
            return summarise(Architecture.from_json(self.store.architecture(key)))
        except InvalidArchitecture as error:
            return f"cannot be read here: {error.problem.partition(';')[0]}"

    def to_json(self) -> dict[str, Any]:
        """The study as `nas search --json` prints it: `study`, `epochs`, `trials`, `front`, `baselines`."""
        self._import_homes()
        record = self.record
        objectives = _objectives(record)
        summaries: dict[str, str] = {}

        trained, whole = self.epochs

        def row(trial: TrialRecord) -> dict[str, Any]:
            key = trial.architecture_key
            if key not in summaries:
                summaries[key] = self._summary(key)
            return trial_json(trial, objectives, summaries[key])

        return {
            "study": study_json(record),
            "epochs": {"trained": trained, "without_scheduler": whole},
            "trials": [row(trial) for trial in self.trials],
            "front": [row(trial) for trial in self.front],
            "baselines": [{"name": name, "dominated_by": numbers} for name, numbers in self.baselines().items()],
        }

    def _measured(self) -> tuple[tuple[Objective, ...], list[Measured]]:
        """The objectives, and every complete trial with its values: a trial is complete only with all of them."""
        record = self.record
        objectives = _objectives(record)
        complete = self.store.trials(record.id, state="complete")
        return objectives, [(trial, trial_values(trial, objectives)) for trial in complete]


def _objectives(record: StudyRecord) -> tuple[Objective, ...]:
    return tuple(Objective.parse(text) for text in StudySpec.from_json(record.spec).objectives)


def _best_first(rows: Iterable[Measured], objectives: Sequence[Objective]) -> list[Measured]:
    return sorted(rows, key=lambda row: row[1][0], reverse=objectives[0].maximise)


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
        "worker": trial.worker,
        "started": trial.started_at.isoformat() if trial.started_at else None,
        "finished": trial.finished_at.isoformat() if trial.finished_at else None,
    }
