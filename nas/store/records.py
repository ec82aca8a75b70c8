"""What goes into the store and comes out of it: frozen records, and the order of a trial's states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from nas.errors import StoreError

Json: TypeAlias = Mapping[str, Any]
Metrics: TypeAlias = Mapping[str, float | None]
State = Literal["waiting", "running", "complete", "pruned", "failed", "infeasible"]
End = Literal["complete", "pruned", "failed", "infeasible"]
Kind = Literal["child", "baseline"]
LatencyKind = Literal["network", "block"]

STATES: tuple[State, ...] = get_args(State)
KINDS: tuple[Kind, ...] = get_args(Kind)
LATENCY_KINDS: tuple[LatencyKind, ...] = get_args(LatencyKind)

# end state -> the states that a trial may end from. Whatever is not here is an end for good.
ENDS: Mapping[End, tuple[State, ...]] = {
    "complete": ("running",),
    "pruned": ("running",),
    "failed": ("waiting", "running"),
    "infeasible": ("waiting",),
}


def finite(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Metrics as the store keeps them: NaN and infinities become None, because JSON has no such numbers.

    Numbers of other libraries (numpy scalars) become plain ones. Raises StoreError for what is no number.
    """
    kept: dict[str, float | None] = {}
    for name, value in metrics.items():
        if value is None or type(value) is int:
            kept[name] = value
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise StoreError(f"metric {name!r} is {value!r}; metrics must be numbers") from None
        kept[name] = number if math.isfinite(number) else None
    return kept


@dataclass(frozen=True)
class StudyRecord:
    """One study with its tallies; accuracies are of complete trials, None where there is none."""

    id: int
    name: str
    created_at: datetime
    finished_at: datetime | None
    spec: Json
    counts: Mapping[State, int]  # every state is a key, of children and baselines together
    reused: int  # trials answered from a known result
    best_accuracy: float | None  # of the children
    baseline_accuracy: float | None  # of the best baseline
    spent: Json | None = None  # what the search has cost so far, as `Store.spend` was told

    @property
    def finished(self) -> bool:
        """Whether the search was declared finished."""
        return self.finished_at is not None

    @property
    def trials(self) -> int:
        """How many trials the study has, in any state."""
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class NewTrial:
    """A trial to add. It begins `waiting`, or ends at once: `infeasible`, or `complete` with `reused_from`.

    Only a trial whose architecture cannot be drawn may lack `graph_key` and the four costs.
    `asked` and `told` are positions in the study's single sequence of controller events.
    """

    architecture_key: str
    architecture: Json
    graph_key: str | None
    evaluator_key: str
    recipe_key: str
    recipe: Json
    seed: int
    params: int | None = None
    flops: int | None = None  # multiply-adds
    activations: int | None = None  # elements
    memory: int | None = None  # bytes
    kind: Kind = "child"
    name: str | None = None  # the network's name, of a baseline
    point: Json | None = None
    state: State = "waiting"
    reason: str | None = None
    asked: int | None = None
    told: int | None = None
    reused_from: int | None = None  # id of the complete trial that answers this one


@dataclass(frozen=True)
class TrialRecord:
    """One trial. The fields are the columns of `nas_trials`, in their order."""

    id: int
    study_id: int
    number: int
    kind: Kind
    name: str | None
    state: State
    reason: str | None
    architecture_key: str
    graph_key: str | None
    point: Json | None
    evaluator_key: str
    recipe_key: str
    seed: int
    params: int | None
    flops: int | None
    activations: int | None
    memory: int | None
    metrics: Metrics | None  # of the last epoch; None before the first
    val_accuracy: float | None
    epochs: int  # the last epoch recorded; 0 before the first
    asked: int | None
    told: int | None
    reused_from: int | None
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failures: int = 0  # runs that broke and were tried again
    traceback: str | None = None  # the end of the last one

    @property
    def cost(self) -> dict[str, int]:
        """The exact quantities by name: params, flops, activations, memory; empty if it was never drawn."""
        named = {
            "params": self.params,
            "flops": self.flops,
            "activations": self.activations,
            "memory": self.memory,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def ended(self) -> bool:
        """Whether the trial has its final state."""
        return self.state in ENDS


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch (1-based) of a trial measured."""

    epoch: int
    metrics: Metrics
    val_accuracy: float | None
    seconds: float | None


@dataclass(frozen=True)
class CurveRecord:
    """The controller's own numbers after the event at position `step` was told."""

    step: int
    values: Metrics


@dataclass(frozen=True)
class LatencyRecord:
    """One measured latency: the quartiles of `runs` timings in seconds, and the conditions that they hold for."""

    machine: str  # the model of the CPU or GPU and what else tells machines apart, in free words
    device: str
    threads: int
    batch: int
    precision: str
    kind: LatencyKind
    key: str  # a graph key of a network, a fragment key of a block
    median: float
    low: float  # the lower quartile
    high: float  # the upper quartile
    runs: int
    measured_at: datetime
