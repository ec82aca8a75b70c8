from __future__ import annotations

import math
import random

import numpy as np
import pytest
from controller_spaces import conditional, twelve

from nas.controllers.policy import Adam, CategoricalPolicy
from searchspaces import Point, Space


def log_probability(policy: CategoricalPolicy, point: Point) -> float:
    return sum(math.log(policy.probabilities(axis)[choice]) for axis, choice in point.items())


def objective(policy: CategoricalPolicy, points: list[Point], advantages: list[float], bonus: float) -> float:
    terms = [
        a * log_probability(policy, p) + bonus * policy.entropy(p) for p, a in zip(points, advantages, strict=True)
    ]
    return sum(terms) / len(terms)


def points_of(space: Space, count: int) -> list[Point]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(count)]


def test_starts_uniform() -> None:
    policy = CategoricalPolicy(twelve(), 0.1)
    rng = random.Random(0)
    kinds = [policy.sample(rng)["kind"] for _ in range(3000)]
    assert all(abs(kinds.count(kind) - 1000) < 100 for kind in range(3))
    assert policy.entropy(twelve().point({"kind": 0})) == pytest.approx(math.log(3))
    assert policy.entropy(twelve().point({"kind": 1, "kernel": 0, "groups": 4})) == pytest.approx(math.log(30))


def test_a_step_moves_along_the_gradient_of_the_objective() -> None:
    """Against finite differences: Adam's first step is the sign of the gradient, so the signs are compared."""
    space, bonus, small = conditional(), 0.3, 1e-6
    policy = CategoricalPolicy(space, learning_rate=0.05)
    policy._logits = np.random.default_rng(0).normal(size=len(policy._logits))
    points, advantages = points_of(space, 5), [1.5, -0.7, 0.2, -2.0, 0.9]
    start = policy._logits.copy()
    slopes = []
    for index in range(len(start)):
        ends = []
        for move in (small, -small):
            policy._logits = start.copy()
            policy._logits[index] += move
            ends.append(objective(policy, points, advantages, bonus))
        slopes.append((ends[0] - ends[1]) / (2 * small))
    policy._logits = start.copy()
    seen: list[np.ndarray] = []
    policy._adam.direction = lambda gradient: seen.append(gradient) or gradient  # type: ignore[method-assign,func-returns-value]
    policy.step(points, advantages, bonus)
    np.testing.assert_allclose(seen[0], slopes, atol=1e-7)


def test_axes_that_no_point_has_do_not_move() -> None:
    space = twelve()
    policy = CategoricalPolicy(space, 0.1)
    policy.step([space.point({"kind": 0})], [1.0], 0.1)
    assert policy.probabilities("kind")[0] > 1 / 3
    np.testing.assert_array_equal(policy.probabilities("groups"), np.full(5, 0.2))


def test_advantage_raises_a_point_and_entropy_bonus_levels() -> None:
    space = twelve()
    policy = CategoricalPolicy(space, 0.1)
    good = space.point({"kind": 1, "kernel": 1, "groups": 2})
    for _ in range(100):
        policy.step([good], [1.0], 0.0)
    assert log_probability(policy, good) > math.log(0.9)
    peaked = policy.entropy(good)
    for _ in range(100):
        policy.step([good], [0.0], 1.0)
    assert policy.entropy(good) > 10 * peaked


def test_a_settled_policy_stays_finite() -> None:
    space = twelve()
    policy = CategoricalPolicy(space, 50.0)
    for _ in range(50):
        policy.step([space.point({"kind": 0})], [1.0], 0.1)
    assert np.isfinite(policy._logits).all()
    assert np.isfinite(policy.entropy(space.point({"kind": 0})))
    assert policy.sample(random.Random(0)) == space.point({"kind": 0})


def test_adam_by_hand() -> None:
    adam = Adam(1, learning_rate=0.1)
    assert adam.direction(np.array([4.0]))[0] == pytest.approx(0.1)
    mean = (0.9 * 0.1 * 4 + 0.1 * 2) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 16 + 0.001 * 4) / (1 - 0.999**2)
    assert adam.direction(np.array([2.0]))[0] == pytest.approx(0.1 * mean / math.sqrt(square))
