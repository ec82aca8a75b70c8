"""Studies as a search leaves them, with results made up on the spot: no training, real architectures and points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nas.spec import StudySpec
from nas.store import NewTrial, Store, StudyRecord
from searchspaces import Architecture, Space, find_space, price

IMAGE, CLASSES = (1, 8, 8), 10


@lru_cache
def small_space(name: str = "resnext") -> Space:
    """A space on images of digits."""
    return find_space(name, IMAGE[1])


def spec(**changes: Any) -> dict[str, Any]:
    """What a study was asked to do."""
    values: dict[str, Any] = {
        "space": "resnext",
        "evaluator": "training",
        "image": IMAGE,
        "classes": CLASSES,
        "controller": "random",
        "objectives": ("accuracy", "flops"),
        "constraints": (),
        "recipe": {"epochs": 3},
        "seed": 0,
        "budget": 20,
        "dataset": {"name": "digits"},
    }
    return StudySpec(**{**values, **changes}).to_json()


def new_trial(architecture: Architecture, point: Any = None, **changes: Any) -> NewTrial:
    """A child or baseline that waits."""
    graph = architecture.draw(IMAGE, CLASSES)
    values: dict[str, Any] = {
        "architecture_key": architecture.key,
        "architecture": architecture.to_json(),
        "graph_key": graph.key,
        "evaluator_key": "made-up",
        "recipe_key": "short",
        "recipe": {"epochs": 3, "lr": 0.1},
        "seed": 0,
        "point": point,
        **price(graph).to_json(),
    }
    return NewTrial(**{**values, **changes})


def train(store: Store, study: StudyRecord, new: NewTrial, accuracy: float, **metrics: float) -> int:
    """Take a trial to its end; its number."""
    trial = store.add_trial(study.id, new)
    store.start(trial.id, "worker-1")
    for epoch in (1, 2, 3):
        numbers = {"epoch": epoch, "val_accuracy": accuracy * epoch / 3, "train_loss": 1 / epoch, **metrics}
        store.record_epoch(trial.id, epoch, numbers)
    store.end(trial.id, "complete")
    return trial.number


def children(store: Store, study: StudyRecord, count: int, seed: int = 0, latency: bool = False) -> list[float]:
    """So many complete children at random points; their accuracies."""
    rng, space = random.Random(seed), small_space()
    accuracies = []
    for _ in range(count):
        point = space.sample(rng)
        accuracies.append(rng.uniform(0.5, 0.99))
        extra = {"latency": rng.uniform(1, 9)} if latency else {}
        train(store, study, new_trial(space.decode(point), point.to_json()), accuracies[-1], **extra)
    return accuracies


def baselines(store: Store, study: StudyRecord, names: Sequence[str], accuracy: float) -> None:
    """Hand-designed networks of the space, each with this accuracy."""
    for name in names:
        train(store, study, new_trial(small_space().networks[name], kind="baseline", name=name), accuracy)
