"""One network trained and measured after every epoch, on images it trains on and on images held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.data import Dataset, Split
from nas.recipe import Recipe
from nas.retraining.folder import RESULT, read_result, write_json
from nas.retraining.state_file import STATE, go_on, keep
from searchspaces import Architecture

if TYPE_CHECKING:
    import torch

Report = Callable[[Mapping[str, float]], None]


def sample_of(data: Dataset, images: int) -> Split:
    """So many training images, or all if there are no more, spread evenly over them; the same for every network."""
    count = len(data.train)
    places = np.linspace(0, count, min(images, count), endpoint=False).astype(np.int64)
    return Split(data.train.images[places], data.train.labels[places])


def follow(
    architecture: Architecture,
    data: Dataset,
    recipe: Recipe,
    measured: Split,
    *,
    seed: int,
    device: torch.device,
    folder: Path,
    report: Report,
) -> dict[str, Any]:
    """Train to the end, from where an earlier run in `folder` stopped; `report` is told the metrics of new epochs.

    Those are the metrics of `nas.training.train.train` and `train_error`: the error rate (fraction) on `measured` in
    evaluation mode, without augmentation; `val_error` likewise on the images held out. The result has `seed` and
    `epochs`, a list of the metrics. Raises `TrainingError`, `CheckpointError`, `RetrainingError`.
    """
    from nas.build import build
    from nas.training.train import Training, measure

    result = read_result(folder)
    if result is not None:
        return result
    graph = architecture.draw(data.image, len(data.classes), auxiliary=recipe.auxiliary > 0)
    training = Training.begin(build(graph, seed), data, recipe, seed=seed, device=device)
    history = go_on(training, folder)
    for metrics in training.epochs():
        found = measure(training.module, measured, training.placed, recipe, device=device)
        metrics |= {"train_error": 1 - found["accuracy"], "val_error": 1 - metrics["val_accuracy"]}
        history.append(metrics)
        keep(training, folder, history)
        report(metrics)
    result = {"seed": seed, "epochs": history}
    write_json(folder / RESULT, result)
    (folder / STATE).unlink(missing_ok=True)
    return result
