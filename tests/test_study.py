"""The search loop: what is trained, what is not, what is told, and that a resumed study is the same study."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.api import add_baselines
from nas.controllers import CONTROLLERS, Proposal
from nas.controllers.problem import Problem
from nas.errors import StoreError, StudyError
from nas.executors import Driver
from nas.plan import make_plan
from nas.replay import replay
from nas.store import Store, open_store
from nas.study import Loop
from searchspaces import Architecture, OneOf, Space, price
from searchspaces.mobilenet import Separable
from searchspaces.resnet import CIFAR_STEM, resnet

IMAGE = (1, 8, 8)


def score(architecture: Architecture) -> float:
    """A made-up accuracy that grows with the network and has some grain, the same in every process."""
    flops = price(architecture.draw(IMAGE, 10)).flops
    grain = random.Random(architecture.key).random()
    return 0.5 + 0.4 * flops / (flops + 2e6) + 0.05 * grain


class Judge:
    """An evaluator that counts what it trains and can break on purpose."""

    key = "judge"
    image, classes = IMAGE, 10

    def __init__(self, break_at: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.trained: list[str] = []
        self.break_at, self.error = break_at, error

    def run(self, architecture: Architecture, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
        self.trained.append(architecture.key)
        for epoch in (1, 2):
            if len(self.trained) == self.break_at and epoch == 2:
                raise self.error("broken on purpose")
            yield {"epoch": epoch, "val_accuracy": score(architecture) * epoch / 2}


def children(study: nas.Study) -> list[str]:
    return [trial.architecture_key for trial in study.trials if trial.kind == "child"]


def run(judge: Judge, **options: Any) -> nas.Study:
    settings: dict[str, Any] = {"space": "resnext", "evaluator": judge, "budget": 12, "baselines": "none"}
    return nas.search(**{**settings, **options})


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_same_seed_same_children_in_the_same_order(controller: str) -> None:
    first, second = (run(Judge(), controller=controller, seed=3) for _ in range(2))
    assert children(first) == children(second)
    assert children(first) != children(run(Judge(), controller=controller, seed=4))


def test_budget_counts_trained_children_and_each_is_trained_once() -> None:
    judge = Judge()
    study = run(judge, budget=30, controller="nsga2")
    assert len(judge.trained) == 30
    assert max(Counter(judge.trained).values()) == 1
    assert sum(trial.state == "complete" and trial.reused_from is None for trial in study.trials) == 30


def test_known_children_are_answered_across_studies_and_do_not_use_the_budget(tmp_path: Path) -> None:
    first, second = Judge(), Judge()
    run(first, storage=tmp_path / "nas.db", seed=1, controller="random")
    again = run(second, storage=tmp_path / "nas.db", seed=1, controller="random")
    assert not set(first.trained) & set(second.trained)
    assert len(second.trained) == 12
    reused = [trial for trial in again.trials if trial.reused_from is not None]
    assert [trial.architecture_key for trial in reused[:12]] == first.trained
    assert all(trial.val_accuracy is not None for trial in reused)


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_children_keep_the_constraints(controller: str) -> None:
    study = run(Judge(), constraints=["flops<=1M"], controller=controller, budget=10)
    assert [trial.state for trial in study.trials] == ["complete"] * 10
    assert all((trial.flops or 0) <= 1e6 for trial in study.trials)


class Careless:
    """A controller of a user's own that looks at no price: random points, whatever they cost."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.space, self.rng, self.asked = problem.space, random.Random(seed), 0
        self.curves: dict[str, float] = {}

    def ask(self) -> Proposal:
        self.asked += 1
        return Proposal(self.asked - 1, self.space.sample(self.rng))

    def tell(self, id: int, values: Any) -> None: ...


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTROLLERS, "careless", Careless)


@pytest.mark.usefixtures("careless")
def test_a_child_that_breaks_a_constraint_is_never_trained() -> None:
    judge = Judge()
    study = run(judge, constraints=["flops<=1M"], controller="careless", budget=10)
    broken = [trial for trial in study.trials if trial.state == "infeasible"]
    assert broken
    assert all(trial.flops is not None and trial.flops > 1e6 for trial in broken)
    assert "flops<=1M" in (broken[0].reason or "")
    assert not {trial.architecture_key for trial in broken} & set(judge.trained)
    assert all((trial.flops or 0) <= 1e6 for trial in study.trials if trial.state == "complete")


@pytest.mark.usefixtures("careless")
def test_a_controller_that_finds_nothing_is_stopped() -> None:
    judge = Judge()
    study = run(judge, constraints=["flops<=1"], controller="careless")
    assert judge.trained == []
    assert "loosen the constraints" in study.ended_because


def test_constraints_that_nothing_meets_end_with_a_word() -> None:
    judge = Judge()
    study = run(judge, constraints=["flops<=1"], controller="random")
    assert judge.trained == []
    assert "hold no network that keeps flops<=1 and was not proposed already" in study.ended_because


