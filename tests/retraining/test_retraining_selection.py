"""From words to networks, data and recipe: what a study says is the default, and what does not go together is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas import search
from nas.data import DataSpec
from nas.errors import DataError, RecipeError, RetrainingError, StoreError, StudyError
from nas.evaluators import CallableEvaluator
from nas.recipe import Recipe
from nas.results import Study
from nas.retraining.recipes import final_recipe
from nas.retraining.retrain import retrain
from nas.retraining.tasks import Order
from nas.store import open_store
from searchspaces import NETWORKS

MakeOrder = Callable[..., Order]


def evaluate(architecture: Any) -> float:
    """Deterministic, and different for most networks."""
    return int(architecture.key[:6], 16) / 16**6


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a study that trained on digits, and one that a function judged."""
    path = tmp_path_factory.mktemp("store") / "nas.db"
    with open_store(path) as store:
        search(
            "resnext",
            name="digits",
            storage=store,
            dataset=DataSpec("digits", fraction=0.1, seed=3),
            budget=3,
            baselines=["lenet5", "resnet8", "resnet14"],
            controller="random",
            executor="inline",
            recipe={"epochs": 1, "lr": 0.05, "batch_size": 64},
        )
        search(
            "resnext",
            name="judged",
            storage=store,
            evaluator=CallableEvaluator(evaluate, (1, 8, 8), 10, name="judge"),
            budget=4,
            baselines=[],
            controller="random",
            executor="inline",
        )
    return path


@pytest.fixture
def study(storage: Path) -> Study:
    return Study(open_store(storage, create=False), "digits")


def children(study: Study) -> list[int]:
    return [trial.number for trial in study.trials if trial.kind == "child"]


def test_a_trial_is_trained_as_its_study_trained_it_but_longer_and_on_all_images(
    order: MakeOrder, storage: Path, study: Study
) -> None:
    number = children(study)[0]
    made = order(f"digits:{number}", storage=storage, fraction=1.0, recipe={}, baselines="none")
    (task,) = made.tasks
    assert (task.name, task.source, task.kind) == (f"digits-{number}", f"digits:{number}", "target")
    assert task.architecture == study.architecture(number)
    assert task.search_accuracy == study.store.trial("digits", number).val_accuracy is not None
    assert (made.spec.fraction, made.spec.validation, made.spec.seed) == (1.0, 0.0, 3)
    assert (made.recipe.lr, made.recipe.batch_size) == (0.05, 64)
    assert made.recipe.epochs == final_recipe(Recipe(), len(made.data.train), 8).epochs > 1
    assert order(f"digits:{number}", storage=storage).recipe.epochs == 3  # of the wish


def test_the_best_children_come_in_order(order: MakeOrder, storage: Path, study: Study) -> None:
    made = order("digits", storage=storage, top=2, baselines="none")
    found = [task.search_accuracy for task in made.tasks]
    every = sorted((study.store.trial("digits", n).val_accuracy or 0.0 for n in children(study)), reverse=True)
    assert found == every[:2]
    judged = order("judged", storage=storage, top=4, dataset="digits", baselines="none")
    accuracies = [task.search_accuracy or 0.0 for task in judged.tasks]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) == 4


def test_by_default_the_strongest_affordable_baselines_are_trained_again(
    order: MakeOrder, storage: Path, study: Study
) -> None:
    made = order(f"digits:{children(study)[0]}", storage=storage)
    flops = study.store.trial("digits", children(study)[0]).flops or 0
    rivals = [t for t in study.trials if t.kind == "baseline" and (t.flops or 0) <= 4 * flops]
    rivals.sort(key=lambda trial: -(trial.val_accuracy or 0.0))
    assert [task.source for task in made.tasks[1:]] == [trial.name for trial in rivals[:2]]
    assert [task.search_accuracy for task in made.tasks[1:]] == [trial.val_accuracy for trial in rivals[:2]]
    assert {task.kind for task in made.tasks[1:]} == {"baseline"}


