"""Spaces compared end to end, with a function in place of training: sampling, reading, measuring, drawing."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas
from nas.comparison import picture
from nas.comparison.children import FAILED
from nas.comparison.report import measure, told
from nas.comparison.sampling import gather, make_plans, matched_cost, run, stored
from nas.controllers.problem import Problem
from nas.controllers.random_search import RandomController
from nas.errors import ComparisonError, NasError, StoreError, StudyError
from nas.objectives import Constraint
from nas.store import Store, open_store
from searchspaces import Architecture, NotInSpace, find_space, price

IMAGE = (1, 8, 8)
BAND = "flops=8M±20%"
RESNEXT = find_space("resnext", 8)


def grain(architecture: Architecture) -> float:
    return random.Random(architecture.key).random()


def better(architecture: Architecture) -> float:
    """Networks of the space resnext are better by two points, whatever they cost, and grain is one point."""
    try:
        RESNEXT.encode(architecture)
    except NotInSpace:
        return 0.9 + 0.01 * grain(architecture)
    return 0.92 + 0.01 * grain(architecture)


def plans(evaluate: Any = better, samples: int = 12, spaces: Any = ("resnet", "resnext"), **options: Any) -> Any:
    settings = {"evaluator": evaluate, "image": IMAGE, "constraints": [BAND], **options}
    return make_plans(spaces, samples, **settings)


def sample(store: Store, evaluate: Any = better, samples: int = 12, **options: Any) -> list[nas.Study]:
    return run(plans(evaluate, samples, **options), store, lambda part: nullcontext())


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store() as opened:
        yield opened


@pytest.fixture(scope="module")
def compared() -> Iterator[tuple[list[nas.Study], dict[str, Any]]]:
    with open_store() as opened:
        studies = sample(opened, samples=30)
        yield studies, measure(gather(studies), resamples=500)


# --- the sample -----------------------------------------------------------------------------------------------------


def test_every_space_has_a_study_of_random_children_within_the_band(
    compared: tuple[list[nas.Study], dict[str, Any]],
) -> None:
    studies, _ = compared
    assert [study.name for study in studies] == [
        f"compare-{space}-test_comparison.better-1" for space in ("resnet", "resnext")
    ]
    for study in studies:
        assert study.spec.controller == "random"
        assert len(study.trials) == 30
        assert {trial.kind for trial in study.trials} == {"child"}
        assert all(6.4e6 <= trial.cost["flops"] <= 9.6e6 for trial in study.trials)
    assert studies[0].spec.recipe == studies[1].spec.recipe


def test_the_sample_is_what_rejection_leaves_of_uniform_draws() -> None:
    """Without a walk to the nearest allowed point, which would favour points at the edges of what is allowed."""
    (plan, _) = plans(samples=25)
    controller = plan.terms.controller
    proposed = [controller.ask().point for _ in range(25)]
    problem = plan.terms.problem
    rng, kept, networks = random.Random(plan.spec.seed), [], set()
    while len(kept) < 25:
        point = plan.space.sample(rng)
        if problem.allowed(point) and problem.network(point) not in networks:
            networks.add(problem.network(point))
            kept.append(point)
    assert proposed == kept


def test_random_search_stops_after_so_many_proposals() -> None:
    problem = Problem(find_space("resnext", 8), ())
    controller = RandomController(problem, 0, most=3)
    for _ in range(3):
        controller.ask()
    with pytest.raises(nas.errors.ControllerError, match="at most 3 proposals"):
        controller.ask()
    for options, message in (({"tries": 0}, "tries = 0"), ({"most": -1}, "most = -1")):
        with pytest.raises(nas.errors.ControllerError, match=message):
            RandomController(problem, 0, **options)


def test_the_same_comparison_is_read_and_a_larger_one_trains_the_difference(store: Store) -> None:
    trained, seen = [], []

    def count(architecture: Architecture) -> float:
        trained.append(architecture.key)
        return better(architecture)

    @contextmanager
    def observe(part: Any) -> Iterator[None]:
        seen.append((part.name, part.state))
        yield None

    first = run(plans(count, 5), store, observe)
    again = run(plans(count, 5), store, observe)
    assert [study.name for study in first] == [study.name for study in again]
    assert [state for _, state in seen] == ["new", "new", "read", "read"]
    assert len(trained) == 10
    larger = run(plans(count, 8), store, observe)
    assert [len(study.trials) for study in larger] == [8, 8]
    assert len(trained) == len(set(trained)) == 16
    assert [child.errors.size for child in gather(larger)] == [8, 8]


def test_an_interrupted_comparison_goes_on_as_if_nothing_had_been(store: Store) -> None:
    trained: list[str] = []

    def breaks(architecture: Architecture) -> float:
        if len(trained) == 7:
            trained.append("")
            raise KeyboardInterrupt
        trained.append(architecture.key)
        return better(architecture)

    with pytest.raises(KeyboardInterrupt):
        sample(store, breaks, 5)
    states = []

    @contextmanager
    def observe(part: Any) -> Iterator[None]:
        states.append(part.state)
        yield None

    studies = run(plans(breaks, 5), store, observe)
    assert states == ["read", "continued"]
    assert len(store.studies()) == 2
    with open_store() as other:
        whole = [child.errors.tolist() for child in gather(sample(other, better, 5))]
    assert [child.errors.tolist() for child in gather(studies)] == whole


# --- what is said ---------------------------------------------------------------------------------------------------


def test_a_difference_that_is_there_is_found(compared: tuple[list[nas.Study], dict[str, Any]]) -> None:
    _, document = compared
    (pair,) = document["pairs"]
    assert document["matched"] is None  # the band holds the cost
    for name in ("median", "mean"):
        found = pair[name]
        assert found["low"] < found["value"] < found["high"] < 0
        assert found["value"] == pytest.approx(-0.02, abs=0.005)
    assert pair["ks"]["statistic"] == 1.0
    assert pair["ks"]["p_value"] < 1e-6
    told_so = r"At 8 ± 1\.6 MFLOPs, resnext's median error is lower than resnet's by [12]\.\d points"
    assert re.match(told_so + r" \(95 % interval 1\.\d to 2\.\d\); ", pair["reading"])
    assert "p < 0.001" in pair["reading"]
    assert document["cautions"] == []


def test_the_document_agrees_with_the_trials(compared: tuple[list[nas.Study], dict[str, Any]]) -> None:
    studies, document = compared
    for study, space in zip(studies, document["spaces"], strict=True):
        errors = np.array([1 - (trial.val_accuracy or 0) for trial in study.trials])
        assert space["study"] == study.name
        assert space["children"] == space["counted"] == 30
        assert space["effective"] == 30
        assert space["min"]["value"] == pytest.approx(errors.min())
        assert space["median"]["value"] == pytest.approx(np.median(errors))
        assert space["mean"]["value"] == pytest.approx(np.minimum(errors, document["bound"]).mean())
        for point in (*space["edf"], *space["curve"]):
            assert point["value"] == pytest.approx((errors <= point["error"] + 1e-12).mean())
            assert point["low"] <= point["value"] <= point["high"]
        costs = [trial.cost["flops"] for trial in study.trials]
        assert space["flops"] == {"min": min(costs), "median": np.median(costs), "max": max(costs)}
    json.dumps(document, allow_nan=False)


def test_the_same_seed_gives_the_same_document(compared: tuple[list[nas.Study], dict[str, Any]]) -> None:
    studies, document = compared
    assert measure(gather(studies), resamples=500) == document
    assert measure(gather(studies), resamples=500, seed=1) != document


def test_the_axis_that_decides_has_the_importance(store: Store) -> None:
    def by_kernel(architecture: Architecture) -> float:
        return 0.9 - 0.1 * ('"kernel": 5' in json.dumps(architecture.to_json()["stages"])) + 0.01 * grain(architecture)

    document = measure(gather(sample(store, by_kernel, 30)), resamples=100)
    for space in document["spaces"]:
        ordered = [one["axis"] for one in space["importance"]]
        found = {one["axis"]: one["importance"] for one in space["importance"]}
        assert ordered[0] == "kernel"
        assert found["kernel"] > 0.9
        assert (found["depth1"] or 0) < 0.5


def test_failed_children_count_as_an_error_of_one(store: Store) -> None:
    def breaks(architecture: Architecture) -> float:
        if grain(architecture) < 0.5:
            raise NasError("on purpose")
        return better(architecture)

    children = gather(sample(store, breaks, 20))
    document = measure(children, resamples=100)
    for child, space in zip(children, document["spaces"], strict=True):
        assert 0 < space["failed"] < 20
        assert space["failed"] == (child.errors == FAILED).sum()
        assert space["children"] == space["counted"] == 20
        assert max(point["value"] for point in space["curve"] if point["error"] < 1) == 1 - space["failed"] / 20
    assert sum("failed; each counts as an error of 100 %" in line for line in document["cautions"]) == 2


def test_without_a_band_networks_are_weighted_to_one_distribution_of_flops(store: Store) -> None:
    def by_cost(architecture: Architecture) -> float:
        flops = price(architecture.draw(IMAGE, 10)).flops
        return 0.9 + 0.09 * flops / (flops + 2e6)

    children = gather(sample(store, by_cost, 120, constraints=()))
    assert matched_cost(children, "auto") == "flops"
    document = measure(children, resamples=200)
    plain = measure(children, match="none", resamples=200)
    assert abs(plain["pairs"][0]["median"]["value"]) > 0.005  # resnext's networks are cheaper
    assert abs(document["pairs"][0]["median"]["value"]) < 0.003
    matched = document["matched"]
    assert matched["cost"] == "flops"
    for name, space in zip(("resnet", "resnext"), document["spaces"], strict=True):
        assert space["counted"] + matched["left_out"][name] == 120
        assert sum(one["children"][name] for one in matched["bins"]) == space["counted"]
        assert space["effective"] < space["counted"]
    assert document["pairs"][0]["reading"].startswith("With flops spread alike, ")
    assert any("count for nothing: " in line for line in document["cautions"])


def test_what_may_be_chance_is_called_so(store: Store) -> None:
    document = measure(gather(sample(store, grain, 8)), resamples=200)
    assert "which may be chance (95 % interval from" in document["pairs"][0]["reading"]


def test_three_spaces_make_three_pairs_and_a_caution(store: Store) -> None:
    children = gather(sample(store, spaces=("resnet", "resnext", "mobilenet"), constraints=["flops<=20M"], samples=6))
    document = measure(children, match="none", resamples=100)
    names = [(pair["one"], pair["other"]) for pair in document["pairs"]]
    assert names == [("resnet", "resnext"), ("resnet", "mobilenet"), ("resnext", "mobilenet")]
    assert document["pairs"][0]["reading"].startswith("At most 20 MFLOPs, resnext's median error is lower than")
    assert any("3 pairs are compared" in line for line in document["cautions"])


def test_a_value_is_told_with_its_interval() -> None:
    assert told({"value": 0.031, "low": 0.0275, "high": 0.0351}) == "3.1 [2.8, 3.5]"


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_it_is_drawn(suffix: str, compared: tuple[list[nas.Study], dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / f"edf.{suffix}"
    picture.draw(compared[1], path)
    if suffix == "png":
        with Image.open(path) as image:
            assert image.width > 900
            assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 20
    else:
        assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>")


# --- what cannot be compared ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"spaces": ("resnet",)}, ComparisonError, r"1 space \(resnet\); a comparison needs at least two"),
        ({"spaces": ()}, ComparisonError, "0 space"),
        ({"spaces": ("resnet", "resnet")}, ComparisonError, "space 'resnet' is given twice"),
        ({"spaces": ("resnet", "resnets")}, StudyError, "unknown space 'resnets'; did you mean 'resnet'"),
        ({"samples": 0}, ComparisonError, "0 samples; a distribution needs at least 2"),
        ({"samples": 1}, ComparisonError, "1 samples"),
        (
            {"constraints": ["flops=9G±10%"]},
            ComparisonError,
            r"space 'resnet': no network within flops=9G±10% in 2000 random points, 12 samples are asked for; "
            r"its flops go from [\d.]+k to [\d.]+M \(median [\d.]+M\)$",
        ),
        (
            {"constraints": ["flops=30M±10%"], "spaces": ("resnext", "resnet"), "samples": 1000},
            ComparisonError,
            r"space 'resnext': \d+ different networks within flops=30M±10% in 20000 random points, 1000 samples",
        ),
    ],
)
def test_what_cannot_be_sampled_is_said_in_one_line(
    options: dict[str, Any], error: type[NasError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        plans(**options)
    assert "\n" not in str(caught.value)


def test_a_space_of_few_networks_is_refused(store: Store) -> None:
    from searchspaces import OneOf, Space
    from searchspaces.resnet import CIFAR_STEM, Basic, resnet

    few = Space("few", resnet(Basic(kernel=OneOf("kernel", (3, 5))), (1,), (8,), stem=CIFAR_STEM))
    with pytest.raises(ComparisonError, match=r"space 'few': 2 different networks in 20000 random points, 5 samples"):
        plans(samples=5, spaces=("resnet", few), constraints=())


def test_studies_must_have_been_measured_alike(store: Store) -> None:
    settings: dict[str, Any] = {"evaluator": better, "image": IMAGE, "budget": 3, "baselines": "none", "storage": store}
    settings["controller"] = "random"
    nas.search("resnet", name="a", **settings)
    nas.search("resnext", name="b", **{**settings, "recipe": {"lr": "0.2"}})
    nas.search("resnext", name="c", **{**settings, "image": (1, 16, 16)})
    nas.search("resnext", name="d", **{**settings, "seed": 5, "controller": "evolution", "constraints": ["flops<=5M"]})
    nas.search("resnext", name="e", **{**settings, "budget": 1})
    for names, message in (
        (("a", "b"), "'a' and 'b' cannot be compared: the recipe's lr is 0.1 in the first and 0.2 in the second"),
        (("a", "c"), r"the image is \(1, 8, 8\) in the first and \(1, 16, 16\) in the second"),
        (("a", "e"), "study 'e' has 1 children; a distribution needs at least 2"),
        (("a", "a"), "study 'a' is given twice"),
        (("a",), "1 study; a comparison needs at least two"),
    ):
        with pytest.raises(ComparisonError, match=message):
            gather(stored(names, store))
    with pytest.raises(StoreError, match="unknown study 'z'"):
        stored(("a", "z"), store)
    children = gather(stored(("a", "d"), store))
    cautions = measure(children, match="none", resamples=100)["cautions"]
    for words in ("controller evolution", "different seeds", r"different constraints (a: none; d: flops<=5M)"):
        assert any(words in line for line in cautions), (words, cautions)


def test_unfinished_and_pruned_children_are_refused(store: Store) -> None:
    def stops(architecture: Architecture) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nas.search("resnet", name="half", evaluator=stops, image=IMAGE, budget=3, baselines="none", storage=store)
    with pytest.raises(ComparisonError, match="study 'half' is not finished: 1 of its children wait or run"):
        gather(stored(("half",), store))

    class Slow:
        key, image, classes = "slow", IMAGE, 10

        def run(self, architecture: Architecture, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
            for epoch in range(1, 10):
                yield {"epoch": epoch, "val_accuracy": 0.1 * grain(architecture)}

    nas.search(
        "resnet", name="cut", evaluator=Slow(), budget=12, baselines="none", storage=store, scheduler="asha",
        scheduler_options={"first": 1}, recipe={"epochs": "9"},
    )  # fmt: skip
    with pytest.raises(ComparisonError, match=r"study 'cut' has \d+ children that were stopped early"):
        gather(stored(("cut",), store))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": [0.0]}, "error 0 %; allowed is more than 0"),
        ({"errors": [0.1, 1.5]}, "error 150 %"),
        ({"bound": 2.0}, "bound 200 %"),
        ({"bound": float("nan")}, "bound nan %"),
        ({"resamples": 5}, "5 resamples; an interval of 95 % needs at least 100"),
        ({"match": "flop"}, "unknown cost to match 'flop'; did you mean 'flops'"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    options: dict[str, Any], message: str, compared: tuple[list[nas.Study], dict[str, Any]]
) -> None:
    with pytest.raises(ComparisonError, match=message):
        measure(gather(compared[0]), **options)


def test_the_errors_that_are_asked_for_are_told(compared: tuple[list[nas.Study], dict[str, Any]]) -> None:
    document = measure(gather(compared[0]), errors=[0.08, 0.07], bound=0.09, resamples=100)
    assert [point["error"] for point in document["spaces"][0]["edf"]] == [0.07, 0.08]
    assert document["bound"] == 0.09


def test_a_band_of_another_form_is_the_same_band() -> None:
    assert Constraint.parse("flops=10M+-10%") == Constraint.parse("flops=10M±10%")
