"""A training is taken down after any epoch and set up again, and goes on bit by bit as if nothing had been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas.training.forward
from nas.build import build
from nas.data import Dataset, DataSpec, load
from nas.errors import CheckpointError
from nas.recipe import Recipe
from nas.retraining.state_file import read_state, write_state
from nas.training.state import restore, state_of
from nas.training.train import Training, train
from searchspaces.resnet import cifar_resnet

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=32, lr=0.05, precision="float32")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load(DataSpec("digits", fraction=0.15))


class Dropping(nn.Module):
    """A built network behind a dropout, which reads the global generator."""

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.network = build(cifar_resnet(8).draw((width, 8, 8), 10), seed=1)
        self.drop = nn.Dropout(0.1)

    def forward(self, images: torch.Tensor) -> Any:
        return self.network(self.drop(images))


def bits(module: nn.Module) -> list[bytes]:
    return [value.detach().contiguous().numpy().tobytes() for value in module.state_dict().values()]


def told(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "lr": 0.003, "momentum": 0.9},
        {"momentum": 0.0, "channels_last": False},
        {"ema": 0.95, "clip": 1.0, "mixup": 0.3, "crop": 1, "flip": True},
    ],
)
def test_it_goes_on_bit_by_bit(data: Dataset, tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **changes)
    whole = Dropping()
    expected = told(list(train(whole, data, recipe, seed=7, device=CPU)))
    for stop in (1, 2, 3):
        begun = Training.begin(Dropping(), data, recipe, seed=7, device=CPU)
        epochs = begun.epochs()
        history = [next(epochs) for _ in range(stop)]
        write_state(tmp_path / "state.safetensors", state_of(begun), history)
        list(epochs)  # what was written must not change with the training that goes on
        saved = read_state(tmp_path / "state.safetensors")
        assert saved is not None
        assert saved.history == history
        module = Dropping()
        for parameter in module.parameters():
            parameter.data.fill_(9.0)  # nothing of the new network may matter
        again = Training.begin(module, data, recipe, seed=99, device=CPU)
        restore(again, saved.state)
        assert told([*saved.history, *again.epochs()]) == expected
        assert bits(module) == bits(whole)


def test_scaled_gradients_and_micro_batches_go_on_too(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.training.forward, "narrow_type", lambda recipe, device: torch.float16)
    recipe = replace(RECIPE, epochs=2)
    begun = Training.begin(Dropping(), data, recipe, seed=7, device=CPU)
    begun.pieces, begun.eval_size = 2, 512
    next(begun.epochs())
    begun.scaler.update(1024.0)
    again = Training.begin(Dropping(), data, recipe, seed=0, device=CPU)
    restore(again, state_of(begun))
    assert (again.done, again.pieces, again.eval_size, again.scaler.get_scale()) == (1, 2, 512, 1024.0)
    assert told(list(again.epochs())) == told(list(begun.epochs()))


def test_the_state_of_another_training_is_refused(data: Dataset, tmp_path: Path) -> None:
    begun = Training.begin(Dropping(), data, RECIPE, seed=7, device=CPU)
    next(begun.epochs())
    state = state_of(begun)
    other = build(cifar_resnet(14).draw((1, 8, 8), 10), seed=1)
    for module, recipe in ((other, RECIPE), (Dropping(), replace(RECIPE, ema=0.9))):
        with pytest.raises(CheckpointError, match="state of another training"):
            restore(Training.begin(module, data, recipe, seed=7, device=CPU), state)
    path = tmp_path / "state.safetensors"
    assert read_state(path) is None
    write_state(path, state, [])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"state\.safetensors: not a state to resume from .*; remove it"):
        read_state(path)
