"""The benchmark of controllers: what is measured, against what, by whom, and in which processes."""

from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import os
import random
import re
import signal
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nas.benchmark import synthetic
from nas.benchmark.contest import (
    ONE_THREAD,
    RIVALS,
    Entry,
    Run,
    Survey,
    _processes,
    contest,
    entries,
    parse,
    run,
)
from nas.benchmark.problems import Benchmark, every_point, made_up, tabled, yardstick
from nas.benchmark.report import footnote, markdown, measure
from nas.benchmark.rivals import SAMPLERS
from nas.controllers import CONTROLLERS
from nas.errors import BenchmarkError, ControllerError
from nas.tabular import TabularEvaluator
from searchspaces import Architecture, Stage, find_space, price
from searchspaces.nasbench_macro import code

SPACE = "nasbench_macro"


def table(folder: Path, missing: str = "") -> Benchmark:
    """All points of the real space, with accuracies made up of the digits; the best has the code 21021021."""
    best = "21021021"
    rows = {}
    for digits in itertools.product("012", repeat=8):
        key = "".join(digits)
        if not missing or not key.startswith(missing):
            same = sum(a == b for a, b in zip(key, best, strict=True))
            rows[key] = {"acc": 80 + 2 * same}
    path = folder / "table.json"
    path.write_text(json.dumps(rows))
    return tabled(TabularEvaluator(path, code, {"val_accuracy": "acc/100"}, space=SPACE), SPACE)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return table(tmp_path_factory.mktemp("table"))


# --- the yardstick ------------------------------------------------------------------------------------------


def area(values: list[tuple[float, float]], least: float, dearest: float) -> float:
    """The dominated area by its definition: sweep from the cheapest on."""
    found, best = 0.0, least
    for accuracy, flops in sorted(values, key=lambda value: (value[1], -value[0])):
        if accuracy > best:
            found += (accuracy - best) * (dearest - flops)
            best = accuracy
    return found


def test_regret_and_hypervolume_are_what_their_names_say() -> None:
    rng = random.Random(0)
    every = [(rng.uniform(0.7, 0.95), rng.uniform(1e6, 5e7)) for _ in range(300)]
    stick = yardstick(every, 0.85, networks=300)
    dearest = max(flops for _, flops in every)
    assert (stick.best, stick.flops, stick.known, stick.logarithmic) == (max(a for a, _ in every), dearest, True, False)
    some = rng.sample(every, 12)
    assert stick.volume_of(some) == pytest.approx(area(some, 0.85, dearest) / area(every, 0.85, dearest))
    assert stick.volume_of(every) == pytest.approx(1)
    assert stick.volume_of([]) == stick.volume_of([(0.85, 1e6), (0.95, dearest)]) == 0
    assert stick.regret(a for a, _ in some) == stick.best - max(a for a, _ in some)
    assert stick.regret([]) == stick.best


def test_costs_of_several_powers_of_ten_are_compared_by_their_logarithm() -> None:
    every = [(0.5 + 0.05 * n, 10.0**n) for n in range(3, 9)]
    stick = yardstick(every, None, networks=None)
    assert stick.logarithmic
    assert not stick.known
    assert stick.accuracy == pytest.approx(0.8)  # the median
    logs = [(accuracy, math.log10(flops)) for accuracy, flops in every]
    assert stick.volume == pytest.approx(area(logs, 0.8, 8))


def test_a_yardstick_without_length_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"no network is above the reference accuracy 0\.99"):
        yardstick([(0.9, 1e6), (0.8, 1e5)], 0.99, 2)
    with pytest.raises(BenchmarkError, match="no network of the space has a result"):
        yardstick([], 0.5, 0)


def test_every_point_is_every_point(benchmark: Benchmark) -> None:
    points = list(every_point(benchmark.space))
    assert len(points) == len(set(points)) == benchmark.space.size == 6561


def test_a_value_is_that_of_the_table_at_our_price(benchmark: Benchmark) -> None:
    space = benchmark.space
    point = space.point({f"layer{place}": int(digit) for place, digit in enumerate("21021020", 1)})
    graph = space.decode(point).draw((3, 32, 32), 10)
    assert benchmark.value(point) == (0.94, price(graph).flops)
    assert benchmark.network(point) == graph.key