def test_baselines_may_be_named(order: MakeOrder, storage: Path) -> None:
    made = order("digits:3", storage=storage, baselines=["lenet5", "resnet20"])
    assert [(task.name, task.search_accuracy is None) for task in made.tasks[1:]] == [
        ("digits-lenet5", False),  # which the study has trained
        ("resnet20-digits", True),
    ]
    with pytest.raises(StudyError, match="unknown network 'resnet21'; did you mean"):
        order("digits:3", storage=storage, baselines=["resnet21"])


def test_networks_and_files_train_on_digits_under_the_recipe_of_their_data(order: MakeOrder, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    found.write_text(json.dumps(NETWORKS["resnet8"].at(8).to_json()))
    made = order("lenet5", str(found), fraction=1.0, recipe={})
    assert [task.name for task in made.tasks[:2]] == ["lenet5-digits", "found-digits"]
    assert [task.kind for task in made.tasks[2:]] == ["baseline"] * (len(made.tasks) - 2)
    assert made.recipe == final_recipe(Recipe.for_data(len(made.data.train), 8), len(made.data.train), 8)
    assert [task.source for task in order("lenet5", "resnet8").tasks] == ["lenet5", "resnet8"]  # no baselines of such
    assert len(order("resnet8", str(found), baselines="none").tasks) == 1  # one network, by whatever name


def test_the_full_recipe_goes_by_the_data() -> None:
    def epochs(images: int, size: int, ranking: int = 5) -> int:
        return final_recipe(Recipe(epochs=ranking), images, size).epochs

    assert epochs(1437, 8) == 40
    assert epochs(50_000, 32) == 70
    assert epochs(1_281_167, 224) == 90
    assert epochs(100, 32) == 100
    assert epochs(50_000, 32, ranking=200) == 200  # never fewer than the search trained
    assert final_recipe(Recipe(lr=0.7), 50_000, 32).lr == 0.7


def test_a_trial_that_failed_is_refused_with_its_reason(order: MakeOrder, tmp_path: Path) -> None:
    path = tmp_path / "nas.db"
    with open_store(path) as store:
        search(
            *("resnext",),
            name="bad",
            storage=store,
            dataset=DataSpec("digits", fraction=0.1),
            budget=1,
            baselines=[],
            controller="random",
            executor="inline",
            recipe={"epochs": 1, "lr": 1e30, "clip": 0.0, "schedule": "constant"},
        )
    with pytest.raises(RetrainingError, match=r"^trial 0 of bad is failed: .*; give another$"):
        order("bad:0", storage=path)
    with pytest.raises(RetrainingError, match=r"^bad has 0 complete children; top 1 are wanted$"):
        order("bad", storage=path, top=1)


def test_what_does_not_exist_or_go_together_is_one_line(order: MakeOrder, storage: Path) -> None:
    for targets, fields, error, said in (
        (("digit:1",), {}, StoreError, "digit"),
        (("digits:99",), {}, StoreError, "99"),
        (("digits:1",), {"top": 1}, RetrainingError, "digits:1 is one trial; with --top give the study: digits"),
        (("digits",), {"top": 9}, RetrainingError, "digits has 3 complete children; top 9 are wanted"),
        (("digits",), {}, RetrainingError, "digits is a study; give digits:TRIAL, or a number of its best children"),
        (("resnet21",), {}, StudyError, "did you mean"),
        (("judged:1",), {}, RetrainingError, "judged trained on no dataset of nas; say which one with --dataset"),
        (("lenet5",), {"dataset": "digit"}, DataError, "unknown dataset 'digit'"),
        (("lenet5",), {"recipe": {"epoch": 3}}, RecipeError, "unknown recipe field 'epoch'"),
    ):
        with pytest.raises(error, match=said) as caught:
            order(*targets, storage=storage, **fields)
        assert "\n" not in str(caught.value)


def test_a_network_too_deep_for_the_images_is_told_before_anything_is_trained(order: MakeOrder, tmp_path: Path) -> None:
    found = tmp_path / "deep.json"
    found.write_text(json.dumps(NETWORKS["alexnet"].architecture.to_json()))
    asked = order("lenet5", str(found), baselines="none")
    with pytest.raises(RetrainingError, match=r"deep\.json cannot take images of 1×8×8: "):
        retrain(asked)
    assert not asked.output.exists()
