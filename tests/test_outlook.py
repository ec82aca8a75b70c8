"""What a stopped child is expected to come to."""

from __future__ import annotations

import math

import pytest

from nas.objectives import Objective
from nas.outlook import Outlook

OBJECTIVES = [Objective.parse("accuracy"), Objective.parse("flops")]


def curve(*accuracies: float, flops: float = 1e6) -> list[list[float]]:
    return [[accuracy, flops] for accuracy in accuracies]


def test_while_nobody_went_further_the_last_values_are_all_that_is_known() -> None:
    assert Outlook(OBJECTIVES, 4).end(curve(0.3, 0.4)) == [0.4, 1e6]


def test_the_mean_gains_of_the_others_are_added() -> None:
    outlook = Outlook(OBJECTIVES, 3)
    outlook.add(curve(0.2, 0.6, 0.9))
    outlook.add(curve(0.4, 0.6, 0.7))
    outlook.add(curve(0.3, 0.6))  # stopped: what it gained until then counts
    first = (0.4 + 0.2 + 0.3) / 3
    second = (0.3 + 0.1) / 2
    assert outlook.end(curve(0.1)) == pytest.approx([0.1 + first + second, 1e6])
    assert outlook.end(curve(0.1, 0.2)) == pytest.approx([0.2 + second, 1e6])


def test_nothing_is_expected_to_be_better_than_the_best_that_was_reached() -> None:
    outlook = Outlook([OBJECTIVES[0], Objective.parse("loss:min")], 2)
    outlook.add([[0.1, 3.0], [0.8, 1.0]])
    assert outlook.end([[0.7, 1.5]]) == [0.8, 1.0]


def test_a_price_does_not_change() -> None:
    outlook = Outlook(OBJECTIVES, 3)
    outlook.add(curve(0.2, 0.6, 0.9, flops=5e6))
    assert outlook.end(curve(0.1, flops=7e6))[1] == 7e6


def test_values_that_are_not_finite_count_nothing() -> None:
    outlook = Outlook(OBJECTIVES, 2)
    outlook.add(curve(0.2, math.nan))
    outlook.add(curve(0.2, 0.3))
    assert outlook.end(curve(0.1)) == pytest.approx([0.2, 1e6])