def test_what_the_table_lacks_has_no_value(tmp_path: Path) -> None:
    benchmark = table(tmp_path, missing="2")
    lacking = [point for point in every_point(benchmark.space) if point["layer1"] == 2]
    assert all(benchmark.value(point) is None for point in lacking[:5])
    for name in ("random", "optuna-tpe"):
        found = run(benchmark, Entry(name, "two", 0), 15)
        assert None in found.values
        assert any(found.values)


# --- made-up accuracies ---------------------------------------------------------------------------------------


def drawn(kind: str, count: int = 200) -> list[tuple[float, float]]:
    benchmark = made_up(kind, "resnext", 32)
    rng = random.Random(0)
    return [value for _ in range(count) if (value := benchmark.value(benchmark.space.sample(rng)))]


def test_a_made_up_accuracy_is_a_function_of_the_network_alone() -> None:
    network = find_space("resnext", 32).networks["resnext29_8x64d"]
    longer = Architecture(network.stem, (*network.stages, Stage(network.stages[0].block, 0, 8)), network.head)
    first, second = (each.draw((3, 32, 32), 10) for each in (network, longer))
    assert first.key == second.key
    for kind in synthetic.KINDS:
        assert synthetic.accuracy(first, kind) == synthetic.accuracy(second, kind)


def test_the_rugged_form_is_the_smooth_one_with_a_grain_of_fixed_size() -> None:
    steps = [rugged[0] - smooth[0] for smooth, rugged in zip(drawn("smooth"), drawn("rugged"), strict=True)]
    assert max(map(abs, steps)) <= synthetic.GRAIN
    assert statistics.stdev(steps) == pytest.approx(synthetic.GRAIN / math.sqrt(3), rel=0.15)  # uniform
    assert abs(statistics.mean(steps)) < 0.002


def test_more_work_helps_but_the_dearest_network_is_not_the_best() -> None:
    values = drawn("smooth", 1000)
    accuracies = [accuracy for accuracy, _ in values]
    assert 0.1 < min(accuracies) < max(accuracies) < 0.96
    logs = [math.log(flops) for _, flops in values]
    assert 0.2 < statistics.correlation(accuracies, logs) < 0.9
    ordered = sorted(values, key=lambda value: value[1])
    assert max(accuracies) > max(accuracy for accuracy, _ in ordered[-50:]) > max(a for a, _ in ordered[:50])


def test_the_made_up_accuracies_have_not_changed() -> None:
    """Figures in the documentation were measured on these."""
    network = find_space("resnext", 32).networks["resnext29_8x64d"].draw((3, 32, 32), 10)
    assert [round(synthetic.accuracy(network, kind), 9) for kind in synthetic.KINDS] == [0.752162225, 0.7529174]


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with pytest.raises(BenchmarkError, match="unknown synthetic problem 'smoth'; did you mean 'smooth'"):
        made_up("smoth", "resnext", 32)


# --- runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "tpe+startup=5", "optuna-tpe", "optuna-nsga2", "optuna-random"])
def test_a_run_is_the_same_again_and_another_with_another_seed(name: str, benchmark: Benchmark) -> None:
    first, again, other = (run(benchmark, Entry(name, "two", seed), 30) for seed in (0, 0, 1))
    assert first.values == again.values != other.values
    assert len(first.values) == len(first.seconds) == 30
    assert all(seconds > 0 for seconds in first.seconds)


def test_ours_propose_no_network_twice_and_rivals_may(benchmark: Benchmark) -> None:
    ours = run(benchmark, Entry("tpe", "one", 0), 60)
    rival = run(benchmark, Entry("optuna-tpe", "one", 0), 60)
    assert ours.networks == 60
    assert 10 < rival.networks < 60


def test_those_who_learn_come_nearer_than_chance(benchmark: Benchmark) -> None:
    best: dict[str, float] = {}
    for name in ("random", "tpe", "optuna-tpe"):
        runs = [run(benchmark, Entry(name, "one", seed), 80) for seed in range(3)]
        best[name] = statistics.mean(max(value[0] for value in each.values if value) for each in runs)
    assert min(best["tpe"], best["optuna-tpe"]) > best["random"], best


def test_the_gaussian_process_rival_runs_for_both_goals(benchmark: Benchmark, one_thread: None) -> None:
    for goal in ("one", "two"):
        assert len(run(benchmark, Entry("optuna-gp", goal, 0), 13).values) == 13  # ten are random


