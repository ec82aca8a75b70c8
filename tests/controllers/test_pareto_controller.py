"""The controller `pareto`, and the model inside: a Gaussian process, expected gains, a pool of candidates."""

from __future__ import annotations

import random
import time
from itertools import product

import numpy as np
import pytest
from controller_contract import ACCURACY, FLOPS, THREE, TWO, ControllerContract
from controller_spaces import accuracy, conditional

from nas import pareto
from nas.controllers import Proposal, make
from nas.controllers.acquisition import expected_area, expected_improvement, expected_volume
from nas.controllers.gaussian import Columns, GaussianProcess
from nas.controllers.problem import Problem
from nas.objectives import Constraint
from searchspaces import Point, find_space, price

IMAGE = (3, 32, 32)


class TestPareto(ControllerContract):
    name = "pareto"
    options = {"startup": 5}  # noqa: RUF012 - as in the contract


# --- the Gaussian process ---------------------------------------------------------------------------------


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3))


def wave(x: np.ndarray) -> np.ndarray:
    return np.sin(4 * x[:, 0]) + 0.5 * x[:, 1]  # the third feature means nothing


def fitted(count: int = 60) -> GaussianProcess:
    process = GaussianProcess(Columns(((0,), (1,), (2,))))
    process.fit(rows(count), wave(rows(count)), steps=60)
    process.condition(rows(count), wave(rows(count)))
    return process


def test_it_learns_a_smooth_function_and_knows_what_it_does_not_know() -> None:
    process = fitted()
    near = process.posterior(rows(200, seed=1))
    assert np.abs(near.mean - wave(rows(200, seed=1))).max() < 0.1
    far = process.posterior(rows(5, seed=1) + 10)
    assert far.deviation.min() > 3 * near.deviation.max()
    known = process.posterior(rows(60))
    assert np.abs(known.mean - wave(rows(60))).max() < 0.05


def test_relevance_goes_to_the_features_that_matter() -> None:
    relevances = np.exp(fitted()._theta[:3])
    assert relevances[0] > 10 * relevances[2]


def test_the_gradient_of_the_evidence_is_that_of_finite_differences() -> None:
    from nas.controllers.gaussian import _evidence, _squared

    x, goal = rows(12), wave(rows(12))
    distances = np.stack([_squared(x[:, [i]], x[:, [i]]) for i in range(3)])
    theta = np.array([0.3, -0.5, 0.1, 0.2, -2.0])
    prior = (np.array([-1.0, -2.0, 0.5, 0.0, -4.0]), np.array([1.5, 1.0, 2.0, 1.0, 0.5]))
    _, gradient = _evidence(theta, distances, goal, *prior)
    for index in range(5):
        step = np.eye(5)[index] * 1e-6
        ends = [_evidence(theta + sign * step, distances, goal, *prior)[0] for sign in (1, -1)]
        rise = ends[0] - ends[1]
        assert gradient[index] == pytest.approx(rise / 2e-6, rel=1e-4)


def test_along_the_trend_a_line_goes_on_where_nothing_is_known() -> None:
    """Accuracy grows with log FLOPs: without the line, what is far cheaper than anything known would look as good."""
    columns = rows(20)
    columns[:, 2] = np.linspace(-1, 1, 20)
    targets = 0.5 + 0.1 * columns[:, 2]
    far = np.array([[0.5, 0.5, -6.0], [0.5, 0.5, 6.0]])
    means = {}
    for trend in (None, 2):
        process = GaussianProcess(Columns(((0,), (1,)), ((2,),), trend))
        process.condition(columns, targets)
        means[trend] = process.posterior(far).mean
    assert means[2] == pytest.approx([-0.1, 1.1], abs=0.1)
    assert np.abs(means[None] - 0.5).max() < 0.05
    assert process.posterior(columns).mean == pytest.approx(targets, abs=0.01)


def test_of_many_axes_each_is_expected_to_matter_less() -> None:
    few, many = (GaussianProcess(Columns(tuple((axis,) for axis in range(count)), ((count,),))) for count in (4, 40))
    assert few._theta[0] == few._theta[4] == many._theta[40]
    assert many._theta[0] == pytest.approx(few._theta[0] - np.log(10))


def test_a_fit_stays_where_nothing_overflows() -> None:
    """Columns that explain nothing, or everything, pull their relevance to the ends of its reach."""
    process = GaussianProcess(Columns(((0,), (1,), (2,))))
    steep = (rows(30)[:, 0] > 0.5) * 1e9
    process.fit(rows(30), steep, steps=500)
    assert (np.abs(process._theta - process._centres) <= 4.0 * process._widths + 1e-9).all()
    process.condition(rows(30), steep)
    assert np.isfinite(process.posterior(rows(10, seed=3)).mean).all()


