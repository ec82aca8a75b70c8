"""Degradation on digits: followed, broken off, gone on with; what is measured; what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.data import DataSpec
from nas.errors import NasError, ReproductionError
from nas.evaluators import cpu_threads
from nas.reproduction.curves import follow, sample_of
from nas.reproduction.degradation import CIFAR, IMAGENET, Order, make_order, run
from nas.retraining.retrain import Silent
from nas.training.train import measure

SHORT = {"epochs": 2, "batch_size": 32}
SPEC = DataSpec("digits", fraction=0.1)


def order(tmp_path: Path, *names: str, spec: DataSpec = SPEC, **fields: Any) -> Order:
    recipe = fields.pop("recipe", SHORT)
    return make_order(names or ("resnet8", "resnet14"), spec, recipe, output=tmp_path, device="cpu", **fields)


class Stops(Silent):
    """Breaks off after an epoch, as a person does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def epoch(self, metrics: Mapping[str, float]) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = run(order(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        run(order(tmp_path / "broken"), Stops(1))
    assert not (tmp_path / "broken/resnet8-digits/seed0/result.json").exists()
    again = run(order(tmp_path / "broken"))

    def figures(course: Any) -> list[dict[str, float]]:
        return [{**epoch, "seconds": 0} for epoch in course.seeds[0]]

    assert [figures(course) for course in again] == [figures(course) for course in whole]
    assert [len(course.seeds[0]) for course in whole] == [2, 2]
    third = run(order(tmp_path / "broken"), Stops(1))  # nothing is left to train
    assert [figures(course) for course in third] == [figures(course) for course in whole]


def test_the_training_error_is_that_of_the_trained_network_in_evaluation_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = order(tmp_path, measured=50, recipe={"epochs": 1, "batch_size": 64})
    sample = sample_of(made.data, made.measured)
    assert len(sample) == 50
    assert len(set(sample.labels.tolist())) == 10
    seen: list[float] = []

    def spied(module: torch.nn.Module, *rest: Any, **named: Any) -> dict[str, float]:
        found = measure(module, *rest, **named)
        module.eval()
        pixels = torch.from_numpy(sample.images).float() / 255
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (made.data.mean, made.data.std))
        with torch.no_grad():
            right = module((pixels - mean) / std).argmax(1) == torch.from_numpy(sample.labels)
        seen.append(1 - float(right.float().mean()))
        return found

    monkeypatch.setattr("nas.training.train.measure", spied)
    with cpu_threads(1):
        result = follow(
            *(made.members[0].task.architecture, made.data, made.recipe, sample),
            **{"seed": 0, "device": torch.device("cpu"), "folder": tmp_path / "x", "report": lambda metrics: None},
        )
    (epoch,) = result["epochs"]
    assert epoch["train_error"] == pytest.approx(seen[0])
    assert epoch["val_error"] == pytest.approx(1 - epoch["val_accuracy"])


def test_the_networks_suit_the_images_and_the_recipe_is_the_papers() -> None:
    assert [member.name for member in make_order((), SPEC, {}).members] == list(CIFAR)
    large = make_order((), DataSpec("digits", fraction=0.1, image_size=64), {})
    assert [member.name for member in large.members] == list(IMAGENET)
    recipe = large.recipe
    assert (recipe.schedule, recipe.weight_decay, recipe.nesterov, recipe.crop) == ("step", 1e-4, False, 8)
    assert [(member.series, member.depth) for member in large.members] == [
        *(("plain", 18), ("plain", 34)),
        *(("resnet", 18), ("resnet", 34)),
    ]


def test_another_recipe_in_the_folder_is_refused(tmp_path: Path) -> None:
    short = {"epochs": 1, "batch_size": 64}
    run(order(tmp_path, recipe=short))
    with pytest.raises(NasError, match=r"holds another run: lr"):
        run(order(tmp_path, recipe={**short, "lr": 0.2}))


def test_a_loss_that_is_not_finite_stops_that_network_only(tmp_path: Path) -> None:
    made = order(tmp_path, recipe={"epochs": 1, "batch_size": 64, "lr": 1e30, "precision": "float32"})
    assert [course.failed is not None for course in run(made)] == [True, True]
    assert json.loads((tmp_path / "resnet8-digits/run.json").read_text())["source"] == "resnet8"


@pytest.mark.parametrize(
    ("names", "spec", "said"),
    [
        (("plain20",), SPEC, "plain20 has no plain of another depth"),
        (("plain20", "resnet20"), SPEC, "plain20 has no plain of another depth"),
        (("resnet9",), SPEC, "unknown network 'resnet9'; did you mean"),
        (("googlenet", "resnet20"), SPEC, "googlenet has no depth"),
        ((), DataSpec("digits", validation=0), "give a --validation above 0"),
    ],
)
def test_what_gives_no_comparison_is_one_line(names: tuple[str, ...], spec: DataSpec, said: str) -> None:
    with pytest.raises(ReproductionError, match=said) as caught:
        make_order(names, spec, {})
    assert "\n" not in str(caught.value)
