"""Who is stopped and who goes on, by rule; making schedulers by name."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from nas.errors import SchedulerError
from nas.objectives import Objective
from nas.schedulers import SCHEDULERS, Scheduler, make, options

ACCURACY, FLOPS = Objective.parse("accuracy"), Objective.parse("flops")


def goes_on(scheduler: Scheduler, id: int, epoch: int, *values: float) -> bool:
    return not scheduler.report(id, epoch, values)


# --- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("objectives", [[ACCURACY], [ACCURACY, FLOPS], [FLOPS]], ids=["one", "two", "exact"])
def test_whatever_is_reported_somebody_reaches_the_end_and_nobody_is_stopped_there(
    name: str, objectives: Sequence[Objective]
) -> None:
    """With values that are not finite among them."""
    rng, scheduler, ended = random.Random(0), make(name, objectives, 9), 0
    for id in range(60):
        for epoch in range(1, 10):
            value = math.nan if rng.random() < 0.1 else rng.random()
            values = [value if objective.maximise else -value for objective in objectives]
            if not goes_on(scheduler, id, epoch, *values):
                assert epoch < 9
                break
        else:
            ended += 1
    assert ended >= 3
    assert (ended == 60) == (name == "none" or (name == "median" and objectives == [FLOPS]))


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "none"])
def test_the_good_are_spared_and_the_bad_are_stopped(name: str) -> None:
    rng, scheduler = random.Random(1), make(name, [ACCURACY], 9)
    ended: list[float] = []
    stopped: list[float] = []
    for id in range(200):
        final = rng.random()
        for epoch in range(1, 10):
            if not goes_on(scheduler, id, epoch, final * (1 - 0.5**epoch)):
                stopped.append(final)
                break
        else:
            ended.append(final)
    assert sum(ended) / len(ended) > sum(stopped) / len(stopped) + 0.15
    assert max(ended) > 0.98


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_same_reports_have_the_same_answers(name: str) -> None:
    answers = []
    for _ in range(2):
        rng, scheduler = random.Random(2), make(name, [ACCURACY, FLOPS], 9)
        answers.append([scheduler.report(id, e, [rng.random(), id]) for e in (1, 2, 3) for id in range(30)])
    assert answers[0] == answers[1]


def test_a_minimised_objective_counts_the_other_way() -> None:
    for name in ("asha", "median"):
        scheduler = make(name, [Objective.parse("loss:min")], 9)
        answers = [[goes_on(scheduler, id, epoch, 1.0 + id) for id in range(12)] for epoch in (1, 2)]
        assert answers[-1][0]
        assert not answers[-1][-1] or not answers[0][-1]


# --- halving ------------------------------------------------------------------------------------------------------


def test_at_a_rung_the_best_third_goes_on() -> None:
    scheduler = make("asha", [ACCURACY], 27)
    assert goes_on(scheduler, 0, 1, 0.1), "the first two have nobody to compare with"
    assert goes_on(scheduler, 1, 1, 0.2)
    assert goes_on(scheduler, 2, 1, 0.5)
    assert not goes_on(scheduler, 3, 1, 0.3)
    assert not goes_on(scheduler, 4, 1, 0.4)
    assert goes_on(scheduler, 5, 1, 0.45), "second of six"


def test_rungs_are_powers_of_the_reduction_below_the_last_epoch() -> None:
    scheduler = make("asha", [ACCURACY], 9, reduction=2, first=2)
    reports = [(id, epoch) for epoch in range(1, 10) for id in range(10)]
    judged = {epoch for id, epoch in reports if not goes_on(scheduler, id, epoch, -float(id))}
    assert judged == {2, 4, 8}


def test_the_reason_says_where_the_child_stood() -> None:
    scheduler = make("asha", [ACCURACY], 27)
    for id in range(3):
        reason = scheduler.report(id, 3, [1.0 - 0.1 * id])
    assert reason == "after epoch 3 of 27, 2 of 3 were better; fewer than 1 may be"


def test_brackets_are_judged_later_in_turn() -> None:
    scheduler = make("hyperband", [ACCURACY], 27, brackets=3)
    firsts = {}
    for id in (*range(30, 60), *range(30)):  # thirty good ones, then thirty bad ones
        for epoch in range(1, 28):
            if not goes_on(scheduler, id, epoch, float(id)):
                firsts.setdefault(id, epoch)
                break
    assert [firsts[id] for id in range(6)] == [1, 3, 9, 1, 3, 9]


def test_a_cheap_child_on_the_front_survives_dear_ones_that_are_more_accurate() -> None:
    """By accuracy alone the cheap one stands last of nine."""
    dear = [(0.8 + 0.01 * id, 1e9 + id) for id in range(8)]
    alone, both = make("asha", [ACCURACY], 9), make("asha", [ACCURACY, FLOPS], 9)
    for id, (accuracy, flops) in enumerate(dear):
        alone.report(id, 1, [accuracy])
        both.report(id, 1, [accuracy, flops])
    assert not goes_on(alone, 8, 1, 0.6)
    assert goes_on(both, 8, 1, 0.6, 1e6)
    assert not goes_on(both, 9, 1, 0.6, 2e9), "dominated"


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_what_is_on_the_front_of_its_rung_always_goes_on(name: str) -> None:
    """However many they are: of few children a third would leave holes in the front that is searched for."""
    scheduler = make(name, [ACCURACY, FLOPS], 9)
    for id in range(40):
        assert goes_on(scheduler, id, 1, 0.5 + 0.01 * id, 1e6 + id)
    assert not goes_on(scheduler, 42, 1, 0.5, 2e6), "thirty and more are better"


def test_equals_go_on_together() -> None:
    scheduler = make("asha", [ACCURACY], 9)
    assert all(goes_on(scheduler, id, 1, 0.1) for id in range(9))
    assert all(goes_on(scheduler, id, 1, 0.9) for id in range(9, 15))
    assert not goes_on(scheduler, 15, 1, 0.1)


# --- median ---------------------------------------------------------------------------------------------------


def test_a_child_below_the_median_of_the_others_means_is_stopped() -> None:
    scheduler = make("median", [ACCURACY], 10, children=3)
    for id, rise in enumerate((0.1, 0.2, 0.3)):
        for epoch in range(1, 11):
            assert goes_on(scheduler, id, epoch, rise * epoch)
    # Their means up to epoch 2 are 0.15, 0.3 and 0.45.
    assert goes_on(scheduler, 3, 1, 0.0), "too early"
    assert goes_on(scheduler, 3, 2, 0.31)
    assert goes_on(scheduler, 4, 1, 0.1)
    assert scheduler.report(4, 2, [0.2]) == "after epoch 2 of 10 its best was 0.2, where the median of 4 was 0.2275"


def test_nothing_is_judged_before_enough_children_came_as_far() -> None:
    scheduler = make("median", [ACCURACY], 10, first=1, children=4)
    for id in range(4):
        assert goes_on(scheduler, id, 1, 0.9)
    assert not goes_on(scheduler, 4, 1, 0.1)


# --- by name ------------------------------------------------------------------------------------------------------


def test_options_are_listed_with_their_defaults() -> None:
    assert options("none") == {}
    assert options("hyperband") == {"reduction": 3, "first": 1, "brackets": 3}


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("asah", {}, "unknown scheduler 'asah'; did you mean 'asha'"),
        ("asha", {"frist": 2}, "option of scheduler 'asha' 'frist'; did you mean 'first'"),
        ("none", {"first": 2}, "'none' takes no options"),
        ("asha", {"reduction": 1}, "reduction = 1; a whole number, at least 2"),
        ("asha", {"first": "two"}, "first = 'two'; a whole number, at least 1"),
        ("hyperband", {"brackets": 0}, "brackets = 0"),
        ("median", {"children": True}, "children = True"),
    ],
)
def test_a_bad_word_is_named(name: str, chosen: dict[str, object], message: str) -> None:
    with pytest.raises(SchedulerError, match=message):
        make(name, [ACCURACY], 9, **chosen)
