"""The figures of several seeds, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nas.retraining.summary import Summary, cost_of
from nas.retraining.tasks import Task
from searchspaces.resnet import cifar_resnet


def summary(*accuracies: float, found: float | None = None) -> Summary:
    task = Task("net", "study:1", "target", cifar_resnet(8), found)
    results: list[dict[str, Any]] = [{"test_accuracy": each, "test_images": 100} for each in accuracies]
    return Summary(task, cost_of(task, (1, 8, 8), 10), results)


def test_mean_deviation_interval_and_optimism() -> None:
    made = summary(0.88, 0.90, 0.92, found=0.95)
    test = made.test
    assert test is not None
    assert (test["n"], test["images"]) == (3, 100)
    assert test["mean"] == pytest.approx(0.90)
    assert test["std"] == pytest.approx(0.02)  # n − 1
    assert test["interval"] == pytest.approx([0.8256, 0.9448], abs=1e-4)  # Wilson's interval of 90 of 100
    assert made.optimism == pytest.approx(0.05)
    assert made.to_json()["optimism"] == made.optimism


def test_one_seed_has_no_deviation() -> None:
    test = summary(0.9).test
    assert test is not None
    assert (test["std"], test["n"]) == (None, 1)
    assert summary(0.9).optimism is None
    assert summary().test is None
