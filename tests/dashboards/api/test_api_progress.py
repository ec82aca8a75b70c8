"""/api/progress and /api/axes: curves over time against a slow reference, and what the axes matter."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from dashboard_data import children, new_trial, small_space, spec
from dashboard_site import HOSTILE, Site
from hypothesis import given
from hypothesis import strategies as st

from dashboards.packing import unpack
from dashboards.progress import steps
from nas import pareto
from nas.importance import importance
from nas.results import Study

values = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=60)


@given(values, st.booleans(), st.booleans())
def test_steps_are_the_hypervolume_and_best_of_every_prefix(
    rows: list[tuple[int, int]], more_y: bool, more_x: bool
) -> None:
    table, maximise = np.array(rows, dtype=float), [more_y, more_x]
    bound = [0.0 if more_y else 10.0, 0.0 if more_x else 10.0]
    chosen, volumes, bests = steps(table, maximise, bound)
    pick = max if more_y else min
    at = dict(zip(chosen.tolist(), zip(volumes.tolist(), bests.tolist(), strict=True), strict=True))
    shown = (0.0, 0.0)
    for index in range(len(rows)):
        shown = at.get(index, shown)
        expected = pareto.hypervolume(table[: index + 1], maximise, bound)
        assert shown == (pytest.approx(expected), pick(row[0] for row in rows[: index + 1]))
    assert chosen[-1] == len(rows) - 1


def test_many_steps_are_thinned_but_no_change_of_the_best_is_dropped() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(5000, 1, 5000)  # each one cheaper: every row enters the front
    y = np.maximum.accumulate(rng.uniform(0, 1, 5000)) - 0.1 * (np.arange(5000) % 7 > 0)
    chosen, volumes, bests = steps(np.column_stack([y, x]), [True, False], [0.0, 5001.0])
    assert len(chosen) <= 2000
    running = np.maximum.accumulate(y)
    changes = np.flatnonzero(np.concatenate([[True], running[1:] != running[:-1]]))
    assert set(changes.tolist()) <= set(chosen.tolist())
    assert (np.diff(volumes) >= 0).all()
    assert bests[-1] == running[-1]
    assert volumes[-1] == pytest.approx(pareto.hypervolume(np.column_stack([y, x]), [True, False], [0.0, 5001.0]))


def test_progress_ends_at_the_hypervolume_of_the_children(site: Site) -> None:
    document = site.get("/api/progress?study=first")
    (found,) = document["studies"]
    study = Study(site.store, "first")
    kept = [trial for trial in study.trials if trial.kind == "child"]
    rows = [study.values(trial) for trial in kept]
    columns = {name: unpack(packed) for name, packed in found["columns"].items()}
    assert found["reference"] == [0.0, max(flops for _, flops in rows)]
    volume = pareto.hypervolume(rows, [True, False], found["reference"])
    assert columns["hypervolume"][-1] == pytest.approx(volume, rel=1e-6)
    assert columns["best"][-1] == pytest.approx(max(accuracy for accuracy, _ in rows))
    assert columns["trial"][-1] == len(kept)
    assert (np.diff(columns["hours"]) >= 0).all()
    assert columns["hours"][0] >= 0
    assert found["budget_left"] == 20 - 12


def test_running_trials_and_the_controllers_curves_are_told(site: Site) -> None:
    store = site.store
    study = store.study("first")
    point = small_space().sample(random.Random(9)).to_json()
    trial = store.add_trial(study.id, new_trial(small_space().decode(point), point))
    store.start(trial.id, "gpu-3")
    store.record_epoch(trial.id, 2, {"epoch": 2, "val_accuracy": 0.4})
    for step in range(5):
        store.add_curve(study.id, step, {"entropy": 5.0 - step, "reward": float("nan")})
    (found,) = site.get("/api/progress?study=first")["studies"]
    (running,) = found["running"]
    assert (running["number"], running["epoch"], running["epochs"], running["worker"]) == (14, 2, 3, "gpu-3")
    assert running["val_accuracy"] == pytest.approx(0.4)
    assert running["seconds"] >= 0
    assert unpack(found["curves"]["entropy"]["value"]).tolist() == [5, 4, 3, 2, 1]
    assert unpack(found["curves"]["entropy"]["step"]).tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(unpack(found["curves"]["reward"]["value"])).all()
    assert site.get("/api/points?study=first")["total"] == 14  # it is not complete
    store.end(trial.id, "complete", metrics={"val_accuracy": 0.9})
    assert site.get("/api/points?study=first")["total"] == 15  # read again, for it was open


def test_no_child_is_dropped_because_an_axis_does_not_apply(site: Site) -> None:
    document = site.get("/api/axes?study=first&kind=child")
    space = small_space()
    assert document["total"] == document["shown"] == 12
    assert [axis["name"] for axis in document["axes"]] == [axis.name for axis in space.axes]
    numbers = unpack(document["rows"]["number"]).tolist()
    for axis in document["axes"]:
        chosen = unpack(axis["values"]).tolist()
        points = [site.store.trial("first", number).point or {} for number in numbers]
        assert chosen == [point.get(axis["name"], -1) for point in points]
        assert axis["counts"] == [chosen.count(choice) for choice in range(len(axis["labels"]))]
        assert sum(part["n"] for part in axis["slices"]) == 12


def test_slices_and_distributions_are_those_of_the_values(site: Site) -> None:
    document = site.get("/api/axes?study=first&kind=child")
    accuracies = unpack(document["y"])
    axis = document["axes"][0]
    chosen = unpack(axis["values"])
    for part in axis["slices"]:
        choice = -1 if part["label"] is None else axis["labels"].index(part["label"])
        here = accuracies[chosen == choice]
        assert part["n"] == len(here)
        if len(here):
            assert part["median"] == pytest.approx(np.median(here), abs=1e-6)
            assert part["mean"] == pytest.approx(here.mean(), abs=1e-6)
        else:
            assert part["median"] is None
    lines = {line.get("study") or line["space"]: line for line in document["edf"]}
    assert set(lines) == {"first", "resnext"}
    error, share = (unpack(lines["first"][name]) for name in ("error", "share"))
    assert error.tolist() == pytest.approx(sorted(1 - accuracies.astype(float)), abs=1e-6)
    assert share.tolist() == pytest.approx([place / 12 for place in range(1, 13)])


def test_spaces_on_two_datasets_have_a_distribution_each(site: Site) -> None:
    names = [line["space"] for line in site.get("/api/axes")["edf"] if "space" in line]
    assert names == ["resnext on digits", "resnext on cifar10"]


def test_of_many_trials_the_best_are_sent(open_site: Any) -> None:
    made = open_site()
    accuracies = children(made.store, made.store.create_study("many", spec()), 30)
    document = made.get("/api/axes?limit=10")
    assert (document["total"], document["shown"]) == (30, 10)
    assert max(unpack(document["y"])) == pytest.approx(max(accuracies))
    assert document["axes"][0]["importance"] == made.get("/api/axes")["axes"][0]["importance"]


def test_importance_finds_the_axis_that_matters() -> None:
    rng = np.random.default_rng(0)
    matters, idle = rng.integers(0, 3, 600).astype(np.int16), rng.integers(0, 3, 600).astype(np.int16)
    noisy = matters * 0.1 + rng.normal(0, 0.05, 600)
    assert importance(matters, noisy) == pytest.approx(0.1**2 * 2 / 3 / (0.1**2 * 2 / 3 + 0.05**2), abs=0.05)
    assert importance(idle, noisy) == pytest.approx(0, abs=0.02)
    assert importance(matters, matters.astype(float)) == pytest.approx(1)


def test_chance_is_no_importance() -> None:
    """Many choices and few trials explain much of pure noise; the measure must not."""
    rng = np.random.default_rng(1)
    found = [importance(rng.integers(0, 10, 30).astype(np.int16), rng.normal(size=30)) or 0.0 for _ in range(300)]
    assert np.mean(found) < 0.1  # the uncorrected share is 9 / 29 on average


def test_a_conditional_axis_takes_no_credit_for_its_parent() -> None:
    rng = np.random.default_rng(2)
    parent = rng.integers(0, 2, 400).astype(np.int16)
    below = np.where(parent == 1, rng.integers(0, 2, 400), -1).astype(np.int16)
    result = parent * 1.0 + rng.normal(0, 0.1, 400)
    assert (importance(parent, result) or 0) > 0.9
    assert (importance(below, result) or 0) < 0.05


@pytest.mark.parametrize(
    ("choices", "results"),
    [([], []), ([0, 0], [1, 2]), ([0, 1], [1, 2]), ([0, 0, 1, 1], [5, 5, 5, 5]), ([-1, -1], [1, 2])],
)
def test_importance_says_when_it_means_nothing(choices: list[int], results: list[float]) -> None:
    assert importance(np.array(choices, dtype=np.int16), np.array(results, dtype=float)) is None


def test_a_space_that_cannot_be_loaded_has_the_axes_of_its_trials(open_site: Any) -> None:
    made = open_site()
    children(made.store, made.store.create_study(HOSTILE, spec(space="no_such_module:SPACE")), 8)
    document = made.get("/api/axes")
    assert document["total"] == 8
    assert all(label.startswith("choice ") for axis in document["axes"] for label in axis["labels"])
    assert (
        made.get(f"/api/trials?axis={document['axes'][0]['name']}:choice 0")["total"]
        == document["axes"][0]["counts"][0]
    )
    assert made.get(f"/api/trials/{quote(HOSTILE, safe='')}/0")["nearest"] is None


def test_what_a_scheduler_saves_is_what_the_study_says(open_site: Any) -> None:
    made = open_site()
    study = made.store.create_study("stopped", spec(scheduler="asha", scheduler_options={"first": 1}))
    children(made.store, study, 3, seed=1)
    for _ in range(2):
        trial = made.store.add_trial(study.id, new_trial(small_space().networks[next(iter(small_space().networks))]))
        made.store.start(trial.id, "worker-1")
        made.store.record_epoch(trial.id, 1, {"epoch": 1, "val_accuracy": 0.3})
        made.store.end(trial.id, "pruned", reason="worse than two thirds after epoch 1")
    (found,) = made.get("/api/progress")["studies"]
    assert (found["scheduler"], found["pruned"]) == ("asha", 2)
    trained, whole = Study(made.store, "stopped").epochs
    assert found["epochs"] == {"trained": trained, "without_scheduler": whole}
    assert trained < whole
    assert found["budget_left"] == 20 - 5  # a pruned child was trained
    assert made.get("/api/studies")["studies"][0]["scheduler"] == "asha"
    assert made.get("/api/points")["total"] == 3  # a pruned child is on no front
    page = made.get("/api/trials/stopped/4")
    assert (page["state"], page["reason"]) == ("pruned", "worse than two thirds after epoch 1")
    assert page["curve"]["metrics"]["val_accuracy"] == [0.3]
    (row,) = made.get("/api/trials?state=pruned&limit=1")["rows"]
    assert row["reason"] == "worse than two thirds after epoch 1"


def test_a_loss_is_better_when_small(site: Site) -> None:
    assert site.get("/api/axes?y=train_loss")["maximise"] is False
    assert site.get("/api/axes")["maximise"] is True
    points = site.get("/api/points?y=train_loss&study=first")
    least = min(row["y"] for row in points["fronts"][0]["rows"])
    assert least == pytest.approx(1 / 3)
    for study in site.get("/api/progress?y=train_loss")["studies"]:
        assert (np.diff(unpack(study["columns"]["best"])) <= 0).all()