def test_a_run_that_exhausts_its_space_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"x": {"val_accuracy": 0.5}}))
    benchmark = Benchmark("few", "test_benchmark:few", (3, 8, 8), 10, TabularEvaluator(path, lambda _: "x"))
    ended = run(benchmark, Entry("random", "one", 0), 9)
    assert len(ended.values) == len(ended.seconds) == 3
    assert "is exhausted" in ended.ended
    assert len(run(benchmark, Entry("optuna-random", "one", 0), 9).values) == 9


def few(image: int) -> Any:
    """A space of three networks."""
    from searchspaces import OneOf, Space
    from searchspaces.resnet import CIFAR_STEM, Basic, resnet

    return Space("few", resnet(Basic(), (OneOf("depth", (1, 2, 3)),), (8,), CIFAR_STEM))


# --- who takes part -------------------------------------------------------------------------------------------


def test_entries_are_everyone_for_the_goals_that_they_have() -> None:
    found = entries(["random", "optuna-nsga2"], ["one", "two"], [4, 5])
    assert [(entry.name, entry.goal, entry.seed) for entry in found if entry.seed == 5] == [
        *(("random", "one", 5), ("random", "two", 5), ("optuna-nsga2", "two", 5)),
    ]
    assert len(found) == 6
    assert set(RIVALS) == set(SAMPLERS)
    assert not set(RIVALS) & set(CONTROLLERS)


def test_options_stand_in_the_name() -> None:
    assert parse("pareto+startup=12+refit=0.5") == ("pareto", {"startup": 12, "refit": 0.5})
    assert parse("tpe+joint=true") == ("tpe", {"joint": True})
    assert parse("tpe+joint=yes") == ("tpe", {"joint": "yes"})


@pytest.mark.parametrize(
    ("names", "goals", "problem"),
    [
        (["paretto"], ["one"], "unknown controller 'paretto'; did you mean 'pareto'"),
        (["pareto+startup"], ["one"], "options are written as in"),
        (["optuna-tpe+startup=3"], ["one"], "a rival is taken as it comes"),
        (["optuna-nsga2"], ["one"], "no controller for these objectives"),
    ],
)
def test_who_does_not_exist_is_named(names: list[str], goals: list[Any], problem: str) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(problem)):
        entries(names, goals, [0])


# --- processes ------------------------------------------------------------------------------------------------


def test_processes_have_one_thread_and_leave_ctrl_c_to_this_one() -> None:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    with _processes(1) as submit:
        assert [submit(partial(os.getenv, name)).result() for name in ONE_THREAD] == ["1"] * len(ONE_THREAD)
        assert signal.SIGINT in submit(partial(signal.pthread_sigmask, signal.SIG_BLOCK, [])).result()
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_process_that_dies_is_one_line() -> None:
    def work() -> None:
        with _processes(1) as submit:
            submit(partial(os._exit, 3)).result()

    with pytest.raises(BenchmarkError, match="a process of the benchmark died"):
        work()


def test_an_error_in_a_process_ends_the_others(benchmark: Benchmark) -> None:
    before = {process.pid for process in multiprocessing.active_children()}
    everyone = [Entry("pareto+startup=1", "one", 0), Entry("random", "one", 0)]
    with pytest.raises(ControllerError, match="controller 'pareto': startup = 1"):
        contest(benchmark, everyone, 500, 2)
    assert {process.pid for process in multiprocessing.active_children()} <= before


def test_a_contest_gives_the_runs_of_this_process_in_order(benchmark: Benchmark) -> None:
    everyone = entries(["random", "optuna-random"], ["one"], [0, 1])
    seen: list[tuple[int, int]] = []
    runs, survey = contest(benchmark, everyone, 12, 2, lambda done, total: seen.append((done, total)))
    assert [each.entry for each in runs] == everyone
    assert [each.values for each in runs] == [run(benchmark, entry, 12).values for entry in everyone]
    assert survey.networks == len(survey.values) == 3969
    assert max(accuracy for accuracy, _ in survey.values) == 0.96
    assert seen == [(done, 5) for done in range(1, 6)]


# --- the report -----------------------------------------------------------------------------------------------


