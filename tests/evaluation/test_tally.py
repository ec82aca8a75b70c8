"""Counts, intervals and what is said of each class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.evaluation.tally import Tally, by_class, wilson


def test_top1_top5_loss_and_confusion_by_hand() -> None:
    tally = Tally(7)
    scores = torch.tensor([[0.40, 0.20, 0.15, 0.10, 0.08, 0.05, 0.02]]).repeat(4, 1)
    tally.add(scores[:3], torch.tensor([0, 4, 5]))
    tally.add(scores[3:], torch.tensor([6]))
    found = tally.to_json()
    assert (found["top1"], found["top5"]) == (1 / 4, 2 / 4)
    assert found["loss"] == pytest.approx(-np.log([0.40, 0.08, 0.05, 0.02]).mean())
    assert tally.confusion[:, 0].tolist() == [1, 0, 0, 0, 1, 1, 1]
    assert tally.confusion.sum() == 4


def test_top5_of_five_classes_says_nothing() -> None:
    tally = Tally(5)
    tally.add(torch.eye(5), torch.arange(5))
    assert tally.to_json()["top5"] is None


@pytest.mark.parametrize(
    ("found", "images", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(found: int, images: int, low: float, high: float) -> None:
    assert wilson(found, images) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_classes_are_sorted_worst_first_and_say_what_they_are_taken_for() -> None:
    confusion = np.array([[8, 2, 0, 0], [1, 1, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]])
    results = by_class(confusion, ("ant", "bee", "cat", "dog"))
    assert [(each.name, each.accuracy, each.images, each.taken_for, each.taken) for each in results] == [
        ("bee", 0.2, 5, "cat", 3),
        ("ant", 0.8, 10, "bee", 2),
        ("cat", 1.0, 4, None, 0),
        ("dog", None, 0, None, 0),
    ]
