"""What controllers find on networks that were really trained: NAS-Bench-Macro (Su et al. 2021), where its table is."""

from __future__ import annotations

import statistics

import pytest
from macro_table import FILES, listed

from nas.benchmark.contest import Entry, Goal, Run, run
from nas.benchmark.problems import Benchmark, Yardstick, every_point, tabled, yardstick
from nas.tabular import TabularEvaluator

pytestmark = [
    listed,
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return tabled(TabularEvaluator.named(f"table:{FILES[0]}", "nasbench_macro", {}), "nasbench_macro")


@pytest.fixture(scope="module")
def stick(benchmark: Benchmark) -> Yardstick:
    values = (benchmark.value(point) for point in every_point(benchmark.space))
    return yardstick([value for value in values if value is not None], 0.85, None)


def runs(benchmark: Benchmark, name: str, goal: Goal, budget: int, seeds: int = 3) -> list[Run]:
    return [run(benchmark, Entry(name, goal, seed), budget) for seed in range(seeds)]


def mean_regret(found: list[Run], stick: Yardstick) -> float:
    return statistics.mean(stick.regret(value[0] for value in run.values if value) for run in found)


def test_pareto_comes_within_a_few_hundredths_of_a_point_in_fifty_children(
    benchmark: Benchmark, stick: Yardstick
) -> None:
    found = runs(benchmark, "pareto", "one", 50)
    assert mean_regret(found, stick) <= 0.0003, "in fractions; 24 seeds give 0.00002"
    assert all(run.networks == 50 for run in found), "no network twice"


def test_pareto_covers_the_true_front_with_sixty_children(benchmark: Benchmark, stick: Yardstick) -> None:
    found = runs(benchmark, "pareto", "two", 60)
    volumes = [stick.volume_of([value for value in run.values if value]) for run in found]
    assert statistics.mean(volumes) >= 0.955, "24 seeds give 0.97"


@pytest.mark.parametrize("name", ["ppo", "reinforce", "evolution", "local"])
def test_the_others_are_well_ahead_of_chance(benchmark: Benchmark, stick: Yardstick, name: str) -> None:
    chance = mean_regret(runs(benchmark, "random", "one", 150), stick)
    assert mean_regret(runs(benchmark, name, "one", 150), stick) <= 0.25 * chance
