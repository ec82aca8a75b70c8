"""/api/studies, /api/points and /api/published: what is found, the fronts, and fewer points that lose no front."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from dashboard_data import baselines, children, small_space, spec
from dashboard_site import HOSTILE, Site
from hypothesis import given
from hypothesis import strategies as st

from dashboards.packing import pack, unpack
from dashboards.reduction import thin
from nas import pareto
from nas.api import open_study
from searchspaces.published import released


def columns(document: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: unpack(packed).tolist() for name, packed in document["columns"].items()}


def test_studies_are_told_with_their_tallies(site: Site) -> None:
    document = site.get("/api/studies")
    first, second, other = document["studies"]
    assert [study["name"] for study in (first, second, other)] == ["first", "second", HOSTILE]
    assert (first["trials"], first["counts"]["complete"], first["state"], first["dataset"]) == (
        14,
        14,
        "open",
        "digits",
    )
    assert (second["counts"]["failed"], second["state"], second["metrics"]) == (
        1,
        "finished",
        ["latency", "train_loss"],
    )
    assert other["dataset"] == "cifar10"
    assert first["baseline_accuracy"] == pytest.approx(0.7)
    assert first["axes"] == [axis.name for axis in small_space().axes]
    assert document["database"] == str(site.path)


def test_an_absent_database_has_no_studies_and_is_found_when_it_appears(open_site: Any, tmp_path: Any) -> None:
    from starlette.testclient import TestClient

    from dashboards.app import make_app
    from nas.store import open_store

    path = tmp_path / "later.db"
    client = TestClient(make_app(str(path)), base_url="http://localhost")
    assert client.get("/api/studies").json()["studies"] == []
    assert client.get("/api/points").json()["total"] == 0
    assert client.get("/api/progress").json()["studies"] == []
    assert client.get("/api/trials").json()["total"] == 0
    assert not path.exists()
    with open_store(path) as store:
        store.create_study("new", spec())
        assert [study["name"] for study in client.get("/api/studies").json()["studies"]] == ["new"]
    client.app.state.archive.close()  # type: ignore[attr-defined]


def test_the_front_is_that_of_the_command_line(site: Site) -> None:
    document = site.get("/api/points?study=first")
    (front,) = document["fronts"]
    study = open_study("first", site.store)
    assert {row["number"] for row in front["rows"]} == {trial.number for trial in study.front}
    assert [row["x"] for row in front["rows"]] == sorted(row["x"] for row in front["rows"])
    values = [study.values(trial) for trial in study.trials]
    bound = [0.0, max(flops for _, flops in values)]
    assert front["reference"] == bound
    assert front["hypervolume"] == pytest.approx(pareto.hypervolume(values, [True, False], bound))
    assert front["hypervolume"] > 0


def test_a_front_never_mixes_two_datasets(site: Site) -> None:
    document = site.get("/api/points")
    assert [front["dataset"] for front in document["fronts"]] == ["digits", "cifar10"]
    for front in document["fronts"]:
        names = {"digits": {"first", "second"}, "cifar10": {HOSTILE}}[front["dataset"]]
        assert front["rows"]
        assert {row["study"] for row in front["rows"]} <= names


def test_points_have_every_complete_trial_and_name_the_baselines(site: Site) -> None:
    document = site.get("/api/points?study=first")
    found = columns(document)
    assert (document["total"], document["shown"], document["reduced"]) == (14, 14, False)
    assert found["number"] == list(range(14))
    assert found["kind"] == [1, 1] + [0] * 12
    assert list(document["names"].values()) == list(small_space().networks)[:2]
    trial = site.store.trial("first", 5)
    assert found["y"][5] == pytest.approx(trial.val_accuracy, abs=1e-6)
    assert found["x"][5] == trial.flops
    assert found["params"][5] == trial.params
    on_front = {number for number, front in zip(found["number"], found["front"], strict=True) if front}
    assert on_front == {row["number"] for row in document["fronts"][0]["rows"]}


def test_a_metric_can_span_the_front_and_its_direction_is_that_of_the_objective(site: Site) -> None:
    document = site.get("/api/points?study=second&x=latency")
    assert document["maximise"] == {"x": False, "y": True}
    assert document["total"] == 6
    assert site.get("/api/points?x=latency")["total"] == 6  # only the second study measured it


def test_reduction_keeps_the_front_and_the_baselines_and_counts_the_rest(site: Site) -> None:
    everything = site.get("/api/points?study=first&study=second")
    few = site.get("/api/points?study=first&study=second&limit=6")
    assert few["reduced"]
    assert few["fronts"] == everything["fronts"]
    kept = columns(few)
    assert sum(kept["count"]) == few["total"] == everything["total"]
    members = {(row["study"], row["number"]) for row in everything["fronts"][0]["rows"]}
    shown = {(few["studies"][study], number) for study, number in zip(kept["study"], kept["number"], strict=True)}
    assert members <= shown
    assert sum(kept["kind"]) == 2
    assert few["shown"] < everything["shown"]


@given(
    st.lists(st.tuples(st.floats(1, 1e9), st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=200),
    st.integers(1, 50),
)
def test_thinning_stands_for_every_point_within_the_limit(points: list[tuple[float, float, int]], most: int) -> None:
    x, y, group = (np.array(column) for column in zip(*points, strict=True))
    kept, counts = thin(x, y, group, most)
    assert len(kept) <= most
    assert counts.sum() == len(points)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(kept) > 0).all()


def test_thinning_a_grid_of_far_points_keeps_all_that_it_may() -> None:
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(1, 100, 10), np.linspace(0, 1, 10)))
    kept, _ = thin(x, y, np.zeros(100, dtype=np.int64), 99)
    assert len(kept) > 60


@pytest.mark.parametrize("kind", ["f4", "f8", "i1", "i2", "i4", "u1", "u2"])
def test_a_packed_column_comes_back(kind: str) -> None:
    assert unpack(pack([0, 1, 100], kind)).tolist() == [0, 1, 100]


def test_published_models_are_labelled_and_have_a_front_of_their_own(site: Site) -> None:
    document = site.get("/api/published?x=params&weights=all")
    assert document["label"] == "published, ImageNet"
    assert len(document["models"]) == len(released("all"))
    chosen = [document["models"][index] for index in document["front"]]
    assert [model["params"] for model in chosen] == sorted(model["params"] for model in chosen)
    best = max(document["models"], key=lambda model: model["top1"])
    assert chosen[-1]["top1"] == best["top1"]
    assert all(
        model["network"] == (site.client.get(f"/api/networks/{model['name']}").status_code == 200) for model in chosen
    )


def test_new_trials_join_those_that_were_read_before(open_site: Any) -> None:
    made = open_site()
    study = made.store.create_study("grows", spec())
    baselines(made.store, study, list(small_space().networks)[:1], 0.8)
    children(made.store, study, 3, seed=1)
    assert columns(made.get("/api/points"))["number"] == [0, 1, 2, 3]
    children(made.store, study, 3, seed=2)
    found = columns(made.get("/api/points"))
    assert found["number"] == list(range(7))
    assert json.dumps(made.get("/api/points")["names"]).count(next(iter(small_space().networks))) == 1
