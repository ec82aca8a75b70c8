"""`/api/points?after=`: an answer of what changed says as much as a whole one."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard_data import baselines, children, new_trial, small_space, spec, train
from dashboard_site import Site

from dashboards.packing import unpack
from nas.store import open_store


def rows(document: dict[str, Any]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The points of an answer by study and number."""
    columns = {name: unpack(packed).tolist() for name, packed in document["columns"].items()}
    found = {}
    for place in range(document["shown"]):
        key = document["studies"][columns["study"][place]], columns["number"][place]
        values = (columns[name][place] for name in ("x", "y", "params", "kind"))
        found[key] = (*values, document["names"].get(str(place)))
    return found


def later(site: Site, before: dict[str, Any], query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = site.get(f"/api/points?after={before['cursor']}{query}")
    return found


def test_nothing_new_is_an_empty_answer_with_whole_fronts(site: Site) -> None:
    before = site.get("/api/points")
    assert before["delta"] is False
    again = later(site, before)
    assert (again["delta"], again["shown"], again["gone"]) == (True, 0, [])
    assert (again["fronts"], again["total"]) == (before["fronts"], before["total"])


def test_changes_add_up_to_a_whole_answer(site: Site) -> None:
    before = site.get("/api/points")
    known = rows(before)
    first, second = site.store.study("first"), site.store.study("second")
    for round_ in range(3):
        children(site.store, first, 2, seed=60 + round_)
        baselines(site.store, second, list(small_space().networks)[round_ : round_ + 1], 0.99)
        change = later(site, before)
        assert (change["delta"], change["shown"]) == (True, 3)
        known.update(rows(change))
        whole = site.get("/api/points")
        assert known == rows(whole)
        assert (change["fronts"], change["total"]) == (whole["fronts"], whole["total"])
        before = change


def test_a_trial_that_ended_out_of_turn_is_told(site: Site) -> None:
    study = site.store.study("first")
    network = small_space().networks[next(iter(small_space().networks))]
    slow = site.store.add_trial(study.id, new_trial(network))
    site.store.start(slow.id, "worker-1")
    before = site.get("/api/points?study=first")
    train(site.store, study, new_trial(network), 0.9)
    between = later(site, before, "&study=first")
    site.store.record_epoch(slow.id, 1, {"epoch": 1, "val_accuracy": 0.7})
    site.store.end(slow.id, "complete")
    change = later(site, between, "&study=first")
    assert list(rows(change)) == [("first", slow.number)]


def test_a_point_that_no_longer_passes_is_gone(site: Site) -> None:
    study = site.store.study("first")
    network = small_space().networks[next(iter(small_space().networks))]
    trial = site.store.add_trial(study.id, new_trial(network))
    site.store.start(trial.id, "worker-1")
    site.store.record_epoch(trial.id, 1, {"epoch": 1, "val_accuracy": 0.4})
    query = "&state=running&study=first"
    before = site.get(f"/api/points?{query[1:]}")
    assert list(rows(before)) == [("first", trial.number)]
    site.store.record_epoch(trial.id, 2, {"epoch": 2, "val_accuracy": 0.5})
    change = later(site, before, query)
    assert rows(change)["first", trial.number][1] == pytest.approx(0.5)
    site.store.end(trial.id, "complete")
    change = later(site, change, query)
    assert (change["gone"], change["shown"], change["total"]) == ([[0, trial.number]], 0, 0)


@pytest.mark.parametrize("query", ["&x=params", "&study=first", "&flops_max=1e9", "&limit=5", "&axis=cardinality:1"])
def test_another_question_is_answered_whole(site: Site, query: str) -> None:
    before = site.get("/api/points")
    changed = later(site, before, query)
    assert changed["delta"] is False
    assert changed["shown"] == site.get(f"/api/points?{query[1:]}")["shown"]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "%00", "9" * 40, "é-²"])
def test_no_cursor_is_answered_whole(site: Site, cursor: str) -> None:
    assert site.get(f"/api/points?after={cursor}")["delta"] is False


def test_a_new_study_is_answered_whole(site: Site) -> None:
    before = site.get("/api/points")
    children(site.store, site.store.create_study("fourth", spec()), 1, seed=9)
    assert later(site, before)["delta"] is False


def test_a_study_that_takes_the_id_of_a_deleted_one_has_its_own_trials(open_site: Any) -> None:
    import sqlite3

    made = open_site()
    old = made.store.create_study("old", spec())
    children(made.store, old, 3, seed=1)
    assert made.get("/api/points")["total"] == 3
    with sqlite3.connect(made.path) as connection:  # nas has no command for it; a person has
        connection.execute("DELETE FROM nas_epochs")
        connection.execute("DELETE FROM nas_trials")
        connection.execute("DELETE FROM nas_studies")
    assert made.get("/api/studies")["studies"] == []
    assert made.get("/api/points")["total"] == 0
    with open_store(made.path) as store:
        new = store.create_study("new", spec())
        assert new.id == old.id
        children(store, new, 1, seed=2)
    assert (made.get("/api/points")["total"], made.get("/api/points")["studies"]) == (1, ["new"])
