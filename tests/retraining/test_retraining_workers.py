"""Two processes train one network as one process does: the same batches, the same gradients, the same losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray")

from nas.checkpoint import read_checkpoint
from nas.retraining.retrain import Silent, retrain
from nas.retraining.tasks import Order

pytestmark = pytest.mark.usefixtures("one_thread")

MakeOrder = Callable[..., Order]


def curve(order: Order) -> list[dict[str, float]]:
    path = order.output / order.tasks[0].name / "seed0" / "epochs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


class Epochs(Silent):
    def __init__(self) -> None:
        self.told: list[dict[str, float]] = []

    def epoch(self, metrics: object) -> None:
        self.told.append(dict(metrics))  # type: ignore[call-overload]


@pytest.mark.timeout(300)  # Ray takes its time to start where many processes run
def test_two_workers_come_to_the_losses_of_one(order: MakeOrder, tmp_path: Path) -> None:
    """LeNet has neither batch normalisation nor dropout. A batch of 63 images makes uneven shares: 31 and 32.

    The images are moved, the gradients clipped and the weights averaged: all of it for the whole batch.
    """
    recipe = {"epochs": 3, "batch_size": 63, "crop": 1, "flip": True, "ema": 0.9, "clip": 0.5}
    one = order("lenet5", recipe=recipe, validation=0.3, output=tmp_path / "one")
    (alone,) = retrain(one)
    two = order("lenet5", recipe=recipe, validation=0.3, output=tmp_path / "two", workers=2)
    listener = Epochs()
    (together,) = retrain(two, listener)
    for ours, theirs in zip(curve(one), curve(two), strict=True):
        assert theirs["train_loss"] == pytest.approx(ours["train_loss"], rel=1e-5)
        assert theirs["val_loss"] == pytest.approx(ours["val_loss"], rel=1e-5)
        assert theirs["val_accuracy"] == ours["val_accuracy"]
    assert [epoch["epoch"] for epoch in listener.told] == [1, 2, 3]
    assert listener.told[-1]["train_loss"] == curve(two)[-1]["train_loss"]
    assert together.test == alone.test
    kept = [read_checkpoint(each.output / "lenet5-digits/seed0/last.safetensors").weights for each in (one, two)]
    for name, weight in kept[0].items():
        assert kept[1][name].flatten().tolist() == pytest.approx(weight.flatten().tolist(), abs=1e-5)
