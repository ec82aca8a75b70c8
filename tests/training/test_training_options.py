"""Averaged weights, the loss of mixed images, and a second try where memory runs out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas.training.forward
import nas.training.train
from nas.data import Dataset, Split
from nas.errors import TrainingError
from nas.recipe import Recipe
from nas.training.augmentation import Batch
from nas.training.averaging import Average
from nas.training.out_of_memory import twice
from nas.training.train import measure, train

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=16, lr=0.1, precision="float32", warmup=0.0)


pytestmark = pytest.mark.usefixtures("one_thread")


def noise(train: int = 64, validation: int = 40) -> Dataset:
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = rng.integers(0, 3, count)
        images = rng.integers(0, 120, (count, 2, 6, 6)) + 60 * labels[:, None, None, None]
        return Split(images.astype(np.uint8), labels.astype(np.int64))

    return Dataset(
        "noise", "noise", (2, 6, 6), ("a", "b", "c"), split(train), split(validation), (0.4,) * 2, (0.2,) * 2
    )


DATA = noise()


class Plain(nn.Module):
    """Without normalisation, so that a batch in parts has the gradient of the whole; out of memory above `most`."""

    def __init__(self, most: int = 10**6, error: Exception | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(2, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(128, 3))
        self.most, self.error = most, error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")
        self.sizes: list[int] = []
        self.measured: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        (self.sizes if self.training else self.measured).append(len(images))
        if len(images) > self.most:
            raise self.error
        result: Tensor = self.body(images)
        return result


def run(module: nn.Module, recipe: Recipe = RECIPE, data: Dataset = DATA) -> list[dict[str, float]]:
    epochs = train(module, data, recipe, seed=0, device=CPU)
    return [{name: value for name, value in metrics.items() if name != "seconds"} for metrics in epochs]


# Out of memory


@pytest.mark.parametrize("options", [{}, {"mixup": 0.5, "label_smoothing": 0.1}, {"optimizer": "adamw", "clip": 0.5}])
def test_a_batch_too_large_is_trained_in_two_halves_with_the_same_update(options: dict[str, object]) -> None:
    recipe = replace(RECIPE, **options)  # type: ignore[arg-type]
    whole, halves = Plain(), Plain(most=8)
    expected = run(whole, recipe)
    found = run(halves, replace(recipe, eval_batch_size=8))
    assert halves.sizes == [16] + [8, 8] * 8  # refused once, then every step in halves
    assert [metrics.pop("micro_batches") for metrics in found] == [2, 2]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(halves.get_parameter(name), parameter, atol=1e-5, rtol=1e-4)


def test_an_odd_batch_is_cut_as_evenly_as_can_be() -> None:
    halves, whole, data = Plain(most=5), Plain(), noise(train=27)
    recipe = replace(RECIPE, batch_size=9, epochs=1, eval_batch_size=5)
    found = run(halves, recipe, data)
    assert halves.sizes == [9] + [5, 4] * 3
    assert found[0]["train_loss"] == pytest.approx(run(whole, recipe, data)[0]["train_loss"], rel=1e-4)


def test_without_enough_memory_for_half_a_batch_the_child_fails_with_the_reason() -> None:
    module = Plain(most=7)
    with pytest.raises(TrainingError) as caught:
        run(module)
    assert str(caught.value) == (
        "out of memory on cpu in epoch 1, with batch_size 16 and eval_batch_size 1024; lower them, or bound the "
        "children's memory by a constraint; tried in vain: steps in 2 micro-batches of at most 8"
    )
    assert module.sizes == [16, 8]
    assert caught.value.__context__ is None  # it would hold the activations


def test_three_images_are_not_halved_since_one_has_no_variance() -> None:
    module = Plain(most=2)
    with pytest.raises(TrainingError, match=r"out of memory on cpu in epoch 1.*by a constraint$"):
        run(module, replace(RECIPE, batch_size=3), noise(train=3))
    assert module.sizes == [3]


def test_other_errors_are_not_tried_again() -> None:
    module = Plain(most=7, error=RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot"):
        run(module)
    assert module.sizes == [16]


def test_measuring_is_halved_once_and_says_the_same() -> None:
    module, whole = Plain(most=20), Plain()
    recipe = replace(RECIPE, eval_batch_size=40)
    found, expected = run(module, recipe), run(whole, recipe)
    assert module.measured == [40, 20, 20, 20, 20]
    assert "micro_batches" not in found[0]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-5)
    module.measured.clear()
    assert measure(module, DATA.validation, DATA, recipe, device=CPU)["loss"] == pytest.approx(found[-1]["val_loss"])
    assert module.measured == [40, 20, 20]
    module.most = 19
    with pytest.raises(TrainingError, match=r"out of memory on cpu while measuring"):
        measure(module, DATA.validation, DATA, recipe, device=CPU)
    with pytest.raises(TrainingError, match=r"tried in vain: measuring by 20$"):
        run(module, recipe)


def test_running_out_while_measuring_by_one_image_is_the_end() -> None:
    class Never(Plain):
        def forward(self, images: Tensor) -> Tensor:
            if not self.training:
                raise MemoryError
            return super().forward(images)

    with pytest.raises(TrainingError, match="in epoch 1, with batch_size 2 and eval_batch_size 1; lower them"):
        run(Never(), replace(RECIPE, batch_size=2, eval_batch_size=1))


def test_normalisation_takes_the_statistics_of_each_half() -> None:
    """The one thing that halves change: four updates of the running mean where there were two."""

    class Normed(Plain):
        def __init__(self, most: int) -> None:
            super().__init__(most)
            self.body[1] = nn.BatchNorm2d(8)

    counts = []
    for most in (16, 8):
        module = Normed(most)
        run(module, replace(RECIPE, epochs=1, eval_batch_size=8))
        counts.append(int(module.body[1].num_batches_tracked))  # type: ignore[arg-type]
    assert counts == [4, 8]


# Averaged weights


def test_the_average_is_that_of_the_formula() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(module, 0.5)
    weight = module[0].weight
    expected = weight.detach().clone()
    rng = torch.Generator().manual_seed(0)
    for t in range(1, 20):
        with torch.no_grad():
            weight.copy_(torch.randn(2, 2, generator=rng))
            module[1].running_mean.fill_(t)  # type: ignore[operator, union-attr]
        average.update()
        decay = min(0.5, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * weight.detach()
    last = weight.detach().clone()
    average.exchange(averaged=True)
    average.exchange(averaged=True)  # is there already
    torch.testing.assert_close(weight.detach(), expected)
    assert float(module[1].running_mean[0]) == pytest.approx(18, abs=0.1)  # type: ignore[index]
    average.exchange(averaged=False)
    assert torch.equal(weight.detach(), last)


def test_averaging_changes_what_is_measured_and_not_how_it_is_trained() -> None:
    recipe = replace(RECIPE, epochs=4)
    plain, averaged = run(Plain(), recipe), run(Plain(), replace(recipe, ema=0.9))
    assert [m["train_loss"] for m in plain] == [m["train_loss"] for m in averaged]
    assert all(a["val_loss"] != b["val_loss"] for a, b in zip(plain, averaged, strict=True))


def test_the_module_holds_the_weights_that_were_measured_after_every_epoch() -> None:
    module, recipe = Plain(), replace(RECIPE, epochs=3, ema=0.95)
    for metrics in train(module, DATA, recipe, seed=0, device=CPU):
        again = measure(module, DATA.validation, DATA, recipe, device=CPU)
        assert again["loss"] == pytest.approx(metrics["val_loss"], rel=1e-6)
        assert again["accuracy"] == pytest.approx(metrics["val_accuracy"])


def test_an_average_over_one_step_weighs_the_new_weights_by_the_ramp() -> None:
    module, plain = Plain(), Plain()
    start = plain.body[3].weight.detach().clone()  # type: ignore[operator]
    one = replace(RECIPE, epochs=1, batch_size=64)
    run(plain, one)
    run(module, replace(one, ema=0.999))
    expected = start.lerp(plain.body[3].weight.detach(), 1 - 2 / 11)  # type: ignore[operator]
    torch.testing.assert_close(module.body[3].weight.detach(), expected)  # type: ignore[operator]


# Mixed images


def test_a_mixed_image_counts_for_both_labels_by_its_shares() -> None:
    """One step over all images in a batch: the loss by hand from what the module was shown."""
    batches: list[Batch] = []
    plain = nas.training.train.augmented

    def noting(*arguments: Any) -> Batch:
        batches.append(plain(*arguments))
        return batches[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nas.training.train, "augmented", noting)
        (metrics,) = run(Plain(), replace(RECIPE, epochs=1, batch_size=64, mixup=1.0))
    (batch,) = batches
    assert batch.share is not None
    log = Plain().body(batch.images).detach().log_softmax(1)
    each = torch.arange(64)
    expected = -batch.share * log[each, batch.labels] - (1 - batch.share) * log[each, batch.labels.roll(1)]
    assert metrics["train_loss"] == pytest.approx(float(expected.mean()), rel=1e-5)
    assert 0.2 < float(batch.share.mean()) < 0.8


def test_mixing_with_shares_of_nearly_one_or_nought_is_no_mixing() -> None:
    """With a tiny alpha each image is itself or its partner, with that one's label: the accuracy is as without."""
    recipe = replace(RECIPE, epochs=6)
    plain, mixed = run(Plain(), recipe)[-1], run(Plain(), replace(recipe, mixup=1e-6))[-1]
    assert plain["val_accuracy"] > 0.8
    assert mixed["val_accuracy"] == pytest.approx(plain["val_accuracy"], abs=0.15)
    assert run(Plain(), replace(recipe, mixup=4.0))[-1]["train_loss"] > plain["train_loss"] + 0.1