def made(benchmark: Benchmark) -> dict[str, Any]:
    """Two runs each of two controllers, with values by hand."""
    a, b = (0.90, 4e6), (0.95, 8e6)
    survey = Survey(((0.80, 1e6), a, b, (0.94, 1e7)), 4)
    runs = [
        Run(Entry("random", "one", 0), (a, None, b), (0.001, 0.002, 0.003), 3),
        Run(Entry("random", "one", 1), (None, a, a), (0.001, 0.002, 0.009), 2),
        Run(Entry("optuna-tpe", "two", 0), (a,), (0.5,), 1, "is exhausted"),
    ]
    return measure(benchmark, runs, survey, [1, 3], 0.85, jobs=2)


def test_the_document_has_means_and_standard_errors(benchmark: Benchmark) -> None:
    document = made(benchmark)
    ours, rival = document["results"]
    assert (ours["controller"], ours["ours"], ours["objectives"], ours["seeds"]) == ("random", True, "one", [0, 1])
    assert (rival["ours"], rival["ended"], ours["ended"]) == (False, 1, 0)
    first, last = ours["budgets"]
    # The second run had nothing after one child: its regret is all there is.
    assert first["regret"] == pytest.approx((0.05 + 0.95) / 2)
    assert last["regret"] == pytest.approx((0 + 0.05) / 2)
    assert last["regret_error"] == pytest.approx(0.025)  # |0.05 - 0| / 2
    true = 0.05 * 6e6 + 0.05 * 2e6
    assert document["problem"]["volume"] == pytest.approx(true)
    assert last["hypervolume"] == pytest.approx((1 + 0.05 * 6e6 / true) / 2)
    assert ours["milliseconds"] == {"median": 2.0, "max": 9.0}
    assert ours["duplicates"] == pytest.approx(1 / 6)
    assert rival["budgets"][1]["regret"] == rival["budgets"][0]["regret"] == pytest.approx(0.05)
    assert rival["budgets"][0]["regret_error"] is None
    assert [run["regret"][-1] for run in document["runs"]] == pytest.approx([0, 0.05, 0.05])
    assert [point["children"] for point in ours["curve"]] == [1, 2, 3]
    json.dumps(document, allow_nan=False)


def test_what_is_unknown_is_measured_against_all_that_was_seen(benchmark: Benchmark) -> None:
    survey = Survey(((0.80, 1e6), (0.90, 9e6)), None)
    runs = [Run(Entry("random", "one", 0), ((0.93, 2e6),), (0.001,), 1)]
    document = measure(benchmark, runs, survey, [1], None, jobs=1)
    assert document["problem"]["best_accuracy"] == 0.93
    assert document["problem"]["known"] is False
    assert document["problem"]["reference"] == {"accuracy": pytest.approx(0.85), "flops": 9e6}  # the sample's median
    assert document["results"][0]["budgets"][0]["regret"] == 0
    assert "everything that any controller found and 20,000 random points" in footnote(document)


def test_the_table_for_a_readme(benchmark: Benchmark) -> None:
    document = made(benchmark)
    lines = markdown(document).splitlines()
    assert lines[0] == (
        "| controller | regret, points, after 1 | regret, points, after 3 | hypervolume after 1 | hypervolume after 3 "
        "| ms a proposal | duplicates |"
    )
    assert lines[2:] == [
        "| `optuna-tpe` | – | – | 0.7500 | 0.7500 | 500 (max 500) | 0 % |",
        "| `random` | 50.000 ± 45.000 | 2.500 ± 2.500 | – | – | 2 (max 9) | 17 % |",
    ]
    assert "all 4 networks" in footnote(document)


def test_the_picture_needs_a_folder_a_suffix_and_matplotlib(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.benchmark import picture

    document = made(benchmark)
    for path, problem in ((tmp_path / "a.gif", "ends in .svg, .png, .pdf"), (tmp_path / "no" / "a.svg", "no folder")):
        with pytest.raises(BenchmarkError, match=re.escape(problem)):
            picture.draw(document, path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(BenchmarkError, match=r"a plot needs matplotlib: pip install 'nas\[bench\]'"):
            picture.draw(document, tmp_path / "a.svg")
    pytest.importorskip("matplotlib")
    picture.draw(document, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text.startswith("<?xml")
    assert "random" in text
