"""Evaluators: training from names alone, and users' functions of every shape."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas import evaluators
from nas.data import DataSpec, load
from nas.errors import TrainingError
from nas.evaluators import CallableEvaluator, Evaluator, TrainingEvaluator, find_device, keep_freed_memory
from nas.recipe import Recipe
from searchspaces import SPACES, Architecture

RESNET = SPACES["resnet"](8).networks["resnet8"]
RECIPE = Recipe(epochs=2, batch_size=32, lr=0.1, precision="float32")
IMAGE = (1, 8, 8)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    return DataSpec("digits", root=str(tmp_path_factory.mktemp("data")), fraction=0.3)


def as_evaluator(evaluator: Evaluator) -> Evaluator:
    """Mypy's check that each kind is one."""
    return evaluator


# Training


def test_training_describes_its_data(spec: DataSpec) -> None:
    evaluator = as_evaluator(TrainingEvaluator(spec))
    assert evaluator.key == load(spec).key
    assert evaluator.image == IMAGE
    assert evaluator.classes == 10


def test_training_gives_metrics_of_each_epoch_that_are_reproducible_and_beat_chance(spec: DataSpec) -> None:
    evaluator = TrainingEvaluator(spec, device="cpu", threads=1)
    first, again, other = (list(evaluator.run(RESNET, RECIPE, seed)) for seed in (3, 3, 4))
    assert [metrics["epoch"] for metrics in first] == [1, 2]
    assert first[-1]["val_accuracy"] > 0.3
    without_time = [[{**metrics, "seconds": 0} for metrics in child] for child in (first, again, other)]
    assert without_time[0] == without_time[1] != without_time[2]


def test_the_default_recipe_teaches_a_small_resnet_the_digits(spec: DataSpec) -> None:
    evaluator = TrainingEvaluator(DataSpec("digits", root=spec.root), device="cpu", threads=1)
    recipe = Recipe.for_data(len(evaluator.data.train), 8)
    *_, last = evaluator.run(RESNET, recipe, 0)
    assert last["val_accuracy"] > 0.95


def test_a_copy_that_travelled_is_small_and_gives_the_same(spec: DataSpec) -> None:
    evaluator = TrainingEvaluator(spec, device="cpu", threads=1)
    assert evaluator.classes == 10  # the dataset is loaded, and must not travel
    packed = pickle.dumps(evaluator)
    assert len(packed) < 1000
    copy = pickle.loads(packed)
    assert copy == evaluator
    assert copy.key == evaluator.key
    one, two = (next(iter(each.run(RESNET, RECIPE, 0))) for each in (evaluator, copy))
    assert one["val_loss"] == two["val_loss"]