# What only a GPU does, as far as a CPU can show it


def test_gradients_scaled_for_half_precision_train_in_halves_with_averaging(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16 is refused on a CPU; with the refusal taken away its steps, scaled and unscaled, can be run there."""
    monkeypatch.setattr(nas.training.forward, "narrow_type", lambda recipe, device: torch.float16)
    recipe = replace(RECIPE, epochs=6, precision="fp16", ema=0.9, clip=1.0, mixup=0.1, eval_batch_size=8)
    steps: list[float] = []
    plain = torch.amp.GradScaler.update

    def noting(self: torch.amp.GradScaler) -> None:
        steps.append(self.get_scale())
        plain(self)

    monkeypatch.setattr(torch.amp.GradScaler, "update", noting)
    module = Plain(most=8)
    found = run(module, recipe)
    assert len(steps) == 24
    assert steps[0] > 1
    assert found[-1]["micro_batches"] == 2
    assert found[-1]["val_accuracy"] > 0.8


def test_a_gpu_gives_back_what_it_keeps_before_the_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: happened.append("emptied"))

    def work() -> str:
        happened.append("tried")
        if len(happened) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    def smaller() -> bool:
        happened.append("halved")
        return True

    assert twice(work, smaller, torch.device("cuda")) == "done"
    assert happened == ["tried", "halved", "emptied", "tried"]
    happened.clear()
    assert twice(work, smaller, CPU) == "done"
    assert happened == ["tried", "halved", "tried"]
