"""Baselines: which are chosen, what they are held against, and what is said of the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import NasError, ObjectiveError, ReproductionError
from nas.reproduction.baselines import Plan, Wish, document, make_plan
from nas.retraining.retrain import retrain
from searchspaces import NETWORKS
from searchspaces.catalog import FAMILY_OF

SHORT = {"epochs": 1, "batch_size": 64}


def plan(dataset: str = "digits", seeds: int = 1, output: Path = Path("none"), **fields: Any) -> Plan:
    return make_plan(Wish(dataset, recipe=SHORT, **fields), seeds=seeds, output=output, device="cpu")


def test_a_family_is_its_modules_within_the_price() -> None:
    found = plan(families=["resnet"], max_flops="5M")
    names = [candidate.name for candidate in found.candidates]
    assert names[:2] == ["resnet8", "resnet14"]
    assert {FAMILY_OF[name] for name in (*names, *found.left_out)} == {"resnet", "resnet_cifar"}
    assert all(candidate.cost["flops"] <= 5e6 for candidate in found.candidates)
    assert found.left_out["resnet50"] == "more than 5M FLOPs an image"
    assert sum(name in FAMILY_OF and FAMILY_OF[name].startswith("resnet") for name in NETWORKS) == len(names) + len(
        found.left_out
    )


def test_without_names_all_that_have_a_published_figure() -> None:
    found = plan(published="mnist", fraction=0.1)
    assert [candidate.name for candidate in found.candidates] == ["lenet5_1998"]
    assert plan(published="CIFAR-10", fraction=0.1, max_flops="8M").candidates[0].name == "resnet20"


def test_our_error_stands_beside_the_published_one(tmp_path: Path) -> None:
    made = plan(
        names=["resnet20", "lenet5"], published="CIFAR-10", fraction=0.1, seeds=2, output=tmp_path, image_size=None
    )
    found = document(made, retrain(made.order))
    by_name = {each["name"]: each for each in found["networks"]}
    resnet, lenet = by_name["resnet20"], by_name["lenet5"]
    assert resnet["published"]["top1"] == 0.0875
    assert "164 epochs, batch 128" in resnet["published"]["recipe"]["words"]
    assert resnet["test_error"]["n"] == 2
    assert resnet["difference"] == pytest.approx(resnet["test_error"]["mean"] - 0.0875)
    assert resnet["adapted"]  # 32 pixels brought to 8
    assert resnet["differences"][:2] == ["10 % of the training images", "images of 1×8×8 instead of 3×32×32"]
    assert "epochs 1 instead of 164" in resnet["differences"]
    assert "augmentation none instead of crops of 4 pixels of padding and mirrors" in resnet["differences"]
    assert lenet["published"] is None
    assert lenet["difference"] is None
    assert lenet["differences"] == []
    assert 0 < lenet["test_error"]["mean"] < 1
    untrained = document(made, [])
    assert all(each["test_error"] is None and each["difference"] is None for each in untrained["networks"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"families": ["resnets"]}, "unknown family 'resnets'; did you mean"),
        ({"names": ["resnet21"]}, "unknown network 'resnet21'; did you mean"),
        ({"published": "CIFAR-1"}, "unknown dataset of published figures 'CIFAR-1'"),
        ({}, "no published figures of digits are stored"),
        ({"names": ["resnet20"], "max_flops": "1k"}, "none of 1 networks is left"),
        ({"names": ["resnet20"], "max_flops": "cheap"}, "at most 'cheap' flops"),
    ],
)
def test_bad_input_is_one_line(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=said) as caught:
        plan(**fields)
    assert isinstance(caught.value, ReproductionError | ObjectiveError)
    assert "\n" not in str(caught.value)


def test_an_empty_plot_is_refused_before_anything_is_trained() -> None:
    plan(names=["resnet20"], published="CIFAR-10", fraction=0.1).check_plot()
    with pytest.raises(ReproductionError, match="none of these networks has a published figure"):
        plan(names=["resnet8"], published="CIFAR-10", fraction=0.1).check_plot()
