"""A search that knows latencies: they are a cost like FLOPs, and the same when it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import nas
from nas import plan as plan_module
from nas.controllers import CONTROLLERS, Controller, make
from nas.controllers.problem import Problem
from nas.errors import NasError, ObjectiveError
from nas.evaluators import CallableEvaluator
from nas.latency import blocks as blocks_module
from nas.latency import conditions as conditions_module
from nas.latency.blocks import Blocks, StoreTable
from nas.latency.conditions import Conditions
from nas.latency.measure import Timing
from nas.objectives import LATENCY, Constraint, Objective
from nas.store import open_store
from searchspaces import Architecture, Graph, OneOf, Space, price
from searchspaces.resnet import CIFAR_STEM, Basic, resnet

IMAGE = (1, 8, 8)
OPTIONS: dict[str, Any] = {"image": IMAGE, "baselines": "none", "controller": "random"}


def few() -> Space:
    axes = OneOf("depth", (1, 2, 3)), OneOf("width", (4, 8, 12, 16))
    return Space("few", resnet(Basic(), (axes[0], 1), (axes[1], 16), CIFAR_STEM))


def judge(architecture: Architecture) -> float:
    return 1 - 1e4 / price(architecture.draw(IMAGE, 10)).flops


def fake_parts(graph: Graph) -> list[Timing]:
    """A millisecond for each operation of a part."""
    times = [1e-6, *(1e-6 + 1e-3 * len(part.fragment.nodes) for part in graph.parts[1:])]
    return [Timing(time, time, time, 5) for time in times]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """No clock: the networks that were measured."""
    measured: list[Graph] = []

    def parts(graph: Graph, conditions: Conditions) -> Sequence[Timing]:
        measured.append(graph)
        return fake_parts(graph)

    monkeypatch.setattr(blocks_module, "measure_parts", parts)
    return measured


def sum_of(study: nas.Study, number: int) -> float:
    """The latency of a trial's network, from the study's own table."""
    assert study.spec.latency is not None
    conditions = Conditions(**study.spec.latency)
    blocks = Blocks(conditions, StoreTable(study.store, conditions))
    graph = study.architecture(number).draw(study.spec.image, study.spec.classes)
    assert not blocks.missing(graph)
    return blocks.seconds(graph)


def test_real_latencies_on_digits_resume_and_agree_with_the_table(tmp_path: Path, one_thread: None) -> None:
    options: dict[str, Any] = {
        "objectives": ["accuracy", "latency"],
        "recipe": {"epochs": "1"},
        "baselines": ["resnet8"],
        "controller": "pareto",
        "controller_options": {"startup": 2},
    }
    study = nas.search(few(), storage=tmp_path / "a.db", name="s", budget=3, **options)
    study = nas.resume("s", tmp_path / "a.db", space=few(), budget=5)
    assert len(study.trials) == 6
    for trial in study.trials:
        assert trial.metrics is not None
        assert trial.metrics[LATENCY] == study.values(trial)[1] == sum_of(study, trial.number)
        assert 0 < study.values(trial)[1] < 1
        epochs = study.store.epochs(trial.id)
        assert [epoch.metrics[LATENCY] for epoch in epochs] == [trial.metrics[LATENCY]]


def test_a_resumed_search_measures_no_block_again_and_proposes_the_same(tmp_path: Path, bench: list[Graph]) -> None:
    options = {**OPTIONS, "controller": "pareto", "objectives": ["accuracy", "latency"], "evaluator": judge}
    whole = nas.search(few(), budget=8, **options)
    first = nas.search(few(), storage=tmp_path / "a.db", name="s", budget=4, **options)
    assert first.spec.latency is not None
    before = first.store.latencies(**first.spec.latency, kind="block")
    assert before
    study = nas.resume("s", tmp_path / "a.db", space=few(), evaluator=CallableEvaluator(judge, IMAGE, 10), budget=8)
    after = study.store.latencies(**first.spec.latency, kind="block")
    assert {key: after[key] for key in before} == before  # with the moment at which they were measured
    assert [t.architecture_key for t in study.trials] == [t.architecture_key for t in whole.trials]
    assert [study.values(t) for t in study.trials] == [whole.values(t) for t in whole.trials]


def test_another_machine_cannot_go_on(tmp_path: Path, bench: list[Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    nas.search(few(), storage=tmp_path / "a.db", name="s", budget=1, objectives=["latency"], evaluator=judge, **OPTIONS)
    monkeypatch.setattr(conditions_module, "processor", lambda: "another CPU")
    with pytest.raises(NasError, match="this is 'another CPU"):
        nas.resume("s", tmp_path / "a.db", space=few(), evaluator=CallableEvaluator(judge, IMAGE, 10), budget=2)
    with open_store(tmp_path / "a.db") as store:
        assert store.study("s").finished  # as it was


def test_no_child_breaks_a_bound_and_none_is_trained_that_would(bench: list[Graph]) -> None:
    free = nas.search(few(), budget=12, objectives=["accuracy", "latency"], evaluator=judge, **OPTIONS)
    latencies = sorted(free.values(trial)[1] for trial in free.trials)
    middle = latencies[len(latencies) // 2]
    text = f"latency<={1e3 * middle:.6f}ms"
    study = nas.search(few(), budget=12, constraints=[text], evaluator=judge, **OPTIONS)
    kept = [sum_of(study, trial.number) for trial in study.trials]
    assert 0 < len(kept) < len(latencies)
    assert max(kept) <= Constraint.parse(text).bound
    assert "exhausted" in study.ended_because
    assert text.split("=")[0] in study.ended_because


def test_a_controller_of_ones_own_is_held_to_the_bound(bench: list[Graph]) -> None:
    def careless(problem: Problem, seed: int) -> Controller:
        return make("random", Problem(problem.space, problem.objectives), seed)

    CONTROLLERS["careless"] = careless
    try:
        options = {**OPTIONS, "controller": "careless"}
        study = nas.search(few(), budget=2, constraints=["latency<=1us"], evaluator=judge, **options)
    finally:
        del CONTROLLERS["careless"]
    assert {trial.state for trial in study.trials} == {"infeasible"}
    assert {trial.reason for trial in study.trials} == {"breaks latency<=1us"}


def test_a_result_is_taken_over_only_under_the_same_conditions(tmp_path: Path, bench: list[Graph]) -> None:
    def run(name: str, **more: Any) -> nas.Study:
        options = {"space": few(), "storage": tmp_path / "a.db", "name": name, "budget": 12, "evaluator": judge}
        return nas.search(**{**OPTIONS, **options, **more})

    def reused(study: nas.Study) -> int:
        return sum(trial.reused_from is not None for trial in study.trials)

    assert reused(run("plain")) == 0
    assert reused(run("first", objectives=["accuracy", "latency"])) == 0
    again = run("again", objectives=["accuracy", "latency"])
    assert reused(again) == len(again.trials) > 0
    assert reused(run("batches", objectives=["accuracy", "latency"], latency={"batch": 8})) == 0


def test_a_metric_named_latency_is_the_evaluators_own_where_it_has_a_direction(bench: list[Graph]) -> None:
    def own(architecture: Architecture) -> dict[str, float]:
        return {"accuracy": 0.5, "latency": 12.0}

    study = nas.search(few(), budget=2, objectives=["accuracy", "latency:min"], evaluator=own, **OPTIONS)
    assert [study.values(trial) for trial in study.trials] == [[0.5, 12.0]] * 2
    assert study.spec.latency is None
    assert bench == []
    with pytest.raises(
        ObjectiveError, match="of its own, and the study asks for the measured one; ask for latency:min"
    ):
        nas.search(few(), budget=2, objectives=["accuracy", "latency"], evaluator=own, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"constraints": ["latency<=5"]}, "a latency has a unit, s, ms or us, as in 'latency<=5ms'"),
        ({"constraints": ["flops<=5ms"]}, "'ms' is a unit of latency only"),
        ({"latency": {"threads": 2}}, "options of latency go with the objective 'latency'"),
        ({"objectives": ["latency"], "latency": {"batch": 0}}, "batch = 0"),
        ({"objectives": ["latency", "latency:min"]}, "a metric of the evaluator's own"),
    ],
)
def test_bad_words_are_refused_before_anything_is_measured(
    options: Mapping[str, Any], message: str, bench: list[Graph]
) -> None:
    with pytest.raises(NasError, match=message):
        nas.search(few(), budget=1, evaluator=judge, **{**OPTIONS, **options})
    assert bench == []


def test_a_problem_knows_latency_as_it_knows_flops() -> None:
    asked: list[Graph] = []

    def latency(graph: Graph) -> float:
        asked.append(graph)
        return len(graph.nodes) / 1e3

    space = few()
    objectives = [Objective.parse(text) for text in ("accuracy", "latency", "flops")]
    rules = [Constraint.parse("latency<=1s"), Constraint.parse("flops<=1k")]
    problem = Problem(space, objectives, rules, IMAGE, 10, latency=latency)
    point = space.point({"depth": 0, "width": 0})
    assert not problem.allowed(point)
    assert asked == []  # too dear already: not worth measuring
    graph = space.decode(point).draw(IMAGE, 10)
    assert problem.exact(point) == {1: len(graph.nodes) / 1e3, 2: price(graph).flops}
    problem.exact(point)
    assert len(asked) == 1
    without = Problem(space, objectives, rules[:1], IMAGE, 10)
    assert set(without.exact(point)) == {2}
    assert without.allowed(point)


def test_workers_start_after_the_blocks_are_measured(bench: list[Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ray, whose workers keep the machine busy."""
    known: list[int] = []

    class Stop(Exception):
        pass

    def executor(*_: Any, **__: Any) -> Iterator[None]:
        known.append(len(bench))
        raise Stop

    monkeypatch.setattr(plan_module, "make_executor", executor)
    options = {**OPTIONS, "executor": "ray", "objectives": ["accuracy", "latency"]}
    with pytest.raises(Stop):
        nas.search(few(), budget=1, evaluator=judge, **options)
    assert known[0] > 0