def test_a_failing_child_fails_alone() -> None:
    judge = Judge(break_at=3, error=ValueError)
    study = run(judge)
    states = Counter(trial.state for trial in study.trials)
    assert states["failed"] == 1
    assert states["complete"] == 11
    (failed,) = [trial for trial in study.trials if trial.state == "failed"]
    assert "broken on purpose" in (failed.reason or "")


def test_a_result_without_a_number_is_a_failure() -> None:
    def evaluate(architecture: Architecture) -> dict[str, float]:
        return {"accuracy": float("nan")}

    study = nas.search("resnext", evaluator=evaluate, image=IMAGE, budget=3, baselines="none", controller="random")
    assert {trial.state for trial in study.trials} == {"failed"}
    assert study.front == []
    assert study.best is None


def test_a_space_with_few_points_ends_when_all_are_known() -> None:
    template = resnet(Separable(), (OneOf("a", (1, 2)), OneOf("b", (1, 2))), (8, 16), CIFAR_STEM)
    judge = Judge()
    study = nas.search(Space("few", template), evaluator=judge, budget=50, controller="random")
    assert len(judge.trained) == 4
    assert len(study.front) >= 1
    assert "exhausted" in study.ended_because


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("break_at", [1, 5, 11])
def test_resumed_after_ctrl_c_it_is_the_same_study(tmp_path: Path, controller: str, break_at: int) -> None:
    whole = run(Judge(), controller=controller, seed=7)
    judge = Judge(break_at=break_at)
    with pytest.raises(KeyboardInterrupt):
        run(judge, controller=controller, seed=7, storage=tmp_path / "nas.db", name="s")
    before = list(judge.trained[:-1])  # the last one was interrupted
    rest = Judge()
    study = nas.resume("s", tmp_path / "nas.db", evaluator=rest)
    assert children(study) == children(whole)
    assert [trial.val_accuracy for trial in study.trials] == [trial.val_accuracy for trial in whole.trials]
    assert not set(before) & set(rest.trained)
    assert len(before) + len(rest.trained) == 12


# --- schedulers ---------------------------------------------------------------------------------------------------


class Learner(Judge):
    """Nine epochs a child; the accuracy approaches its end, and half of the networks are worse than their price."""

    def run(self, architecture: Architecture, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
        self.trained.append(architecture.key)
        end = score(architecture) - random.Random(architecture.key).choice((0.0, 0.2))
        for epoch in range(1, 10):
            if len(self.trained) == self.break_at:
                raise self.error("broken on purpose")
            yield {"epoch": epoch, "val_accuracy": end * (1 - 0.6**epoch)}


def scheduled(judge: Judge, scheduler: str = "asha", **options: Any) -> nas.Study:
    return run(judge, scheduler=scheduler, recipe={"epochs": "9"}, **{"budget": 15, **options})


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "median"])
def test_a_scheduler_stops_children_and_what_they_learned_is_kept(scheduler: str) -> None:
    study = scheduled(Learner(), scheduler, budget=45)
    states = Counter(trial.state for trial in study.trials)
    assert states["pruned"] > 3
    assert states["complete"] > 1
    assert states["pruned"] + states["complete"] == 45
    trained, whole = study.epochs
    assert trained == sum(trial.epochs for trial in study.trials) < whole == 45 * 9
    for trial in study.trials:
        curve = study.store.epochs(trial.id)
        assert [epoch.epoch for epoch in curve] == list(range(1, trial.epochs + 1))
        assert trial.val_accuracy == curve[-1].val_accuracy
        if trial.state == "pruned":
            assert trial.epochs < 9
            assert (trial.reason or "").startswith(f"after epoch {trial.epochs} of 9")
    assert all(trial.state == "complete" for trial in study.front)
    assert study.best is not None
    assert study.best.state == "complete"


def test_a_pruned_child_is_trained_anew_by_a_search_without_a_scheduler(tmp_path: Path) -> None:
    first, second = Learner(), Learner()
    study = scheduled(first, controller="random", storage=tmp_path / "nas.db")
    pruned = {trial.architecture_key for trial in study.trials if trial.state == "pruned"}
    assert pruned
    run(second, recipe={"epochs": "9"}, budget=15, controller="random", storage=tmp_path / "nas.db")
    assert pruned <= set(second.trained)
    assert not set(second.trained) & (set(first.trained) - pruned)


def test_baselines_are_never_stopped() -> None:
    study = scheduled(Learner(), budget=12, baselines=["resnet20", "resnext29_8x2d", "resnet29_1x8d"])
    baselines = [trial for trial in study.trials if trial.kind == "baseline"]
    assert len(baselines) == 3
    assert {trial.epochs for trial in baselines} == {9}


