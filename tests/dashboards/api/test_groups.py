"""Which studies may share a front: only those that were judged in the same way."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard_data import baselines, children, small_space, spec

from dashboards.groups import is_imagenet, labels


def cifar(key: str | None = None, **changes: Any) -> dict[str, Any]:
    return spec(dataset={"name": "cifar10", **changes}, data_key=key)


def test_a_fraction_a_size_and_a_split_are_named() -> None:
    specs = [cifar(), cifar(fraction=0.1), cifar(seed=3), cifar(image_size=64, validation=0.5)]
    assert labels(specs) == ["cifar10", "cifar10 · 10 %", "cifar10 · split 3", "cifar10 · 64 px · 50 % held out"]


def test_the_same_data_is_one_group_wherever_it_lies() -> None:
    assert labels([cifar(root="/a"), cifar(root="/b"), cifar(fraction=1.0, key=None)])[:2] == ["cifar10", "cifar10"]
    assert labels([cifar("abc"), cifar("abc")]) == ["cifar10", "cifar10"]


def test_other_data_under_the_same_name_is_another_group() -> None:
    assert labels([cifar("abc"), cifar("def"), cifar("abc"), cifar("ghi")]) == [
        *("cifar10", "cifar10 (2)", "cifar10", "cifar10 (3)")
    ]


def test_later_studies_do_not_rename_earlier_ones() -> None:
    specs = [cifar("abc"), cifar("def"), spec(dataset=None, evaluator="mine"), cifar("ghi")]
    assert labels(specs[:2]) == labels(specs)[:2]


@pytest.mark.parametrize("changes", [{"evaluator": "yours"}, {"image": (3, 64, 64)}, {"classes": 100}])
def test_another_evaluator_or_image_is_another_group(changes: dict[str, Any]) -> None:
    mine = {"dataset": None, "evaluator": "mine"}
    first, second = labels([spec(**mine), spec(**{**mine, **changes})])
    assert first != second


@pytest.mark.parametrize("broken", [{}, {"dataset": 3}, {"dataset": None}, {"table": []}])
def test_what_another_version_stored_has_a_label(broken: dict[str, Any]) -> None:
    assert len(labels([broken, cifar()])) == 2


def test_imagenet_is_known_by_its_name_and_its_thousand_classes() -> None:
    folder = {"name": "folder:/data/ImageNet"}
    assert is_imagenet(spec(dataset=folder, classes=1000))
    assert not is_imagenet(spec(dataset=folder, classes=100))
    assert not is_imagenet(spec(dataset={"name": "cifar10"}, classes=1000))
    assert not is_imagenet(spec(dataset=None, classes=1000))


def test_a_front_never_mixes_two_fractions_and_says_when_recipes_differ(open_site: Any) -> None:
    made = open_site()
    for name, how in (
        ("whole", {"data_key": "a"}),
        ("tenth", {"data_key": "b", "dataset": {"name": "digits", "fraction": 0.1}}),
        ("longer", {"data_key": "a", "recipe": {"epochs": 9}}),
    ):
        study = made.store.create_study(name, spec(**how))
        baselines(made.store, study, list(small_space().networks)[:1], 0.8)
        children(made.store, study, 4, seed=len(name))
    found = made.get("/api/points")["fronts"]
    assert [(front["dataset"], front["recipes"]) for front in found] == [("digits", 2), ("digits · 10 %", 1)]
    assert {row["study"] for row in found[0]["rows"]} <= {"whole", "longer"}
    assert {row["study"] for row in found[1]["rows"]} == {"tenth"}
    alone = made.get("/api/points?dataset=digits%20%C2%B7%2010%20%25")
    assert alone["studies"] == ["tenth"]
    assert alone["fronts"][0]["rows"] == found[1]["rows"]
    bounds = {study["name"]: study["reference"] for study in made.get("/api/progress")["studies"]}
    assert bounds["whole"] == bounds["longer"]
