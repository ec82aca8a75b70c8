"""A training between two epochs as a `State`: taken down, and set up again bit by bit as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.errors import CheckpointError
from nas.training.optimizers import optimizer_tensors, restore_optimizer
from nas.training.train import Training

COUNTS = ("done", "pieces", "eval_size")


@dataclass(frozen=True, eq=False)
class State:
    """Everything that the epochs to come depend on: tensors by name, and JSON values."""

    tensors: Mapping[str, Tensor]
    document: Mapping[str, Any]


def state_of(training: Training) -> State:
    """What stands after the last epoch; the tensors are the training's own, to be written before the next."""
    tensors = {f"module.{name}": value.detach() for name, value in training.module.state_dict().items()}
    tensors |= optimizer_tensors(training.optimizer) | {"generator": training.rng.get_state()}
    document: dict[str, Any] = {name: getattr(training, name) for name in COUNTS}
    document["scaler"] = training.scaler.state_dict()
    if training.average is not None:
        tensors |= {f"average.{index}": value for index, value in enumerate(training.average.mean)}
        document["average"] = {"updates": training.average.updates, "swapped": training.average.swapped}
    return State(tensors, document)


def restore(training: Training, state: State) -> None:
    """Let a new training go on as that of which `state` was taken: bit by bit the same on the same device.

    Raises `CheckpointError` for the state of another training; the new one is then of no use.
    """
    tensors, document = state.tensors, state.document
    average = training.average
    try:
        with torch.no_grad():
            for name, own in training.module.state_dict().items():
                _take(own, tensors[f"module.{name}"])
            for index, mean in enumerate(average.mean if average else ()):
                _take(mean, tensors[f"average.{index}"])
        restore_optimizer(training.optimizer, tensors)
        training.rng.set_state(tensors["generator"])
        training.scaler.load_state_dict(document["scaler"])
        if average is not None:
            average.updates, average.swapped = int(document["average"]["updates"]), bool(document["average"]["swapped"])
        for name in COUNTS:
            setattr(training, name, int(document[name]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the state of another training ({error})") from None


def _take(own: Tensor, value: Tensor) -> None:
    if own.shape != value.shape or own.dtype != value.dtype:
        raise ValueError(f"{tuple(value.shape)} {value.dtype} where {tuple(own.shape)} {own.dtype} is wanted")
    own.copy_(value)
