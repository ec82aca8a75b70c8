"""The table, the filter, the exports, a trial's page, networks, drawings and comparisons."""

from __future__ import annotations

import csv
import io
import shlex
from typing import Any
from urllib.parse import quote

import pytest
import typer
from dashboard_data import children, new_trial, small_space, spec, train
from dashboard_site import HOSTILE, Site

from dashboards.trial_page import COMMANDS
from nas import pareto
from nas.results import Study
from searchspaces import Architecture


def numbers(document: dict[str, Any]) -> list[tuple[str, int]]:
    return [(row["study"], row["number"]) for row in document["rows"]]


# --- the table and its filter --------------------------------------------------------------------------------


def test_the_table_has_every_state_and_pages_join_without_gap(site: Site) -> None:
    everything = site.get("/api/trials?limit=1000")
    assert everything["total"] == len(everything["rows"]) == 26
    pages = [site.get(f"/api/trials?limit=10&offset={offset}") for offset in (0, 10, 20, 30)]
    assert [number for page in pages for number in numbers(page)] == numbers(everything)
    failed = next(row for row in everything["rows"] if row["state"] == "failed")
    assert (failed["reason"], failed["accuracy"]) == ("out of memory", None)
    assert failed["summary"].startswith("Bottleneck")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["accuracy", "flops", "latency", "number", "study", "state", "finished", "epochs"])
def test_sorting_puts_what_is_not_known_last(site: Site, sort: str, descending: bool) -> None:
    rows = site.get(f"/api/trials?sort={sort}&descending={str(descending).lower()}")["rows"]
    assert len(rows) == 26
    if sort == "latency":
        values = [site.store.trial(row["study"], row["number"]).metrics for row in rows]
        keys = [None if metrics is None else metrics.get("latency") for metrics in values]
    elif sort == "study":
        keys = [["first", "second", HOSTILE].index(row["study"]) for row in rows]
    else:
        keys = [row[sort] for row in rows]
    known = [key for key in keys if key is not None]
    assert known == sorted(known, reverse=descending)
    assert keys[: len(known)] == known


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("study=first", lambda trial: trial["study"] == "first"),
        ("dataset=cifar10", lambda trial: trial["study"] == HOSTILE),
        ("state=failed", lambda trial: trial["state"] == "failed"),
        ("state=failed&state=complete", lambda trial: True),
        ("kind=baseline", lambda trial: trial["kind"] == "baseline"),
        ("accuracy_min=0.8", lambda trial: (trial["accuracy"] or 0) >= 0.8),
        ("flops_max=500000", lambda trial: trial["flops"] <= 500000),
        ("number_min=3&number_max=5", lambda trial: 3 <= trial["number"] <= 5),
        ("epochs_min=1", lambda trial: trial["epochs"] == 3),
    ],
)
def test_each_filter_leaves_just_what_it_says(site: Site, query: str, holds: Any) -> None:
    everything = site.get("/api/trials")["rows"]
    expected = [(trial["study"], trial["number"]) for trial in everything if holds(trial)]
    assert expected
    assert numbers(site.get(f"/api/trials?{query}")) == expected


def test_axes_filter_by_label_any_of_one_name_all_of_several(site: Site) -> None:
    space = small_space()
    axis, other = [axis for axis in space.axes if not axis.conditional and len(axis) > 1][:2]
    points = {
        (row["study"], row["number"]): site.store.trial(row["study"], row["number"]).point
        for row in site.get("/api/trials?kind=child")["rows"]
    }
    one = {key for key, point in points.items() if point[axis.name] == 0}
    two = {key for key, point in points.items() if point[axis.name] in (0, 1)}
    both = {key for key, point in points.items() if point[axis.name] == 0 and point[other.name] == 0}
    first = f"axis={axis.name}:{quote(str(axis.labels[0]))}"
    assert set(numbers(site.get(f"/api/trials?{first}"))) == one
    assert set(numbers(site.get(f"/api/trials?{first}&axis={axis.name}:{quote(str(axis.labels[1]))}"))) == two
    assert set(numbers(site.get(f"/api/trials?{first}&axis={other.name}:{quote(str(other.labels[0]))}"))) == both
    assert one != two
    assert both != one


def test_every_chart_follows_the_filter(site: Site) -> None:
    query = "study=first&accuracy_min=0.75"
    count = site.get(f"/api/trials?{query}&state=complete")["total"]
    assert 0 < count < 14
    assert site.get(f"/api/points?{query}")["total"] == count
    assert site.get(f"/api/axes?{query}&kind=child")["total"] == count
    assert len(site.get(f"/api/export.json?{query}&state=complete")) == count
    (study,) = site.get(f"/api/progress?{query}")["studies"]
    assert study["name"] == "first"


