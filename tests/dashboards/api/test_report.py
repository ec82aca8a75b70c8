"""`nas report`: one file, with the front of the dashboard, that needs nothing else; whatever names are in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dashboard_data import baselines, children, small_space, spec
from dashboard_site import HOSTILE, Site

from dashboards.errors import NotThere
from dashboards.report import write_report
from nas.errors import NasError, StoreError
from nas.results import Study


def data_of(html: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found is not None
    document: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return document


def test_the_report_has_the_front_the_baselines_and_every_point(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    count = write_report(str(site.path), "first", path)
    html = path.read_text()
    front = Study(site.store, "first").front
    assert count == len(front)
    data = data_of(html)
    assert {row["number"] for row in data["front"]} == {trial.number for trial in front}
    assert {row["name"] for row in data["baselines"]} == set(list(small_space().networks)[:2])
    assert len(data["rest"]) + len([row for row in data["front"] if row["kind"] == "child"]) == 12
    for trial in front:
        assert f"{trial.flops:,}" in html


def test_the_report_needs_no_other_file(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(str(site.path), "first", path)
    html = path.read_text()
    outside = html
    for script in re.findall(r"<script.*?</script>", html, re.S):
        outside = outside.replace(script, "")
    assert not re.search(r'\b(?:src|href)="', outside)
    assert "Plotly" in html
    assert html.count("<script") - html.count("<script ") >= 2
    assert "default-src 'none'" in html


def test_a_hostile_name_cannot_leave_its_place(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(str(site.path), HOSTILE, path)
    html = path.read_text()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_exact_figures_of_baselines_are_not_those_of_short_floats(site: Site, tmp_path: Path) -> None:
    study = site.store.create_study("exact", spec())
    name = next(iter(small_space().networks))
    baselines(site.store, study, [name], 0.7)
    path = tmp_path / "report.html"
    write_report(str(site.path), "exact", path)
    assert data_of(path.read_text())["baselines"][0]["x"] == site.store.trial("exact", 0).flops
    assert data_of(path.read_text())["baselines"][0]["y"] == site.store.trial("exact", 0).val_accuracy


def test_a_study_without_a_complete_trial_has_a_report_too(site: Site, tmp_path: Path) -> None:
    site.store.create_study("fresh", spec())
    assert write_report(str(site.path), "fresh", tmp_path / "report.html") == 0


def test_an_objective_that_is_measured_spans_the_front(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    children(site.store, site.store.study("second"), 1, seed=8, latency=True)
    write_report(str(site.path), "second", path)
    assert data_of(path.read_text())["x"] == "latency"


def test_what_cannot_be_is_said_in_one_line(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="did you mean 'first'"):
        write_report(str(site.path), "frist", tmp_path / "report.html")
    with pytest.raises(StoreError, match="there is no database"):
        write_report(str(tmp_path / "absent.db"), "first", tmp_path / "report.html")
    with pytest.raises(NasError, match="choose another file"):
        write_report(str(site.path), "first", tmp_path / "absent" / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_command_says_what_it_wrote(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    command = [
        str(Path(sys.executable).with_name("nas")),
        "report",
        "first",
        "-o",
        str(path),
        "--storage",
        str(site.path),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    front = len(Study(site.store, "first").front)
    assert (said.stdout, said.stderr) == ("", f"written: {path}, a front of {front}\n")
    printed = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(printed.stdout) == {"study": "first", "file": str(path), "front": front}
    assert path.stat().st_size > 1_000_000
