"""What a search has cost: children, epochs, hours of cores and GPUs, and the arithmetic of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nas.evaluators import Evaluator, TrainingEvaluator
from nas.executors.resources import Share
from nas.recipe import Recipe
from nas.store import Store, StudyRecord, queries

HOUR = 3600
PASSES = 3  # of a training step, in forward passes: the backward pass takes two (Kaplan et al. 2020, section 2.1)


@dataclass(frozen=True)
class Spending:
    """What the trials that a study trained cost, up to now; those answered from the store cost nothing.

    `epochs_saved`: of children that a scheduler stopped. `seconds`: in which children trained, added up. An hour in
    which a child holds two cores, or half a GPU, is two CPU-hours, or half a GPU-hour. `training_flops`: multiply-adds
    of training and validation, None where nothing is trained here. Tries that were lost are not counted.
    """

    children: int = 0
    baselines: int = 0
    epochs: int = 0
    epochs_saved: int = 0
    seconds: float = 0.0
    cpu_hours: float = 0.0
    gpu_hours: float = 0.0
    training_flops: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> Spending:
        """What `to_json` wrote; nothing spent for None."""
        return cls(**(document or {}))


def spent(store: Store, study: StudyRecord, evaluator: Evaluator, recipe: Recipe, share: Share) -> Spending:
    """What the study cost up to now, if all that was trained since the last time held this share of a machine."""
    before = Spending.from_json(study.spent)
    children = baselines = epochs = saved = 0
    arithmetic = 0.0
    totals, seconds = queries.totals(store, study.id)
    for total in totals:
        count = total.trials
        children += count * (total.kind == "child")
        baselines += count * (total.kind == "baseline")
        epochs += count * total.epochs
        saved += count * (recipe.epochs - total.epochs) * (total.state == "pruned")
        arithmetic += total.flops * _images(evaluator, recipe, total.epochs)
    hours = max(seconds - before.seconds, 0.0) / HOUR
    return Spending(
        children,
        baselines,
        epochs,
        saved,
        seconds,
        before.cpu_hours + hours * share.cpus,
        before.gpu_hours + hours * (share.gpus or 0),
        round(arithmetic) if isinstance(evaluator, TrainingEvaluator) else None,
    )


def _images(evaluator: Evaluator, recipe: Recipe, epochs: int) -> float:
    """Forward passes of one image that so many epochs of a child amount to."""
    if not isinstance(evaluator, TrainingEvaluator):
        return 0.0
    from nas.training.growth import work_of

    data = evaluator.data
    return PASSES * len(data.train) * work_of(recipe, epochs) + len(data.validation) * epochs
