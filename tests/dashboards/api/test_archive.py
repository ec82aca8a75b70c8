"""The columns that the server keeps: equal to the records, within a bound of memory, and ended trials read once."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from dashboard_data import children, new_trial, small_space, spec
from dashboard_site import Site

from dashboards.archive import Archive
from dashboards.columns import quantity
from nas.store import bulk
from nas.store.records import KINDS, STATES


def test_columns_are_the_records(site: Site) -> None:
    for name in ("first", "second"):
        record = site.store.study(name)
        rows = bulk.read_trials(site.store, record.id)
        trials = site.store.trials(record.id)
        assert rows["number"].tolist() == [trial.number for trial in trials]
        for row, trial in zip(rows, trials, strict=True):
            assert (STATES[row["state"]], KINDS[row["kind"]]) == (trial.state, trial.kind)
            assert (row["flops"], row["params"]) == (trial.flops, trial.params)
            assert (row["activations"], row["memory"], row["epochs"]) == (trial.activations, trial.memory, trial.epochs)
            assert math.isnan(row["accuracy"]) if trial.val_accuracy is None else row["accuracy"] == trial.val_accuracy
            assert trial.finished_at is not None
            assert row["finished"] == pytest.approx(trial.finished_at.timestamp(), abs=1e-3)


def test_ended_trials_are_read_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(str(site.path))
    study = archive.study("first")
    columns = archive.columns(study)
    before = columns.refresh()
    read: list[int] = []
    original = bulk.read_trials

    def counting(*arguments: Any) -> bulk.Table:
        found = original(*arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(bulk, "read_trials", counting)
    assert columns.refresh() is before
    point = small_space().sample(random.Random(5)).to_json()
    trial = site.store.add_trial(study.record.id, new_trial(small_space().decode(point), point))
    assert columns.refresh()[-1]["state"] == STATES.index("waiting")
    site.store.start(trial.id)
    children(site.store, site.store.study("first"), 2, seed=60)
    assert columns.refresh()["number"].tolist() == list(range(17))
    site.store.end(trial.id, "complete", metrics={"val_accuracy": 0.5, "latency": 3.0})
    assert columns.refresh()[14]["accuracy"] == 0.5
    assert read == [0, 1, 3, 1]
    assert len(before) == 14  # what a request holds does not change under it
    archive.close()


def test_a_metric_follows_its_trial_to_the_end(site: Site) -> None:
    archive = Archive(str(site.path))
    study = archive.study("second")
    columns = archive.columns(study)
    point = small_space().sample(random.Random(5)).to_json()
    trial = site.store.add_trial(study.record.id, new_trial(small_space().decode(point), point))
    site.store.start(trial.id)
    assert np.isnan(quantity(columns, columns.refresh(), "latency")[-1])
    site.store.end(trial.id, "complete", metrics={"val_accuracy": 0.5, "latency": 3.5})
    assert quantity(columns, columns.refresh(), "latency")[-1] == 3.5
    archive.close()


def test_memory_is_bounded_and_what_was_dropped_is_read_again(site: Site) -> None:
    archive = Archive(str(site.path), memory=1)
    first, second = archive.study("first"), archive.study("second")
    kept = archive.columns(first)
    assert archive.columns(first) is kept
    archive.columns(second)
    again = archive.columns(first)
    assert again is not kept
    assert (again.refresh() == kept.refresh()).all()
    roomy = Archive(str(site.path))
    kept = roomy.columns(first)
    roomy.columns(second)
    assert roomy.columns(first) is kept
    archive.close()
    roomy.close()


def test_a_study_of_another_version_is_still_shown(open_site: Any) -> None:
    made = open_site()
    made.store.create_study("old", {"space": "gone", "surprise": 1})
    children(made.store, made.store.create_study("new", spec()), 2)
    old, new = made.get("/api/studies")["studies"]
    assert (old["name"], old["budget"], old["objectives"]) == ("old", None, [])
    assert made.get("/api/points")["total"] == new["trials"] == 2


def test_curves_are_sampled_evenly_with_the_last_step(site: Site) -> None:
    from nas.store.queries import curve_sample

    study = site.store.study("first")
    for step in range(1, 200, 2):  # only every other position is a tell
        site.store.add_curve(study.id, step, {"entropy": float(step)})
    steps = [record.step for record in curve_sample(site.store, study.id, 10)]
    assert len(steps) == 10
    assert steps[-1] == 199
    assert len({b - a for a, b in pairwise(steps)}) == 1
    assert len(curve_sample(site.store, study.id, 1000)) == 100
