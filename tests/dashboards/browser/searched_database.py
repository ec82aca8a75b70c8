"""A small database as searches leave it, written through nas.store: what the browser's tests look at."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.recipe import Recipe
from nas.spec import StudySpec
from nas.store import NewTrial, Store, StudyRecord, open_store
from searchspaces import Architecture, Space, find_network, find_space, price
from searchspaces.adapt import fit

HOSTILE = "<script>document.title='owned'</script>"
IMAGE, CLASSES = (3, 32, 32), 10
RECIPE = Recipe(epochs=4)
# study, space, dataset, children, state of each study
STUDIES = (
    ("digits-resnet", "resnet", "digits", 40),
    ("digits-macro", "macro", "digits", 60),
    (HOSTILE, "resnet", "digits", 6),
    ("thousand", "resnet", "folder:/data/imagenet", 5),
    ("flowers/vgg", "vgg", "flowers", 12),
)


def write_database(path: Path) -> None:
    """Write all of STUDIES; the second one is open, with one trial running and one waiting."""
    with open_store(str(path)) as store:
        for index, (name, space, dataset, children) in enumerate(STUDIES):
            chosen = find_space(space, 32)
            record = add_study(store, name, space, dataset, budget=children + 10)
            rng = random.Random(index)
            for baseline in ("resnet18", "mobilenet_v2"):
                network = find_network(baseline)
                fitted = fit(network.architecture, network.image[1], 32)
                train(store, record, draft(fitted, kind="baseline", name=baseline))
            for number in range(children):
                point = chosen.sample(rng)
                ends = {7: "failed", 11: "pruned"}
                train(store, record, draft(chosen.decode(point), point=point.to_json()), ends.get(number, "complete"))
            for step in range(children):
                store.add_curve(record.id, step, {"entropy": 3 / (1 + step), "reward": 1 - 1 / (1 + step)})
            if name == "digits-macro":
                add_child(store, record, chosen, rng, epochs=2)
                add_child(store, record, chosen, rng)
            else:
                store.finish_study(record.id)


def add_study(store: Store, name: str, space: str, dataset: str, budget: int) -> StudyRecord:
    """A study that asked for children of a space on a dataset."""
    spec = StudySpec(
        space=space, evaluator="training", image=IMAGE, classes=1000 if "imagenet" in dataset else CLASSES,
        controller="random",
        objectives=("accuracy", "flops"), constraints=(), recipe=RECIPE.to_json(), seed=0, budget=budget,
        dataset={"name": dataset}, baselines=("resnet18", "mobilenet_v2"),
    )  # fmt: skip
    return store.create_study(name, spec.to_json())


def add_child(store: Store, record: StudyRecord, space: Space, rng: random.Random, epochs: int | None = None) -> int:
    """A child that waits, or with `epochs` one that runs and has trained so many; its id."""
    point = space.sample(rng)
    trial = store.add_trial(record.id, draft(space.decode(point), point=point.to_json()))
    if epochs is not None:
        store.start(trial.id, "worker-1")
        for epoch in range(1, epochs + 1):
            store.record_epoch(trial.id, epoch, metrics(trial.flops or 1, epoch, trial.number))
    return trial.id


def draft(architecture: Architecture, **changes: Any) -> NewTrial:
    """The row of an architecture to be trained, with its exact price."""
    graph = architecture.draw(IMAGE, CLASSES)
    cost = price(graph)
    new = NewTrial(
        architecture_key=architecture.key, architecture=architecture.to_json(), graph_key=graph.key,
        evaluator_key="made-up", recipe_key=RECIPE.key, recipe=RECIPE.to_json(), seed=0,
        params=cost.params, flops=cost.flops, activations=cost.activations, memory=cost.memory,
    )  # fmt: skip
    return replace(new, **changes)


def train(store: Store, record: StudyRecord, new: NewTrial, end: str = "complete") -> int:
    """Take a trial to its end; its number."""
    trial = store.add_trial(record.id, new)
    store.start(trial.id, "worker-0")
    for epoch in range(1, RECIPE.epochs + 1):
        store.record_epoch(trial.id, epoch, metrics(new.flops or 1, epoch, trial.number))
    store.end(trial.id, end, reason="the loss became NaN" if end == "failed" else None)  # type: ignore[arg-type]
    return trial.number


def metrics(flops: int, epoch: int, number: int) -> dict[str, float]:
    """Made-up figures: dearer networks are better, with a scatter that the trial's number fixes."""
    scatter = math.sin(12.9898 * (number + 1)) * 0.03
    accuracy = min(0.995, 0.35 + 0.055 * math.log10(flops) + scatter) * (1 - 0.4 / (1 + epoch))
    return {"epoch": epoch, "train_loss": 2 / epoch, "val_loss": 2.2 / epoch, "val_accuracy": accuracy, "seconds": 0.5}