@pytest.mark.parametrize("controller", ["pareto", "tpe", "ppo"])
@pytest.mark.parametrize("break_at", [2, 9, 14])
def test_resumed_under_a_scheduler_it_is_the_same_study(tmp_path: Path, controller: str, break_at: int) -> None:
    whole = scheduled(Learner(), controller=controller, seed=7)
    assert sum(trial.state == "pruned" for trial in whole.trials) > 2
    with pytest.raises(KeyboardInterrupt):
        scheduled(Learner(break_at), controller=controller, seed=7, storage=tmp_path / "nas.db", name="s")
    study = nas.resume("s", tmp_path / "nas.db", evaluator=Learner())
    assert children(study) == children(whole)
    assert [(t.state, t.epochs, t.reason) for t in study.trials] == [
        (t.state, t.epochs, t.reason) for t in whole.trials
    ]


def test_a_controller_is_told_what_a_stopped_child_would_have_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, Any] = {}

    class Listening(Careless):
        def tell(self, id: int, values: Any) -> None:
            told[id] = values

    monkeypatch.setitem(CONTROLLERS, "listening", Listening)
    study = scheduled(Learner(), controller="listening", budget=40)
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    late = pruned[len(pruned) // 2 :]  # once some have been trained to the end
    errors = [abs(told[t.number][0] - (t.val_accuracy or 0) / (1 - 0.6**t.epochs) * (1 - 0.6**9)) for t in late]
    short = [(t.val_accuracy or 0) / (1 - 0.6**t.epochs) * (1 - 0.6**9) - (t.val_accuracy or 0) for t in late]
    assert sum(errors) < 0.3 * sum(short)


class Shuffled:
    """An executor that keeps several children in flight and lets them end in a seeded random order."""

    slots = 4

    def __init__(self, judge: Judge, seed: int, stop_after: int | None = None) -> None:
        self.judge, self.rng, self.stop_after = judge, random.Random(seed), stop_after

    def run(self, driver: Driver) -> None:
        flying: list[tuple[int, Iterator[dict[str, float]]]] = []
        ended = 0
        while not (driver.done and not flying):
            while len(flying) < self.slots and (job := driver.next()) is not None:
                driver.started(job.id, "here")
                architecture = Architecture.from_json(job.architecture)
                flying.append((job.id, self.judge.run(architecture, None, job.seed)))
            number, epochs = flying.pop(self.rng.randrange(len(flying)))
            for metrics in epochs:
                driver.epoch(number, metrics)
            ended += 1
            if ended == self.stop_after:
                raise KeyboardInterrupt
            driver.finished(number)


def in_parallel(store: Store, judge: Judge, controller: str, stop_after: int | None = None) -> Loop:
    template = resnet(
        Separable(), (OneOf("a", (1, 2, 3)), OneOf("b", (1, 2, 3))), (OneOf("w", (8, 16)), 16), CIFAR_STEM
    )
    plan = make_plan(Space("small", template), evaluator=judge, controller=controller, budget=14, baselines="none")
    fresh = not store.studies()
    study = store.create_study("s", plan.spec.to_json()) if fresh else store.study("s")
    loop = Loop(store, study, plan.terms)
    if not fresh:
        replay(loop)
    Shuffled(judge, 0, stop_after).run(loop)
    return loop


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_in_flight_together_nothing_is_lost_or_trained_twice(controller: str, stop_after: int) -> None:
    first, second = Judge(), Judge()
    with open_store(None) as store:
        with pytest.raises(KeyboardInterrupt):
            in_parallel(store, first, controller, stop_after)
        done = {trial.architecture_key for trial in store.trials(1, state="complete")}
        in_parallel(store, second, controller)
        trials = store.trials(1)
        assert not done & set(second.trained)
        own = [trial for trial in trials if trial.state == "complete" and trial.reused_from is None]
        assert len({trial.graph_key for trial in own}) == len(own) == 14
        assert all(trial.ended for trial in trials)
        positions = [p for trial in trials for p in (trial.asked, trial.told) if p is not None]
        assert sorted(positions) == list(range(len(positions)))  # every ask and tell, once


def test_a_network_in_flight_is_not_trained_a_second_time() -> None:
    judge = Judge()
    with open_store(None) as store:
        in_parallel(store, judge, "nsga2")
        assert max(Counter(judge.trained).values()) == 1


def test_resume_refuses_another_space(tmp_path: Path) -> None:
    def space(axis: str) -> Space:
        return Space("mine", resnet(Separable(), (OneOf(axis, (1, 2, 3, 4)), 1), (8, 16), CIFAR_STEM))

    judge, where = Judge(break_at=3), tmp_path / "a.db"
    with pytest.raises(KeyboardInterrupt):
        nas.search(space("a"), evaluator=judge, storage=where, name="s", controller="random")
    with pytest.raises(StudyError, match="give it as space"):
        nas.resume("s", where, evaluator=Judge())
    with pytest.raises(StudyError, match="another space"):
        nas.resume("s", where, evaluator=Judge(), space=space("b"))


def test_a_larger_budget_goes_on_and_a_smaller_is_refused(tmp_path: Path) -> None:
    run(Judge(), storage=tmp_path / "a.db", name="s", seed=2)
    more = Judge()
    study = nas.resume("s", tmp_path / "a.db", evaluator=more, budget=20)
    assert len(more.trained) == 8
    assert children(study) == children(run(Judge(), budget=20, seed=2))
    with pytest.raises(StudyError, match="below the study's 20"):
        nas.resume("s", tmp_path / "a.db", evaluator=Judge(), budget=5)


def test_baselines_are_trained_once_and_lie_beside_the_front(tmp_path: Path) -> None:
    judge = Judge()
    study = run(judge, baselines="auto", storage=tmp_path / "a.db")
    names = [trial.name for trial in study.trials if trial.kind == "baseline"]
    assert {"resnext29_8x2d", "resnet20"} <= set(names)
    assert any("mobilenet" in str(name) for name in names)
    assert set(study.baselines()) == set(names)
    again = Judge()
    run(again, baselines="auto", storage=tmp_path / "a.db", budget=1)
    assert len(again.trained) == 1


def test_baselines_added_to_an_interrupted_study_leave_it_open(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "dataset": "digits",
        "recipe": {"epochs": "1"},
        "baselines": "none",
        "controller": "random",
    }

    class Stop:
        def changed(self, loop: Loop, trial: Any) -> None:
            if trial.state == "complete":
                raise KeyboardInterrupt

    where = tmp_path / "a.db"
    with pytest.raises(KeyboardInterrupt):
        nas.search("resnext", **options, budget=2, observer=Stop(), storage=where, name="s")
    study = add_baselines("s", where, ["resnet8"])
    assert not study.record.finished
    assert set(study.baselines()) == {"resnet8"}
    resumed = nas.resume("s", where)
    assert resumed.record.finished
    assert sum(trial.kind == "child" and trial.state == "complete" for trial in resumed.trials) == 2


def test_the_front_is_what_nothing_dominates() -> None:
    study = run(Judge(), baselines="auto", budget=25, controller="random")
    complete = [trial for trial in study.trials if trial.state == "complete"]
    values = {trial.number: study.values(trial) for trial in complete}

    def dominated(number: int) -> bool:
        accuracy, flops = values[number]
        return any(a >= accuracy and f <= flops and (a, f) != (accuracy, flops) for a, f in values.values())

    assert {trial.number for trial in study.front} == {number for number in values if not dominated(number)}
    for name, numbers in study.baselines().items():
        (own,) = [values[trial.number] for trial in complete if trial.name == name]
        assert all(values[n][0] >= own[0] and values[n][1] <= own[1] for n in numbers)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"space": "resnxt"}, "did you mean 'resnext'"),
    ({"controller": "randm"}, "did you mean 'random'"),
    ({"executor": "rai"}, "did you mean 'ray'"),
    ({"objectives": []}, "at least one"),
    ({"objectives": ["accuracy", "accuracy"]}, "each once"),
    ({"baselines": "resnet21"}, "did you mean 'resnet20'|'resnet"),
    ({"budget": -1}, "budget -1"),
    ({"evaluator": 3}, "neither a function"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_words_are_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    judge = Judge()
    with pytest.raises(nas.NasError, match=message):
        run(judge, **options)
    assert judge.trained == []


def test_a_name_is_taken_only_once(tmp_path: Path) -> None:
    run(Judge(), storage=tmp_path / "a.db", name="s", budget=1)
    with pytest.raises(StoreError, match="nas resume s"):
        run(Judge(), storage=tmp_path / "a.db", name="s", budget=1)


def test_a_function_is_an_evaluator_and_its_metrics_objectives() -> None:
    def evaluate(architecture: Architecture) -> dict[str, float]:
        return {"accuracy": score(architecture), "latency": 1.0 / len(architecture.stages[0].block.__class__.__name__)}

    study = nas.search(
        "mobilenet",
        evaluator=evaluate,
        image=IMAGE,
        budget=5,
        objectives=["accuracy", "latency:min"],
        baselines="none",
        controller="random",
    )
    assert [len(study.values(trial)) for trial in study.trials] == [2] * 5


def test_an_observer_sees_every_end() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.seen: Counter[str] = Counter()

        def changed(self, loop: Loop, trial: Any) -> None:
            self.seen[trial.state] += 1

    watcher = Watcher()
    run(Judge(), observer=watcher, budget=4, controller="random")
    assert watcher.seen["complete"] == 4
    assert watcher.seen["running"] >= 4
