"""One training from scratch to its end: resumed where it stopped, saved after every epoch, tested once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.checkpoint import Checkpoint, read_checkpoint
from nas.data import Dataset
from nas.data.spec import DataSpec
from nas.recipe import Recipe
from nas.retraining.folder import RESULT, write_json
from nas.retraining.images import all_images
from nas.retraining.state_file import STATE, History, go_on, keep
from nas.retraining.tasks import Job
from nas.training.team import ALONE, Team
from searchspaces import Architecture

if TYPE_CHECKING:
    import torch

    from nas.training.train import Training

LAST, BEST = "last.safetensors", "best.safetensors"
Report = Callable[[Mapping[str, float]], None]


def run(job: Job, device: torch.device, *, data: Dataset | None = None, team: Team = ALONE, report: Report) -> None:
    """Train a job to its end; `report` is told every epoch's metrics. The result is in its folder.

    The first of a team writes. Raises `TrainingError`, `CheckpointError` where files cannot be written or read.
    """
    from nas.build import build
    from nas.training.train import Training

    data = data or all_images(DataSpec.from_json(job.data))
    recipe, folder = Recipe.from_json(job.recipe), Path(job.folder)
    architecture = Architecture.from_json(job.architecture)
    graph = architecture.draw(data.image, len(data.classes), auxiliary=recipe.auxiliary > 0)
    training = Training.begin(build(graph, job.seed), data, recipe, seed=job.seed, device=device, team=team)
    history = go_on(training, folder)
    for metrics in training.epochs():
        if team.first:
            history.append(metrics)
            if _is_best(history):
                _checkpoint(job, data, training, metrics).write(folder / BEST)
            keep(training, folder, history)
            report(metrics)
    if team.first:
        _finish(job, data, training, history, folder)
    team.gather()  # whoever left now would take the connections along


def _is_best(history: History) -> bool:
    """Whether the last epoch is the first with the highest validation accuracy."""
    found = [epoch["val_accuracy"] for epoch in history if "val_accuracy" in epoch]
    return bool(found) and found[-1] > max(found[:-1], default=-1.0)


def _checkpoint(job: Job, data: Dataset, training: Training, results: Mapping[str, float]) -> Checkpoint:
    kept = {name: value for name, value in results.items() if name != "seconds" and math.isfinite(value)}
    if job.search_accuracy is not None:
        kept["search_val_accuracy"] = job.search_accuracy
    return Checkpoint(
        architecture=Architecture.from_json(job.architecture),
        image=data.image,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        recipe=training.recipe,
        seed=job.seed,
        dataset={name: value for name, value in job.data.items() if name != "root"},
        data_key=data.key,
        source=job.source,
        weights=_weights(training.module, Architecture.from_json(job.architecture), data),
        results=kept,
    )


def _weights(module: torch.nn.Module, architecture: Architecture, data: Dataset) -> dict[str, torch.Tensor]:
    """The weights of the network as it is used: auxiliary classifiers exist in training only."""
    from nas.build import skeleton

    used = skeleton(architecture.draw(data.image, len(data.classes))).state_dict()
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items() if name in used}


def _finish(job: Job, data: Dataset, training: Training, history: History, folder: Path) -> None:
    """Measure on the test split, which is read here and nowhere else, and write the result."""
    from nas.training.train import measure

    files = {LAST: _checkpoint(job, data, training, history[-1])}
    if (folder / BEST).exists():
        files[BEST] = read_checkpoint(folder / BEST)
    test = data.test() if data.has_test else None
    tested: dict[str, dict[str, float]] = {}
    for name, checkpoint in files.items():
        results = dict(checkpoint.results)
        if test is not None:
            device = training.placed.device
            found = measure(checkpoint.module(), test, training.placed, training.recipe, device=device)
            right = round(found["accuracy"] * len(test))  # of float32, which is no fraction of the images
            figures = {"test_accuracy": right / len(test), "test_loss": found["loss"], "test_images": len(test)}
            results |= {name: value for name, value in figures.items() if math.isfinite(value)}
        tested[name] = results
        replace(checkpoint, results=results).write(folder / name)
    chosen = BEST if BEST in files else LAST
    write_json(folder / RESULT, _result(job, chosen, tested, history))
    (folder / STATE).unlink(missing_ok=True)


def _result(job: Job, chosen: str, tested: Mapping[str, dict[str, float]], history: History) -> dict[str, Any]:
    return {
        "seed": job.seed,
        "source": job.source,
        "epochs": len(history),
        "train_loss": history[-1]["train_loss"],
        "seconds": sum(epoch["seconds"] for epoch in history),
        "checkpoint": chosen,
        **{name: value for name, value in tested[chosen].items() if name.startswith(("test_", "val_"))},
        "files": {name: results.get("test_accuracy") for name, results in tested.items()},
    }
