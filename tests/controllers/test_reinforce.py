"""REINFORCE and PPO: batches, rewards and scores, the curves, imitation, and clipped steps."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from controller_spaces import accuracy, conditional, flops, twelve

from nas.controllers import Controller, make
from nas.controllers.ppo import PPOController, surrogate_weights
from nas.controllers.problem import Problem
from nas.controllers.reinforce import ReinforceController
from nas.controllers.rewards import Rewards
from nas.errors import ControllerError
from nas.objectives import Constraint, Objective
from nas.ranking import fitness, scores
from searchspaces import find_space

ACCURACY, FLOPS = Objective.parse("accuracy"), Objective.parse("flops")


def problem(*objectives: Objective) -> Problem:
    return Problem(conditional(), objectives or (ACCURACY,))


def search(controller: Controller, count: int, *, two: bool = False) -> list[float]:
    """The accuracies, in order of proposal."""
    found = []
    for _ in range(count):
        proposal = controller.ask()
        found.append(accuracy(proposal.point))
        controller.tell(proposal.id, [found[-1], flops(proposal.point)] if two else [found[-1]])
    return found


# --- batches ------------------------------------------------------------------------------------------------


def test_curves_are_the_numbers_of_the_latest_step() -> None:
    controller = ReinforceController(Problem(twelve(), [ACCURACY]), 0, batch=2, baseline_decay=0.75)
    assert controller.curves == {}
    curves = []
    for rewards in ([0.2, 0.4], [0.8, 1.0]):
        for reward in rewards:
            controller.tell(controller.ask().id, [reward])
        curves.append(controller.curves)
    assert [one["reward"] for one in curves] == pytest.approx([0.3, 0.9])
    first = scores([0.2, 0.4]).mean()
    second = scores([0.2, 0.4, 0.8, 1.0])[2:].mean()
    assert [one["score"] for one in curves] == pytest.approx([first, second])
    assert [one["baseline"] for one in curves] == pytest.approx([first, 0.75 * first + 0.25 * second])
    assert all(0 < one["entropy"] <= math.log(30) for one in curves)


@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_a_batch_is_the_next_results_in_order_of_id(name: str) -> None:
    """Told in any order, the same batch makes the same step; a straggler is not waited for."""
    values = {0: 0.1, 1: 0.9, 2: 0.4, 3: 0.7, 4: 0.2}
    controllers = []
    for order in ((0, 1, 2, 4), (4, 2, 0, 1)):
        controller = make(name, problem(), 0, batch=4)
        for _ in range(5):
            controller.ask()
        for id in order:
            assert controller.curves == {}
            controller.tell(id, [values[id]])
        assert controller.curves["reward"] == pytest.approx(0.4)
        controllers.append(controller)
    assert [controllers[0].ask() for _ in range(9)] == [controllers[1].ask() for _ in range(9)]


def test_batches_without_a_success_move_nothing_until_there_is_one() -> None:
    controller = ReinforceController(problem(), 0, batch=2)
    for reward in (None, None):
        controller.tell(controller.ask().id, reward)
    assert controller.curves == {}, "nothing is known yet, so there is nothing to learn from"
    for reward in (0.3, 0.6):
        controller.tell(controller.ask().id, [reward])
    before = controller.curves
    for _ in range(2):
        controller.tell(controller.ask().id, None)
    assert controller.curves["reward"] == before["reward"] == pytest.approx(0.45)
    assert controller.curves["score"] < before["score"]


@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_it_learns_to_avoid_what_fails(name: str) -> None:
    controller = make(name, problem(), 0)
    widest = []
    for _ in range(300):
        proposal = controller.ask()
        widest.append(proposal.point["width"] == 3)
        controller.tell(proposal.id, None if widest[-1] else [accuracy(proposal.point)])
    assert sum(widest[:60]) >= 3
    assert sum(widest[-100:]) < 8


@pytest.mark.parametrize("policy", ["recurrent", "independent"])
@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_later_children_are_better(name: str, policy: str) -> None:
    for seed in range(2):
        found = search(make(name, problem(), seed, policy=policy), 200)
        assert np.mean(found[-40:]) > np.mean(found[:40]) + 0.15


def test_an_unknown_policy_suggests_the_nearest() -> None:
    with pytest.raises(ControllerError, match="policy of controller 'ppo' 'recurent'; did you mean 'recurrent'"):
        make("ppo", problem(), 0, policy="recurent")


# --- rewards ------------------------------------------------------------------------------------------------


def test_scores_are_savage_scores() -> None:
    """The share of the numbers that are better, on a logarithmic scale; equals share, and units do not matter."""
    found = scores([0.1, 0.4, 0.2, 0.3])
    assert found.tolist() == pytest.approx([-math.log(share) - 1 for share in (0.875, 0.125, 0.625, 0.375)])
    assert scores([1e9, 4e9, 2e9, 3e9]).tolist() == found.tolist()
    assert len(set(scores([0.5, 0.5, 0.5]).tolist())) == 1
    many = scores(np.random.default_rng(0).random(5000).tolist())
    assert many.mean() == pytest.approx(0, abs=0.01)
    assert many.std() == pytest.approx(1, abs=0.02)


def test_fitness_of_several_objectives_is_the_number_of_the_front() -> None:
    rows = [(0.9, 5.0), (0.5, 1.0), (0.8, 5.0), (0.4, 1.0), (0.4, 9.0), (0.9, 5.0)]
    assert fitness(rows, [True, False]) == [0, 0, -1, -1, -2, 0]
    assert fitness([(0.3,), (0.1,)], [True]) == [0.3, 0.1]
    assert fitness([(0.3,), (0.1,)], [False]) == [-0.3, -0.1]


def test_the_reward_of_two_objectives_is_that_of_mnasnet() -> None:
    """Accuracy * (FLOPs / target) ** -0.07; the target is the geometric mean of the first batch."""
    _, reward = Rewards(problem(ACCURACY, FLOPS), 0.07, by_front=True).take([(0.6, 1e6), (0.6, 1e8)])
    assert reward == pytest.approx(0.3 * (10**0.07 + 10**-0.07))


def test_the_target_is_the_bound_of_a_constraint_where_there_is_one() -> None:
    bounded = Problem(conditional(), [ACCURACY, FLOPS], [Constraint.parse("flops<=1M")])
    _, reward = Rewards(bounded, 0.07, by_front=True).take([(0.6, 1e5), None])
    assert reward == pytest.approx(0.6 * 10**0.07)


def test_a_failure_scores_below_everything() -> None:
    found, reward = Rewards(problem(), 0.07, by_front=True).take([(0.5,), None, (0.8,)])
    assert reward == pytest.approx(0.65)
    assert found[1] == min(found) < sorted(found)[1]


def test_a_dearer_cost_weight_finds_cheaper_children() -> None:
    late_cost = {}
    for weight in (0.0, 0.5):
        controller = make("reinforce", problem(ACCURACY, FLOPS), 0, cost_weight=weight, by_front=False)
        logs = []
        for _ in range(300):
            proposal = controller.ask()
            values = [accuracy(proposal.point), flops(proposal.point)]
            logs.append(math.log10(values[1]))
            controller.tell(proposal.id, values)
        late_cost[weight] = sum(logs[-50:]) / 50
    assert late_cost[0.5] < late_cost[0.0] - 1


@pytest.mark.parametrize("name", ["reinforce", "ppo"])
def test_the_scale_of_a_single_objective_does_not_matter(name: str) -> None:
    proposals = []
    for scale in (1.0, 1e9):
        controller = make(name, problem(FLOPS), 0)
        for _ in range(60):
            proposal = controller.ask()
            controller.tell(proposal.id, [scale * flops(proposal.point)])
        proposals.append(controller.ask())
    assert proposals[0] == proposals[1]


# --- imitation ------------------------------------------------------------------------------------------------


def test_imitation_goes_the_share_of_the_way_to_the_hand_designed_networks() -> None:
    space = find_space("resnext", 32)
    real = Problem(space, [ACCURACY], (), (3, 32, 32), 10)
    designed = real.hand_designed()
    assert len(designed) > 3
    means = {}
    for share in (0.0, 0.3, 0.6):
        policy = ReinforceController(real, 0, imitation=share)._policy
        means[share] = policy.log_probabilities(designed).mean()
    # Whole steps are taken, so it goes somewhat further than asked, and never less far.
    assert 0.7 * means[0.0] <= means[0.3] < 0.4 * means[0.0] <= means[0.6] < 0.1 * means[0.0]


# --- PPO ------------------------------------------------------------------------------------------------------


def clipped(now: Sequence[float], before: Sequence[float], advantages: Sequence[float], clip: float) -> float:
    """The surrogate objective as in the paper (Schulman et al. 2017, eq. 7)."""
    ratio = np.exp(np.subtract(now, before))
    held = np.clip(ratio, 1 - clip, 1 + clip)
    return float(np.minimum(ratio * advantages, held * advantages).sum())


def test_the_weights_are_the_slope_of_the_clipped_objective() -> None:
    rng, small = np.random.default_rng(0), 1e-6
    now, before, advantages = rng.normal(-3, 0.4, 40), np.full(40, -3.0), rng.normal(size=40)
    found = surrogate_weights(now, before, advantages, 0.2)
    for index in range(40):
        move = np.zeros(40)
        move[index] = small
        ends = [clipped(now + sign * move, before, advantages, 0.2) for sign in (1, -1)]
        assert found[index] == pytest.approx((ends[0] - ends[1]) / (2 * small), abs=1e-4)
    assert 0 < (found == 0).sum() < 40


def test_a_probability_that_runs_away_overflows_nothing() -> None:
    found = surrogate_weights(np.array([900.0, 900.0]), np.zeros(2), np.array([1.0, -1.0]), 0.2)
    assert found[0] == 0
    assert np.isfinite(found).all()


def test_ppo_says_how_far_it_moved_and_clipping_holds_it_back() -> None:
    moved = {}
    for clip in (0.05, 10.0):
        controller = PPOController(problem(), 0, clip=clip, epochs=8, entropy_bonus=0.0, imitation=0.0)
        rng, kls = random.Random(0), []
        for _ in range(40):
            controller.tell(controller.ask().id, [rng.random()])
            if controller.curves:
                kls.append(abs(controller.curves["kl"]))
        assert {"reward", "score", "baseline", "entropy", "clip_fraction", "kl"} == set(controller.curves)
        assert 0 <= controller.curves["clip_fraction"] <= 1
        moved[clip] = np.mean(kls)
    assert moved[0.05] < 0.7 * moved[10.0]
