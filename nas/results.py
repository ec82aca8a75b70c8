"""`Study`: what a search found, read from the store: trials, front, baselines, and who dominates whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas import pareto
from nas.errors import NasError, StudyError
from nas.objectives import Objective
from nas.spec import StudySpec
from nas.store import Store, StudyRecord, TrialRecord
from searchspaces import Architecture
from searchspaces.summary import summarise


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
        return tuple(Objective.parse(text) for text in self.spec.objectives)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, baselines too, in the order in which they were added."""
        return self.store.trials(self.record.id)

    @property
    def front(self) -> list[TrialRecord]:
        """The complete trials, children and baselines, that no other dominates, the best first objective first."""
        trials, values = self._measured()
        kept = pareto.front(values, [objective.maximise for objective in self.objectives])
        first = self.objectives[0]
        return sorted(
            (trials[index] for index in kept),
            key=lambda trial: self.values(trial)[0] * (-1 if first.maximise else 1),
        )

    @property
    def best(self) -> TrialRecord | None:
        """The complete child with the best first objective; None before there is one."""
        first = self.objectives[0]
        children = [trial for trial in self._measured()[0] if trial.kind == "child"]
        if not children:
            return None
        return (max if first.maximise else min)(children, key=lambda trial: self.values(trial)[0])

    def values(self, trial: TrialRecord) -> list[float]:
        """The objective values of a complete trial in natural units. Raises `NasError` for a missing metric."""
        return values_of(trial, self.objectives)

    def baselines(self) -> dict[str, list[int]]:
        """For each complete baseline, the numbers of the children that dominate it (empty: none does)."""
        trials, values = self._measured()
        maximise = [objective.maximise for objective in self.objectives]
        rows = list(zip(trials, values, strict=True))
        return {
            str(trial.name): [
                other.number
                for other, theirs in rows
                if other.kind == "child" and pareto.dominates(theirs, own, maximise)
            ]
            for trial, own in rows
            if trial.kind == "baseline"
        }

    def architecture(self, number: int) -> Architecture:
        """The architecture of trial `number`. Raises `StoreError` when there is no such trial."""
        return Architecture.from_json(self.store.architecture(self.store.trial(self.name, number).architecture_key))

    def to_json(self) -> dict[str, Any]:
        """The study as `nas search --json` prints it: `study`, `trials`, `front`, `baselines`."""
        record, objectives = self.record, self.objectives
        summaries: dict[str, str] = {}

        def row(trial: TrialRecord) -> dict[str, Any]:
            key = trial.architecture_key
            if key not in summaries:
                summaries[key] = summarise(Architecture.from_json(self.store.architecture(key)))
            return trial_json(trial, objectives, summaries[key])

        return {
            "study": study_json(record),
            "trials": [row(trial) for trial in self.trials],
            "front": [row(trial) for trial in self.front],
            "baselines": [{"name": name, "dominated_by": numbers} for name, numbers in self.baselines().items()],
        }

    def _measured(self) -> tuple[list[TrialRecord], list[list[float]]]:
        pairs = []
        for trial in self.store.trials(self.record.id, state="complete"):
            try:
                pairs.append((trial, self.values(trial)))
            except NasError:  # a baseline answered by a study that had other metrics
                continue
        return [trial for trial, _ in pairs], [values for _, values in pairs]


def values_of(trial: TrialRecord, objectives: Sequence[Objective]) -> list[float]:
    """The objective values of a complete trial. Raises `NasError` for a metric that it lacks."""
    if trial.state != "complete":
        raise StudyError(f"trial {trial.number} is {trial.state}; only a complete trial has objective values")
    metrics: Mapping[str, float] = {k: v for k, v in (trial.metrics or {}).items() if v is not None}
    return [objective.value(metrics, trial.cost) for objective in objectives]


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
    values = dict(zip([o.name for o in objectives], values_of(trial, objectives), strict=True)) if complete else None
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
