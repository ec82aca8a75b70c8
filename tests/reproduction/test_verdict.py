"""What is said of courses whose errors are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from nas.data import DataSpec
from nas.reproduction.degradation import Course, Order, make_order
from nas.reproduction.verdict import cautions, curve, document, milestones, pairs, reading

EPOCHS = 2


@pytest.fixture(scope="module")
def order() -> Order:
    return make_order((), DataSpec("digits"), {"epochs": EPOCHS}, measured=1000)


def courses(order: Order, last: Mapping[str, Sequence[float]]) -> list[Course]:
    """A course for each member, with these training errors of its seeds after the last epoch."""

    def epoch(number: int, error: float) -> dict[str, float]:
        return {"epoch": number, "train_error": error, "val_error": min(1.0, error + 0.05)}

    return [Course(each, [[epoch(1, 0.8), epoch(2, error)] for error in last[each.name]]) for each in order.members]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((0.2, 0.4, 0.2, 0.15), "Degradation is seen in the plain networks and not in those with shortcuts; "),
        ((0.2, 0.4, 0.2, 0.22), "Degradation is seen in the plain networks and not clearly in those with shortcuts; "),
        ((0.2, 0.6, 0.2, 0.3), "Degradation is seen in the plain networks, and less of it"),
        ((0.2, 0.4, 0.2, 0.4), "The deeper network is worse with shortcuts too"),
        ((0.2, 0.21, 0.2, 0.1), "Degradation is not seen, since"),
        ((0.4, 0.2, 0.2, 0.4), "Degradation is not seen, since"),
    ],
)
def test_the_sentence(order: Order, errors: Sequence[float], said: str) -> None:
    names = [member.name for member in order.members]
    assert names == ["plain20", "plain56", "resnet20", "resnet56"]
    found = courses(order, {name: [error] * 2 for name, error in zip(names, errors, strict=True)})
    text = reading(pairs(order, found), EPOCHS)
    assert text.startswith(said)
    assert f"plain56 {100 * (errors[1] - errors[0]):+.1f} ± " in text
    assert "mean of 2 seeds" in text


def test_a_gap_within_the_spread_of_the_seeds_is_not_clear(order: Order) -> None:
    errors = {"plain20": [0.1, 0.3], "plain56": [0.1, 0.5], "resnet20": [0.2, 0.2], "resnet56": [0.2, 0.2]}
    plain, residual = pairs(order, courses(order, errors))
    assert plain.train is not None
    assert plain.train.difference == pytest.approx(0.1)
    assert not plain.train.worse
    # Standard deviations 0.1 √2 and 0.2 √2 of two seeds, and the shares of 1000 images.
    assert plain.train.error == pytest.approx((0.01 + 0.04 + (0.2 * 0.8 + 0.3 * 0.7) / 1000) ** 0.5)
    assert residual.train is not None
    assert residual.train.difference == 0


def test_one_seed_and_none(order: Order) -> None:
    errors = {"plain20": [0.1], "plain56": [0.5], "resnet20": [0.2], "resnet56": []}
    found = courses(order, errors)
    text = reading(pairs(order, found), EPOCHS)
    assert text.startswith("Degradation is seen in plain networks; ")
    assert "one seed" in text
    assert "resnet56" not in text
    printed = document(order, found)
    assert printed["pairs"][1]["train"] is None
    assert printed["networks"][0]["curve"][-1] == {
        **{"epoch": 2, "n": 1, "train_error": 0.1, "train_error_std": None},
        **{"val_error": pytest.approx(0.15), "val_error_std": None},
    }
    nothing = courses(order, dict.fromkeys(errors, ()))
    assert reading(pairs(order, nothing), EPOCHS).startswith("Nothing can be said")
    assert curve(nothing[0]) == []


def test_a_network_at_chance_is_named(order: Order) -> None:
    errors = {"plain20": [0.1], "plain56": [0.9], "resnet20": [0.2], "resnet56": [0.2]}
    assert cautions(order, courses(order, {**errors, "plain56": [0.5]})) == []
    (caution,) = cautions(order, courses(order, errors))
    assert caution.endswith(": plain56")


def test_milestones() -> None:
    assert milestones(1) == [1]
    assert milestones(20) == [1, 5, 10, 15, 20]
