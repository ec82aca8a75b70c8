"""Both policies: what they sample, and their gradients against finite differences."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from controller_spaces import conditional, no_axes, twelve

from nas.controllers.policy import Adam, CategoricalPolicy, Codes, Layout, Policy, Vector, log_softmax
from nas.controllers.recurrent import RecurrentPolicy
from searchspaces import Point, Space


def independent(space: Space, rate: float = 0.1) -> CategoricalPolicy:
    return CategoricalPolicy(space, rate)


def recurrent(space: Space, rate: float = 0.1) -> RecurrentPolicy:
    return RecurrentPolicy(space, rate, rate, seed=0, hidden=6, embedding=4)


Make = Callable[..., CategoricalPolicy | RecurrentPolicy]
both = pytest.mark.parametrize("make", [independent, recurrent])


def points_of(space: Space, count: int) -> list[Point]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(count)]


def every_point_of_twelve() -> list[Point]:
    space = twelve()
    inner = [{"kind": 1, "kernel": kernel, "groups": groups} for kernel in range(2) for groups in range(5)]
    return [space.point(choices) for choices in ({"kind": 0}, *inner, {"kind": 2})]


def parameters(policy: CategoricalPolicy | RecurrentPolicy) -> Vector:
    """The vector itself, not a copy."""
    return policy._logits.reshape(-1) if isinstance(policy, CategoricalPolicy) else policy._parameters


def shake(policy: CategoricalPolicy | RecurrentPolicy, scale: float = 0.5) -> None:
    """Away from the start, where half of the gradients are zero."""
    parameters(policy)[:] += scale * np.random.default_rng(1).standard_normal(parameters(policy).size)


def entropy(policy: Policy, point: Point) -> float:
    return float(policy.entropies([point])[0])


# --- what is sampled ----------------------------------------------------------------------------------------


@both
def test_starts_uniform_on_each_axis(make: Make) -> None:
    policy = make(twelve())
    kinds = Counter(point["kind"] for point in policy.sample(random.Random(0), 3000))
    assert all(abs(kinds[kind] - 1000) < 100 for kind in range(3))
    assert entropy(policy, twelve().point({"kind": 0})) == pytest.approx(math.log(3))
    assert entropy(policy, twelve().point({"kind": 1, "kernel": 0, "groups": 4})) == pytest.approx(math.log(30))


@both
def test_the_probabilities_of_all_points_sum_to_one(make: Make) -> None:
    policy = make(twelve())
    shake(policy)
    assert np.exp(policy.log_probabilities(every_point_of_twelve())).sum() == pytest.approx(1)


@both
def test_points_come_as_often_as_their_probabilities_say(make: Make) -> None:
    policy = make(twelve())
    shake(policy)
    points = every_point_of_twelve()
    expected = 20_000 * np.exp(policy.log_probabilities(points))
    found = Counter(policy.sample(random.Random(3), 20_000))
    # Chi-squared with 11 degrees of freedom exceeds 31.3 once in a thousand.
    assert sum((found[point] - wanted) ** 2 / wanted for point, wanted in zip(points, expected, strict=True)) < 31.3


@both
def test_samples_are_points_of_the_space_and_go_by_the_rng(make: Make) -> None:
    space = conditional()
    policy = make(space)
    shake(policy)
    points = policy.sample(random.Random(4), 50)
    assert [space.point(point) for point in points] == points
    assert policy.sample(random.Random(4), 50) == points
    assert policy.sample(random.Random(5), 50) != points


@both
def test_a_space_without_axes_has_one_point(make: Make) -> None:
    policy = make(no_axes())
    assert policy.sample(random.Random(0), 2) == [Point({}), Point({})]
    assert policy.log_probabilities([Point({})]).tolist() == [0.0]


def test_only_the_recurrent_policy_learns_that_two_axes_belong_together() -> None:
    """Kernel 5 only with 16 groups, kernel 3 only with none: no product of two distributions says that."""
    space = twelve()
    together = [space.point({"kind": 1, "kernel": kernel, "groups": 4 * kernel}) for kernel in range(2)]
    shares = {}
    for make in (independent, recurrent):
        policy = make(space, 0.05)
        for _ in range(300):
            policy.step(together, np.ones_like, 0.0)
        shares[make] = np.exp(policy.log_probabilities(together)).sum()
    assert shares[recurrent] > 0.9
    assert shares[independent] < 0.55


# --- gradients ----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("bonus", [0.0, 0.3])
def test_the_gradient_is_that_of_finite_differences(make: Make, bonus: float) -> None:
    """Of mean(advantage * log-probability + bonus * entropy), through time, over conditional axes."""
    space, small = conditional(), 1e-5
    policy = make(space)
    shake(policy)
    points, advantages = points_of(space, 5), np.array([1.5, -0.7, 0.2, -2.0, 0.9])

    def objective() -> float:
        return float((advantages * policy.log_probabilities(points) + bonus * policy.entropies(points)).mean())

    vector, slopes = parameters(policy), []
    some = np.random.default_rng(0).permutation(len(vector))[:200]
    for index in some:
        ends = []
        for move in (small, -2 * small):
            vector[index] += move
            ends.append(objective())
        vector[index] += small
        slopes.append((ends[0] - ends[1]) / (2 * small))
    seen: list[Vector] = []

    def remember(gradient: Vector) -> Vector:
        seen.append(gradient.copy())
        return np.zeros_like(gradient)

    policy._adam.direction = remember  # type: ignore[method-assign]
    policy.step(points, lambda _: advantages, bonus)
    np.testing.assert_allclose(seen[0].reshape(-1)[some], slopes, atol=1e-7)
    assert np.abs(slopes).max() > 0.01


@both
def test_the_weights_come_from_the_log_probabilities(make: Make) -> None:
    policy, points = make(conditional()), points_of(conditional(), 4)
    shake(policy)
    seen: list[Vector] = []

    def weigh(found: Vector) -> Vector:
        seen.append(found)
        return np.ones_like(found)

    expected = policy.log_probabilities(points)
    policy.step(points, weigh, 0.0)
    np.testing.assert_allclose(seen[0], expected)


def test_axes_that_no_point_has_do_not_move() -> None:
    space = twelve()
    policy = independent(space)
    policy.step([space.point({"kind": 0})], np.ones_like, 0.1)
    assert policy.probabilities("kind")[0] > 1 / 3
    np.testing.assert_array_equal(policy.probabilities("groups"), np.full(5, 0.2))


@both
def test_advantage_raises_a_point_and_the_entropy_bonus_levels(make: Make) -> None:
    space = twelve()
    policy = make(space)
    good = space.point({"kind": 1, "kernel": 1, "groups": 2})
    for _ in range(100):
        policy.step([good], np.ones_like, 0.0)
        if policy.log_probabilities([good])[0] > math.log(0.9):
            break
    else:
        raise AssertionError("it does not learn")
    peaked = entropy(policy, good)
    for _ in range(100):
        policy.step([good], np.zeros_like, 1.0)
    assert entropy(policy, good) > 3 * peaked


@both
def test_a_settled_policy_stays_finite(make: Make) -> None:
    space = twelve()
    policy = make(space, 50.0)
    for _ in range(50):
        policy.step([space.point({"kind": 0})], np.ones_like, 0.1)
    assert np.isfinite(parameters(policy)).all()
    assert np.isfinite(entropy(policy, space.point({"kind": 0})))
    assert policy.sample(random.Random(0), 3) == [space.point({"kind": 0})] * 3


# --- the parts ------------------------------------------------------------------------------------------------


def test_a_layout_reads_and_writes_points() -> None:
    space = conditional()
    layout, points = Layout(space), points_of(space, 20)
    codes: Codes = layout.codes(points)
    assert layout.points(codes) == points
    for column, axis in enumerate(space.axes):
        assert layout.active(column, codes).tolist() == [axis.name in point for point in points]


@pytest.mark.parametrize("logits", [[0.0, 0.0], [1e4, -1e4, 3.0], [-1e30, 5.0]])
def test_log_softmax_neither_overflows_nor_loses(logits: Sequence[float]) -> None:
    found = log_softmax(np.array([logits]))
    assert np.exp(found).sum() == pytest.approx(1)
    assert np.argmax(found) == np.argmax(logits)


def test_adam_by_hand() -> None:
    adam = Adam(1, learning_rate=0.1)
    assert adam.direction(np.array([4.0]))[0] == pytest.approx(0.1)
    mean = (0.9 * 0.1 * 4 + 0.1 * 2) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 16 + 0.001 * 4) / (1 - 0.999**2)
    assert adam.direction(np.array([2.0]))[0] == pytest.approx(0.1 * mean / math.sqrt(square))
