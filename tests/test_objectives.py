from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ObjectiveError
from nas.objectives import BOUNDED, Constraint, Objective, scalarise

COST = {"flops": 250e6, "params": 5e6, "activations": 1e6, "memory": 4e6}
METRICS = {"val_accuracy": 0.91, "latency": 0.004, "epoch": 3}


# Objectives


@pytest.mark.parametrize(
    ("text", "objective", "value"),
    [
        ("accuracy", Objective("accuracy", True), 0.91),
        ("flops", Objective("flops", False), 250e6),
        ("params", Objective("params", False), 5e6),
        ("activations", Objective("activations", False), 1e6),
        ("memory", Objective("memory", False), 4e6),
        ("latency:min", Objective("latency", False), 0.004),
        ("latency", Objective("latency", False, timed=True), 0.004),
        ("val_accuracy:max", Objective("val_accuracy", True), 0.91),
    ],
)
def test_objective_is_read_valued_and_written(text: str, objective: Objective, value: float) -> None:
    assert Objective.parse(text) == objective
    assert str(objective) == text
    assert objective.value(METRICS, COST) == value
    assert objective.exact == (text in BOUNDED)


def test_a_known_name_may_say_its_own_direction() -> None:
    assert Objective.parse("accuracy:max") == Objective.parse("accuracy")
    assert Objective.parse(" flops:min ") == Objective.parse("flops")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score", "unknown objective 'score'; .*latency.*any other metric needs a direction, as in 'score:max'"),
        ("flop", r"unknown objective 'flop'; did you mean 'flops'\?"),
        ("latency:down", "direction 'down'; choose 'min' or 'max'"),
        ("accuracy:min", "objective 'accuracy:min': accuracy is always maximised"),
        ("flops:max", "objective 'flops:max': flops is always minimised"),
        (":min", "objective name ''"),
        ("a b:min", "objective name 'a b'"),
        ("", "unknown objective ''"),
    ],
)
def test_objective_that_cannot_be_understood(text: str, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        Objective.parse(text)


def test_direction_is_checked_however_it_is_made() -> None:
    with pytest.raises(ObjectiveError, match="always maximised"):
        Objective("accuracy", False)


def test_missing_metric_names_those_that_exist() -> None:
    with pytest.raises(
        ObjectiveError, match=r"'accuracy' reads the metric 'val_accuracy'; the child has: epoch, latency$"
    ):
        Objective.parse("accuracy").value({"latency": 1.0, "epoch": 1}, COST)
    with pytest.raises(ObjectiveError, match="'flops' reads the cost 'flops'; the child has: nothing"):
        Objective.parse("flops").value({"flops": 3.0}, {})


# Constraints


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("flops<=300M", 300e6),
        ("params<=1.5M", 1.5e6),
        ("flops>=4G", 4e9),
        ("memory<=512k", 512e3),
        ("activations<=0", 0),
        ("params<=999", 999),
        ("params<=0.5", 0.5),
        ("latency<=5ms", 0.005),
        ("latency<=2.5s", 2.5),
        ("latency>=250us", 250e-6),
    ],
)
def test_constraint_is_read_and_written(text: str, bound: float) -> None:
    constraint = Constraint.parse(text)
    assert constraint.bound == bound
    assert str(constraint) == text


@pytest.mark.parametrize("text", ["flops <= 2B", " flops<=2G", "flops<=2e9", "flops<=2000M", "flops<=2000000K"])
def test_constraint_has_other_spellings(text: str) -> None:
    assert Constraint.parse(text) == Constraint("flops", 2e9, "<=")


@given(st.sampled_from(BOUNDED), st.floats(0, allow_infinity=False, allow_nan=False), st.sampled_from(["<=", ">="]))
def test_constraint_text_round_trips(name: str, bound: float, relation: str) -> None:
    constraint = Constraint(name, bound, relation)
    assert Constraint.parse(str(constraint)) == constraint