def test_believing_is_conditioning_on_the_expected_value() -> None:
    process = fitted(20)
    candidates = rows(30, seed=2)
    posterior = process.posterior(candidates)
    before = posterior.mean.copy()
    for index in (4, 9):
        posterior.believe(index)
    assert np.allclose(posterior.mean, before)
    # The same, all at once; targets keep their standardisation, since the believed values are added to the kernel only.
    weights, amplitude, noise = process._parameters()
    from nas.controllers.gaussian import _matern, _squared

    known = np.vstack([process.rows, candidates[[4, 9]]]) * weights
    kernel = amplitude * _matern(_squared(known, known)) + noise * np.eye(22)
    cross = amplitude * _matern(_squared(known, candidates * weights))
    variance = amplitude - np.einsum("ij,ij->j", cross, np.linalg.solve(kernel, cross))
    assert np.allclose((posterior.deviation / process._scale) ** 2, variance, atol=1e-6)


def test_a_freak_does_not_spoil_the_rest() -> None:
    targets = wave(rows(40))
    targets[7] = -1e6
    process = GaussianProcess(Columns(((0,), (1,), (2,))))
    process.fit(rows(40), targets, steps=40)
    process.condition(rows(40), targets)
    others = [index for index in range(40) if index != 7]
    found = process.posterior(rows(40)).mean
    assert np.corrcoef(found[others], targets[others])[0, 1] > 0.9


# --- expected gains -----------------------------------------------------------------------------------------


def test_expected_improvement_is_the_mean_of_improvements() -> None:
    draws = np.random.default_rng(0).standard_normal(400_000)
    for mean, deviation, best in ((0.0, 1.0, 0.5), (1.0, 0.3, 0.5), (-1.0, 0.5, 0.5)):
        expected = np.maximum(mean + deviation * draws - best, 0).mean()
        found = expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
        assert found == pytest.approx(expected, abs=3e-3)


def test_the_expected_area_is_the_mean_gain_of_the_hypervolume() -> None:
    front = np.array([[0.3, 0.9], [0.6, 0.5], [0.8, 0.2], [0.2, 0.1], [-0.5, 0.95]])
    rng = np.random.default_rng(1)
    before = pareto.hypervolume(front, [True, True], [0.0, 0.0])
    for mean, deviation, exact in ((0.5, 0.2, 0.7), (0.9, 0.1, 0.05), (0.1, 0.3, 1.2), (0.7, 0.2, -0.1)):
        gains = [
            pareto.hypervolume(np.vstack([front, [y, exact]]), [True, True], [0.0, 0.0]) - before
            for y in mean + deviation * rng.standard_normal(4000)
        ]
        found = expected_area(np.array([mean]), np.array([deviation]), np.array([exact]), front)[0]
        assert found == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(4000) + 1e-9)


def test_the_estimate_for_many_objectives_orders_as_the_exact_gain_does() -> None:
    rng = np.random.default_rng(2)
    front, means = rng.random((6, 2)), rng.random((60, 2))
    deviations = np.zeros((60, 2))
    deviations[:, 0] = 0.1
    exact = expected_area(means[:, 0], deviations[:, 0], means[:, 1], front)
    estimate = expected_volume(means, deviations, front, np.random.default_rng(0))
    assert np.corrcoef(exact, estimate)[0, 1] > 0.95


# --- the controller -----------------------------------------------------------------------------------------


def told(proposal: Proposal, problem: Problem) -> list[float]:
    """A smooth accuracy that grows with the logarithm of FLOPs and likes kernel 5; and the exact objectives."""
    cost = problem.cost(proposal.point)
    assert cost is not None
    axes = problem.space.labels(proposal.point)
    score = 0.5 + 0.05 * np.log(cost.flops / 1e5) + 0.05 * (axes["kernel"] == 5) - 0.02 * (axes["ratio"] == 4.0)
    exact = problem.exact(proposal.point)
    return [exact.get(place, float(score)) for place in range(len(problem.objectives))]


def search(problem: Problem, budget: int, name: str = "pareto", seed: int = 0) -> list[tuple[Point, list[float]]]:
    controller = make(name, problem, seed)
    found = []
    for _ in range(budget):
        proposal = controller.ask()
        values = told(proposal, problem)
        controller.tell(proposal.id, values)
        found.append((proposal.point, values))
    return found


def volume(found: list[tuple[Point, list[float]]]) -> float:
    values = [[row[0], np.log(row[1])] for _, row in found]
    return pareto.hypervolume(values, [True, False], [0.3, np.log(1e11)])


@pytest.fixture(scope="module")
def resnext() -> Problem:
    return Problem(find_space("resnext", 32), TWO, (), IMAGE, 10)