def test_the_dataset_is_loaded_once_a_process(spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    other = DataSpec("digits", root=spec.root, fraction=0.3, seed=7)
    loads: list[DataSpec] = []
    monkeypatch.setattr(evaluators, "load", lambda spec: loads.append(spec) or load(spec))  # type: ignore[func-returns-value]
    for _ in range(3):
        evaluator = TrainingEvaluator(other, device="cpu", threads=1)
        assert evaluator.image == IMAGE
        next(iter(evaluator.run(RESNET, RECIPE, 0)))
    assert loads == [other]


@pytest.mark.parametrize(("threads", "expected"), [(2, 2), (1, 1), (None, 1)])
def test_threads_are_set_while_training_only(spec: DataSpec, threads: int | None, expected: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        child = TrainingEvaluator(spec, device="cpu", threads=threads).run(RESNET, RECIPE, 0)
        next(child)
        assert torch.get_num_threads() == expected
        child.close()  # type: ignore[attr-defined]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_devices_are_found_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(TrainingError, match="unknown device 'gpu'; use auto"):
        find_device("gpu")
    with pytest.raises(TrainingError, match="device 'cuda:99' is not there: PyTorch sees"):
        find_device("cuda:99")


def test_no_threads_are_too_few(spec: DataSpec) -> None:
    with pytest.raises(TrainingError, match=r"threads must be at least 1, .* got 0"):
        TrainingEvaluator(spec, threads=0)


def test_the_allocator_can_be_told_or_not() -> None:
    assert keep_freed_memory() in (True, False)


# Functions


def of(given: Any) -> list[dict[str, float]]:
    """The metrics from a function that gives this."""
    evaluator = as_evaluator(CallableEvaluator(lambda architecture: given, IMAGE, 10))
    return [dict(metrics) for metrics in evaluator.run(RESNET, RECIPE, 0)]


@pytest.mark.parametrize(
    ("given", "metrics"),
    [
        (0.25, {"val_accuracy": 0.25}),
        (1, {"val_accuracy": 1.0}),
        (np.float32(0.5), {"val_accuracy": 0.5}),
        (np.array(0.5), {"val_accuracy": 0.5}),
        (torch.tensor(0.5), {"val_accuracy": 0.5}),
        (Decimal("0.5"), {"val_accuracy": 0.5}),
        ({"accuracy": 0.5}, {"val_accuracy": 0.5}),
        ({"val_accuracy": 0.5, "latency": 12}, {"val_accuracy": 0.5, "latency": 12.0}),
        ({"score": -7.5, "epoch": 30}, {"score": -7.5}),
    ],
)
def test_one_result_is_one_epoch(given: Any, metrics: dict[str, float]) -> None:
    (result,) = of(given)
    assert result == {"epoch": 1, **metrics}
    assert all(type(value) is float for name, value in result.items() if name != "epoch")


def test_an_iterator_is_an_epoch_each() -> None:
    expected = [{"epoch": 1, "val_accuracy": 0.1}, {"epoch": 2, "val_accuracy": 0.2}]
    assert of(iter([0.1, {"accuracy": 0.2}])) == expected


def test_a_generator_runs_as_far_as_it_is_read() -> None:
    reached: list[int] = []

    def curve(architecture: Architecture) -> Iterator[dict[str, float]]:
        assert architecture == RESNET
        try:
            for epoch in range(5):
                reached.append(epoch)
                yield {"accuracy": epoch / 10}
        finally:
            reached.append(-1)

    child = CallableEvaluator(curve, IMAGE, 10).run(RESNET, RECIPE, 0)
    assert [next(child)["val_accuracy"], next(child)["val_accuracy"]] == [0.0, 0.1]
    child.close()  # type: ignore[attr-defined]
    assert reached == [0, 1, -1]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "None"),
        ("0.9", "'0.9'"),
        (True, "True"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (10**400, "1000"),
        (1j, "1j"),
        ((0.9, 12), "(0.9, 12)"),
        ([0.1, 0.2], "[0.1, 0.2]"),
        (np.array([0.9]), "array([0.9])"),
        (torch.tensor([0.1, 0.2]), "tensor([0.1000, 0.2000])"),
        ({}, "{}"),
        ({"epoch": 3}, "{'epoch': 3}"),
        ({"accuracy": math.nan}, "{'accuracy': nan}"),
        ({"accuracy": 0.5, "latency": "fast"}, "{'accuracy': 0.5, 'latency': 'fast'}"),
        ({"accuracy": None}, "{'accuracy': None}"),
        ({1: 0.5}, "{1: 0.5}"),
        (iter([]), "an iterator without any epoch"),
        (iter([0.5, "no"]), "'no'"),
        (iter([iter([])]), "<list_iterator object"),
        ({"accuracy": 0.5, "val_accuracy": 0.5}, "both accuracy and val_accuracy"),
    ],
)
def test_what_is_no_result_is_shown(given: Any, shown: str) -> None:
    with pytest.raises(TrainingError) as error:
        of(given)
    message = str(error.value)
    assert f"gave {shown}" in message
    assert "must give an accuracy, or a mapping" in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("given", [93.5, -0.1, {"accuracy": 1.01}])
def test_an_accuracy_is_a_fraction(given: Any) -> None:
    with pytest.raises(TrainingError, match=r"which must be a fraction in \[0, 1\]"):
        of(given)


def accuracy_of(architecture: Architecture, bonus: float = 0.0) -> float:
    return 0.5 + bonus


class Table:
    def __call__(self, architecture: Architecture) -> float:
        return 0.75


def test_keys_name_the_function() -> None:
    here = __name__
    assert CallableEvaluator(accuracy_of, IMAGE, 10).key == f"{here}.accuracy_of"
    assert CallableEvaluator(accuracy_of, IMAGE, 10, name="v2").key == f"v2:{here}.accuracy_of"
    assert CallableEvaluator(Table(), IMAGE, 10).key == f"{here}.Table"
    assert CallableEvaluator(partial(accuracy_of, bonus=0.1), IMAGE, 10, name="b").key == f"b:{here}.accuracy_of"


def test_a_function_evaluator_travels(tmp_path: Path) -> None:
    copy = pickle.loads(pickle.dumps(CallableEvaluator(accuracy_of, IMAGE, 10)))
    assert list(copy.run(RESNET, RECIPE, 0)) == [{"epoch": 1, "val_accuracy": 0.5}]