def test_constraint_holds() -> None:
    at_most, at_least = Constraint.parse("flops<=300M"), Constraint.parse("flops>=300M")
    for flops, below, above in ((299e6, True, False), (300e6, True, True), (301e6, False, True)):
        assert at_most.holds({"flops": flops}) is below
        assert at_least.holds({"flops": flops}) is above


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flops<300M", "constraint 'flops<300M'; write a quantity, <= or >=, and a number"),
        ("flops<=", "and a number"),
        ("flops<=300T", "k, M, G or B"),
        ("flops<=-3", "and a number"),
        ("flops<=nan", "and a number"),
        ("accuracy>=0.9", "'accuracy' is only known after training; .*flops, params, activations, memory"),
        ("flop<=3", r"unknown quantity 'flop'; did you mean 'flops'\?"),
        ("latency<=3", "'latency<=3': a latency has a unit, s, ms or us, as in 'latency<=5ms'"),
        ("latency<=3M", "a latency has a unit"),
        ("flops<=3ms", "'flops<=3ms': 'ms' is a unit of latency only"),
        ("latencies<=3ms", r"unknown quantity 'latencies'; did you mean 'latency'\?"),
        ("<=3", "unknown quantity ''"),
    ],
)
def test_constraint_that_cannot_be_understood(text: str, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        Constraint.parse(text)


@pytest.mark.parametrize("bound", [math.nan, math.inf, -1.0])
def test_constraint_needs_a_bound_that_can_hold(bound: float) -> None:
    with pytest.raises(ObjectiveError, match=re.escape(f"bound {bound}")):
        Constraint("flops", bound)
    with pytest.raises(ObjectiveError, match="relation '<'"):
        Constraint("flops", 1.0, "<")


# One reward

ACCURACY, FLOPS, LOSS = Objective.parse("accuracy"), Objective.parse("flops"), Objective.parse("loss:min")


def test_one_objective_is_its_own_reward() -> None:
    assert scalarise([ACCURACY], [0.9]) == 0.9
    assert scalarise([LOSS], [0.3]) == -0.3


def test_two_objectives_are_mnasnets_reward() -> None:
    """Tan et al. 2019, section 3: with w = -0.07, twice the latency for 5 % more accuracy is worth the same."""
    reward = scalarise([ACCURACY, FLOPS], [0.75, 600e6], references=[1.0, 300e6])
    assert reward == pytest.approx(0.75 * 2**-0.07)
    assert scalarise([ACCURACY, FLOPS], [0.5, 300e6], [1.0, 300e6]) == pytest.approx(0.5)
    assert scalarise([ACCURACY, FLOPS], [0.5 * 1.05, 600e6]) == pytest.approx(
        scalarise([ACCURACY, FLOPS], [0.5, 300e6]), rel=1e-3
    )


def test_only_costs_are_traded_by_their_ratios() -> None:
    pair = [FLOPS, Objective.parse("params")]
    assert scalarise(pair, [1e6, 8e3]) == pytest.approx(scalarise(pair, [2e6, 4e3]))
    assert scalarise(pair, [1e6, 8e3]) > scalarise(pair, [1e6, 9e3])


values = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(values, min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1e12))
def test_no_objective_gets_better_and_the_reward_worse(row: list[float], column: int, step: float) -> None:
    objectives = [Objective("score", True), FLOPS, LOSS]
    better = list(row)
    better[column] += step if objectives[column].maximise else -step
    before, after = scalarise(objectives, row), scalarise(objectives, better)
    assert math.isfinite(before)
    assert after >= before - 1e-9 * abs(before)


# Latency


def test_a_latency_is_measured_or_the_evaluators_own() -> None:
    measured, own = Objective.parse("latency"), Objective.parse("latency:min")
    assert measured != own
    assert (measured.exact, own.exact) == (True, False)
    assert Objective.parse("latency:max") == Objective("latency", True)  # an odd metric of the evaluator's own
    for name, maximise in (("flops", False), ("latency", True)):
        with pytest.raises(ObjectiveError, match="only latency is measured"):
            Objective(name, maximise, timed=True)


@pytest.mark.parametrize(
    ("text", "same"),
    [("latency<=0.005s", "latency<=5ms"), ("latency <= 5000 us", "latency<=5ms"), ("latency>=2µs", "latency>=2us")],
)
def test_a_bound_on_latency_has_other_spellings(text: str, same: str) -> None:
    assert str(Constraint.parse(text)) == same


def test_a_band_of_latency() -> None:
    band = Constraint.parse("latency=5ms±10%")
    assert [band.holds({"latency": ms / 1e3}) for ms in (4.4, 4.5, 5.5, 5.6)] == [False, True, True, False]
    assert str(band) == "latency=5ms±10%"