def test_it_starts_from_hand_designed_networks(resnext: Problem) -> None:
    controller = make("pareto", resnext, 0)
    first = [controller.ask().point for _ in range(4)]
    networks = set(resnext.hand_designed())
    assert set(first) <= networks
    assert controller.ask().point not in networks
    costs = [resnext.cost(point) for point in first]
    assert max(c.flops for c in costs if c) > 20 * min(c.flops for c in costs if c)  # from the cheapest to the dearest


def test_it_finds_a_better_front_than_chance(resnext: Problem) -> None:
    ours = np.mean([volume(search(resnext, 40, seed=seed)) for seed in range(2)])
    chance = np.mean([volume(search(resnext, 40, "random", seed)) for seed in range(2)])
    assert ours > chance


def test_its_predictions_are_ranked_right_and_reported(resnext: Problem) -> None:
    controller = make("pareto", resnext, 0)
    for _ in range(40):
        proposal = controller.ask()
        controller.tell(proposal.id, told(proposal, resnext))
    assert controller.curves["rank_correlation"] > 0.8
    assert controller.curves["noise"] < 0.5
    assert controller.curves["expected_gain"] >= 0


def test_exact_objectives_alone_need_no_training() -> None:
    problem = Problem(find_space("resnext", 32), (FLOPS,), (), IMAGE, 10)
    found = search(problem, 30)
    flops = [row[0] for _, row in found]
    rng = random.Random(0)
    costs = [problem.cost(problem.space.sample(rng)) for _ in range(300)]
    assert min(flops) < np.quantile([cost.flops for cost in costs if cost], 0.02)


@pytest.mark.parametrize("objectives", [(ACCURACY,), TWO, THREE[:1] + THREE[2:]], ids=["one", "two", "measured"])
def test_constraints_are_kept_and_no_network_comes_twice(objectives: tuple) -> None:
    rule = Constraint.parse("flops<=30M")
    space = find_space("nasbench_macro", 32)
    problem = Problem(space, objectives, (rule,), IMAGE, 10)
    controller = make("pareto", problem, 3)
    keys = []
    for number in range(40):
        proposal = controller.ask()
        graph = space.decode(proposal.point).draw(IMAGE, 10)
        assert rule.holds(price(graph).to_json())
        keys.append(graph.key)
        controller.tell(proposal.id, [0.5 + number % 3 / 10, *[1.0 + number % 7] * (len(objectives) - 1)])
    assert len(set(keys)) == 40


def test_a_batch_in_flight_spreads(resnext: Problem) -> None:
    controller = make("pareto", resnext, 0)
    for _ in range(20):
        proposal = controller.ask()
        controller.tell(proposal.id, told(proposal, resnext))
    batch = [controller.ask().point for _ in range(32)]
    costs = [cost.flops for cost in map(resnext.cost, batch) if cost]
    assert len(set(batch)) == 32
    assert max(costs) > 5 * min(costs)


def test_failures_are_avoided() -> None:
    """Children with one of the kernels always fail: the model must turn away from them."""
    problem = Problem(find_space("resnext", 32), TWO, (), IMAGE, 10)
    controller = make("pareto", problem, 0)
    failed = []
    for _ in range(60):
        proposal = controller.ask()
        bad = problem.space.labels(proposal.point)["kernel"] == 5
        failed.append(bad)
        controller.tell(proposal.id, None if bad else told(proposal, problem))
    assert np.mean(failed[30:]) < 0.35


def test_a_proposal_is_quick(resnext: Problem) -> None:
    """The bound is generous, since other processes run beside the tests; docs/performance.md has the figures."""
    controller = make("pareto", resnext, 0)
    for _ in range(30):
        proposal = controller.ask()
        controller.tell(proposal.id, told(proposal, resnext))
    start = time.perf_counter()
    for _ in range(10):
        controller.ask()
    assert time.perf_counter() - start < 5


def test_every_combination_of_results_is_survived() -> None:
    """Constant, huge, negative and missing values in any order."""
    for values in product([(0.5, 1e6), (-1e30, 1e30), None], repeat=2):
        controller = make("pareto", Problem(conditional(), TWO), 0, startup=2)
        for number in range(12):
            proposal = controller.ask()
            controller.tell(proposal.id, values[number % 2])
        assert all(map(np.isfinite, controller.curves.values()))


def test_the_synthetic_best_is_found() -> None:
    """On the conditional space of the contract, with one objective: far above what chance finds."""
    best = []
    for name in ("pareto", "random"):
        controller = make(name, Problem(conditional(), (ACCURACY,)), 0)
        values = []
        for _ in range(80):
            proposal = controller.ask()
            values.append(accuracy(proposal.point))
            controller.tell(proposal.id, values[-1:])
        best.append(max(values))
    assert best[0] > best[1] + 0.05