# --- exports -------------------------------------------------------------------------------------------------


def test_exports_have_every_trial_with_its_axes(site: Site) -> None:
    documents = site.get("/api/export.json")
    answer = site.client.get("/api/export.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="trials.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(documents) == 26
    for row, document in zip(rows, documents, strict=True):
        assert (row["study"], int(row["number"])) == (document["study"], document["number"])
        point = site.store.trial(document["study"], document["number"]).point
        labels = {} if point is None else {k: str(v) for k, v in small_space().labels(point).items()}
        assert document["axes"] == labels
        assert {name[5:]: value for name, value in row.items() if name.startswith("axis:") and value} == labels


def test_a_cell_that_a_spreadsheet_would_run_is_text_in_csv(open_site: Any) -> None:
    made = open_site()
    study = made.store.create_study("=HYPERLINK(1)", spec())
    train(made.store, study, new_trial(small_space().networks[next(iter(small_space().networks))], None), 0.5)
    row = next(csv.DictReader(io.StringIO(made.client.get("/api/export.csv").text)))
    assert row["study"] == "'=HYPERLINK(1)"
    assert made.get("/api/export.json")[0]["study"] == "=HYPERLINK(1)"


# --- one trial -----------------------------------------------------------------------------------------------


def test_a_trial_is_told_whole(site: Site) -> None:
    trial, document = site.store.trial("first", 7), site.get("/api/trials/first/7")
    assert document["accuracy"] == trial.val_accuracy
    assert {name: document[name] for name in trial.cost} == trial.cost
    assert document["values"] == {"accuracy": trial.val_accuracy, "flops": trial.flops}
    assert (document["worker"], document["seed"], document["epochs"]) == ("worker-1", 0, 3)
    assert document["recipe"] == {"epochs": 3, "lr": 0.1}
    assert document["curve"]["epoch"] == [1, 2, 3]
    assert document["curve"]["metrics"]["val_accuracy"][-1] == trial.val_accuracy
    assert sum(layer["params"] for layer in document["layers"]) == trial.params
    assert sum(layer["flops"] for layer in document["layers"]) == trial.flops
    assert document["times"]["seconds"] >= 0
    assert trial.point is not None
    space = small_space()
    assert {axis["name"]: axis["label"] for axis in document["axes"] if axis["active"]} == {
        name: str(label) for name, label in space.labels(trial.point).items()
    }
    assert [axis["name"] for axis in document["axes"]] == [axis.name for axis in space.axes]
    assert all(axis["label"] is None for axis in document["axes"] if not axis["active"])


def test_the_nearest_network_differs_in_the_fewest_axes(site: Site) -> None:
    space, trial = small_space(), site.store.trial("first", 9)
    found = site.get("/api/trials/first/9")["nearest"]
    assert trial.point is not None

    def apart(name: str) -> set[str]:
        theirs = space.encode(space.networks[name])
        return {axis.name for axis in space.axes if theirs.get(axis.name) != trial.point.get(axis.name)}  # type: ignore[union-attr]

    assert found["distance"] == min(len(apart(name)) for name in space.networks)
    assert {difference["axis"] for difference in found["differences"]} == apart(found["name"])
    name = next(iter(space.networks))
    baseline = site.get("/api/trials/first/0")
    assert (baseline["name"], baseline["nearest"]["distance"]) == (name, 0)


def test_the_baselines_that_a_trial_dominates_are_those_of_the_front_code(site: Site) -> None:
    study = Study(site.store, "first")
    for number in range(14):
        expected = [name for name, children in study.baselines().items() if number in children]
        found = site.get(f"/api/trials/first/{number}")["dominates"]
        if study.trials[number].kind == "child":
            assert found == expected
    own, other = (study.values(study.trials[number]) for number in (0, 1))
    assert (site.get("/api/trials/first/0")["dominates"] != []) == pareto.dominates(own, other, [True, False])
    assert site.get("/api/trials/second/6")["dominates"] is None  # it failed


def test_commands_are_those_that_nas_has_and_can_be_pasted(site: Site) -> None:
    commands = site.get("/api/trials/first/3")["commands"]
    assert commands["show"] == f"nas show first:3 --storage {site.path}"
    assert set(commands) == {"show", "describe", "draw"}
    hostile = site.get(f"/api/trials/{quote(HOSTILE, safe='')}/0")["commands"]["show"]
    assert f"'{HOSTILE}:0'" in hostile


def test_a_reused_trial_says_which_one_answered_it(site: Site) -> None:
    first = site.store.study("first")
    source = site.store.trial("first", 4)
    architecture = site.store.architecture(source.architecture_key)
    again = new_trial(Architecture.from_json(architecture), source.point, state="complete", reused_from=source.id)
    number = site.store.add_trial(first.id, again).number
    document = site.get(f"/api/trials/first/{number}")
    assert document["reused_from"] == {"study": "first", "number": 4}
    assert document["curve"] == site.get("/api/trials/first/4")["curve"]


def test_drawings_are_pictures_that_can_run_nothing(site: Site) -> None:
    for path in (f"/api/trials/{quote(HOSTILE, safe='')}/0/drawing.svg", "/api/networks/resnet18/drawing.svg"):
        answer = site.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "<script" not in answer.text


def test_a_network_has_its_figures(site: Site) -> None:
    document = site.get("/api/networks/resnet50")
    assert document["params"] == 25_557_032 == sum(layer["params"] for layer in document["layers"])
    assert {model["weights"] for model in document["published"]} == {"IMAGENET1K_V1", "IMAGENET1K_V2"}


@pytest.mark.parametrize(
    "path",
    [
        *("/api/trials/nothing/0", "/api/trials/first/99", "/api/trials/first/99999999999999999999999"),
        *("/api/trials/first/-1", "/api/networks/resnet51", "/api/networks/resnet51/drawing.svg", "/api/nothing", "/x"),
    ],
)
def test_what_does_not_exist_is_404_in_one_line(site: Site, path: str) -> None:
    error = site.get(path, 404)["error"]
    assert error
    assert "\n" not in error


# --- comparison ----------------------------------------------------------------------------------------------


def test_a_comparison_has_the_differences_only(site: Site) -> None:
    document = site.get("/api/compare?trial=first:5&trial=second:2&trial=first:0")
    assert [trial["number"] for trial in document["trials"]] == [5, 2, 0]
    pages = [site.get(f"/api/trials/{name}") for name in ("first/5", "second/2", "first/0")]
    rows = {(row["group"], row["name"]): row["values"] for row in document["rows"]}
    assert rows["cost", "flops"] == [page["flops"] for page in pages]
    assert rows["search", "study"] == ["first", "second", "first"]
    assert ("recipe", "lr") not in rows
    assert all(len({repr(value) for value in values}) > 1 for values in rows.values())
    labels = [{axis["name"]: axis["label"] for axis in page["axes"]} for page in pages]
    differing = {name for name in labels[0] if len({column[name] for column in labels}) > 1}
    assert {name for group, name in rows if group == "axes"} == differing
    assert document["curves"] == [page["curve"] for page in pages]


def test_a_trial_beside_its_twin_differs_in_nothing_but_its_accuracy(site: Site) -> None:
    source = site.store.trial("first", 6)
    architecture = Architecture.from_json(site.store.architecture(source.architecture_key))
    number = train(site.store, site.store.study("first"), new_trial(architecture, source.point), 0.123)
    rows = site.get(f"/api/compare?trial=first:6&trial=first:{number}")["rows"]
    assert [(row["group"], row["name"]) for row in rows] == [("measured", "accuracy")]


@pytest.mark.parametrize("query", ["", "trial=first:1", "trial=first:1&trial=first:1", "trial=first&trial=first:2"])
def test_a_comparison_needs_two_different_trials(site: Site, query: str) -> None:
    assert "2 to 6" in (error := site.get(f"/api/compare?{query}", 400)["error"]) or "STUDY:NUMBER" in error


@pytest.mark.parametrize(("name", "written"), [(".", "~."), ("..", "~.."), ("~..", "~~..")])
def test_names_that_a_browser_would_resolve_are_written_another_way(open_site: Any, name: str, written: str) -> None:
    made = open_site()
    children(made.store, made.store.create_study(name, spec()), 1)
    assert made.get(f"/api/trials/{written}/0")["study"] == name
    assert made.client.get(f"/api/trials/{written}/0/drawing.svg").status_code == 200


def test_every_command_that_the_page_can_name_is_one_of_nas_with_these_options() -> None:
    import nas.cli.export
    import nas.cli.look
    import nas.cli.networks
    import nas.cli.retrain  # noqa: F401 - each adds its commands to `app`
    from nas.cli import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {"retrain", "export"} <= {command for command, _ in COMMANDS.values()}
    for command, rest in COMMANDS.values():
        words = ["study:3", *shlex.split(rest), "--storage", "nas.db"]
        assert known[command].make_context(command, words).params["storage"] == "nas.db"
