"""The first epochs on fewer or smaller images: what is trained on, what it costs, and what may not be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.build import build
from nas.data import Dataset, DataSpec, Split
from nas.errors import TrainingError
from nas.evaluators import TrainingEvaluator
from nas.recipe import Recipe
from nas.training.growth import share_at, shrunk, size_at, steps_of, work_of
from nas.training.train import train
from searchspaces import NETWORKS
from searchspaces.resnet import cifar_resnet

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=8, lr=0.05, precision="float32")


def noise(images: int = 64, side: int = 12) -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(images) % 3
    pixels = rng.integers(0, 256, (images, 1, side, side), dtype=np.uint8)
    split = Split(pixels, labels)
    return Dataset(
        "noise", "noise", (1, side, side), ("a", "b", "c"), split, Split(pixels[:8], labels[:8]), (0.5,), (0.3,)
    )


class Seen(nn.Module):
    """Remembers the shapes that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.measured: list[tuple[int, ...]] = []
        self.layer = nn.Linear(1, 3)

    def forward(self, images: Tensor) -> Tensor:
        (self.shapes if self.training else self.measured).append(tuple(images.shape))
        scores: Tensor = self.layer(images.mean((1, 2, 3))[:, None])
        return scores


def test_the_share_rises_linearly_to_the_whole() -> None:
    assert [share_at(0.25, epoch, 4) for epoch in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]
    assert share_at(0.25, 1, 1) == 1  # one epoch alone is the last
    assert steps_of(replace(RECIPE, first_images=0.5), 8) == [4, 6, 8]
    assert steps_of(replace(RECIPE, first_images=0.001), 8)[0] == 1
    assert [size_at(replace(RECIPE, first_side=0.5), epoch, 12, 20) for epoch in (1, 2, 3)] == [
        (6, 10),
        (9, 15),
        (12, 20),
    ]


def test_a_child_sees_fewer_images_first_and_all_of_them_last() -> None:
    module = Seen()
    list(train(module, noise(), replace(RECIPE, first_images=0.5), seed=0, device=CPU))
    assert [shape[0] for shape in module.shapes] == [8] * (4 + 6 + 8)


def test_a_child_sees_smaller_images_first_and_is_measured_on_whole_ones() -> None:
    module = Seen()
    list(train(module, noise(), replace(RECIPE, first_side=0.5), seed=0, device=CPU))
    assert [shape[2] for shape in module.shapes] == [6] * 8 + [9] * 8 + [12] * 8
    assert {shape[2:] for shape in module.measured} == {(12, 12)}


def test_the_learning_rate_runs_through_its_whole_schedule_over_the_steps_that_are_made() -> None:
    rates: list[float] = []
    recipe = replace(RECIPE, first_images=0.5, warmup=0.0, schedule="onecycle")

    class Asked(Recipe):
        def lr_at(self, step: int, steps: int) -> float:
            rates.append(super().lr_at(step, steps))
            assert steps == 18
            return rates[-1]

    list(train(Seen(), noise(), Asked(**recipe.to_json()), seed=0, device=CPU))
    wanted = [recipe.lr_at(step, 18) for step in range(18)]
    assert rates[::2] == rates[1::2] == wanted  # of weights, and of vectors


def test_the_work_of_the_first_epochs() -> None:
    assert work_of(RECIPE, 2) == 2
    assert work_of(replace(RECIPE, first_images=0.5), 1) == 0.5
    assert work_of(replace(RECIPE, first_side=0.5), 1) == 0.25
    assert work_of(replace(RECIPE, first_images=0.5, first_side=0.5), 3) == pytest.approx(0.125 + 0.75**3 + 1)


def test_shrinking_keeps_what_is_even_and_returns_whole_images_untouched() -> None:
    images = torch.full((2, 1, 12, 12), 0.3)
    assert shrunk(images, (12, 12)) is images
    assert torch.allclose(shrunk(images, (6, 6)), torch.full((2, 1, 6, 6), 0.3))


def test_the_same_seed_gives_the_same_numbers_with_both() -> None:
    recipe = replace(RECIPE, first_images=0.4, first_side=0.6)

    def curve() -> list[float]:
        module = build(cifar_resnet(8).draw((1, 12, 12), 3), seed=0)
        return [metrics["train_loss"] for metrics in train(module, noise(), recipe, seed=1, device=CPU)]

    assert curve() == curve()


def test_a_network_whose_weights_fit_one_size_only_says_so() -> None:
    recipe = Recipe(epochs=2, first_side=0.5)
    evaluator = TrainingEvaluator(DataSpec("digits", image_size=32))
    with pytest.raises(TrainingError, match="fully connected layers of this network fit images of 32×32"):
        next(evaluator.run(NETWORKS["lenet5"].at(32), recipe, 0))


def test_a_compiled_child_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compile, modes = torch.compile, []

    def traced(module: nn.Module, *, mode: str) -> object:
        modes.append(mode)
        return compile(module, backend="eager")  # the default backend writes C++ for half a minute

    monkeypatch.setattr(torch, "compile", traced)

    def losses(mode: str) -> list[float]:
        module = build(NETWORKS["lenet5"].at(12).draw((1, 12, 12), 3), seed=0)
        recipe = Recipe.from_json({**RECIPE.to_json(), "epochs": 1, "compile": mode})
        return [metrics["train_loss"] for metrics in train(module, noise(), recipe, seed=1, device=CPU)]

    assert losses("reduce-overhead") == pytest.approx(losses("off"), rel=1e-6)
    assert modes == ["reduce-overhead"]
