"""What a search has cost is counted from what it trained, once, and kept over a resume."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

import nas
from nas.cli.spending import told
from nas.evaluators import TrainingEvaluator
from nas.executors.resources import Share
from nas.recipe import Recipe
from nas.spending import HOUR, Spending, spent
from nas.store import queries

OPTIONS = {"controller": "random", "baselines": "none", "seed": 1}
pytestmark = pytest.mark.usefixtures("one_thread")


def judge(architecture: object) -> dict[str, float]:
    return {"accuracy": 0.5}


def test_a_training_search_counts_cores_and_arithmetic() -> None:
    recipe = {"epochs": "1"}
    study = nas.search("resnet", budget=2, recipe=recipe, **{**OPTIONS, "baselines": ["resnet8"]})
    found = Spending.from_json(study.record.spent)
    trials = study.trials
    assert (found.children, found.baselines, found.epochs, found.epochs_saved) == (2, 1, 3, 0)
    seconds = sum(study.store.epochs(trial.id)[0].seconds or 0 for trial in trials)
    assert found.seconds == pytest.approx(seconds)
    assert found.cpu_hours == pytest.approx(seconds / HOUR)  # children of digits compute with one thread
    assert found.gpu_hours == 0
    data = TrainingEvaluator(nas.DataSpec("digits", seed=0)).data
    passes = 3 * len(data.train) + len(data.validation)
    assert found.training_flops == passes * sum(trial.flops or 0 for trial in trials)


def test_a_resumed_search_adds_to_what_it_has_cost_with_its_share_of_then() -> None:
    study = nas.search("resnet", evaluator=judge, budget=4, **OPTIONS)
    record = study.record
    before = Spending(seconds=-HOUR, cpu_hours=1.0, gpu_hours=2.0)  # so that an hour has passed since
    now = spent(study.store, replace(record, spent=before.to_json()), judge_evaluator(), Recipe(), Share(4, 0.5))
    assert now.cpu_hours == pytest.approx(5, abs=0.01)
    assert now.gpu_hours == pytest.approx(2.5, abs=0.01)
    assert now.children == 4
    assert now.training_flops is None


def judge_evaluator() -> nas.CallableEvaluator:
    return nas.CallableEvaluator(judge, (3, 32, 32), 10)


def test_answers_from_the_store_cost_nothing() -> None:
    first = nas.search("resnet", evaluator=judge, budget=3, name="first", **OPTIONS)
    again = nas.search("resnet", evaluator=judge, budget=3, name="again", storage=first.store, **OPTIONS)
    reused = sum(trial.reused_from is not None for trial in again.trials)
    assert reused >= 3
    totals, _ = queries.totals(again.store, again.record.id)
    assert sum(total.trials for total in totals) == len(again.trials) - reused == 3


def test_epochs_that_a_scheduler_saved() -> None:
    children = count()

    def curve(architecture: object) -> object:
        return iter([0.1 + next(children) % 7 / 10] * 6)

    study = nas.search("resnet", evaluator=curve, budget=12, recipe=Recipe(epochs=6), scheduler="asha", **OPTIONS)
    trained, whole = study.epochs
    found = Spending.from_json(study.record.spent)
    assert found.epochs == trained
    assert found.epochs_saved == whole - trained > 0


def test_the_line_that_is_printed() -> None:
    spending = Spending(20, 6, 88, 16, 3600.0, 2.0, 0.0, 98_100_000_000_000)
    line = "cost: 2 CPU-hours, 26 networks, 88 epochs (16 saved), 98.1 T FLOPs of training"
    assert told(spending.to_json()) == line
    gpu = replace(spending, gpu_hours=0.25, epochs_saved=0, training_flops=None)
    assert told(gpu.to_json()) == "cost: 0.25 GPU-hours, 2 CPU-hours, 26 networks, 88 epochs"
