"""The other pages in a real browser: trial, time, axes, compare, hostile names, a phone, an empty database."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from searched_database import HOSTILE
from visiting import Visit, serve

MACRO = "digits-macro"


def test_the_page_of_a_trial(visit: Visit) -> None:
    page = visit.open(f"/trial/{MACRO}/9", "trial")
    said = visit.json(f"/api/trials/{MACRO}/9")
    text = page.locator("#view").inner_text()
    for heading in (
        "Architecture",
        "Axes",
        "Learning curve",
        "Recipe",
        "Layers",
        "How it ran",
        "Commands",
        "Nearest hand-designed network",
    ):
        assert page.get_by_role("heading", name=heading, exact=True).count() == 1, heading
    assert said["nearest"]["name"] in text
    assert "worker-0" in text
    assert said["commands"]
    assert all(command in text for command in said["commands"].values())
    assert "does not apply" in text  # macro has conditional axes
    image = page.locator(".column .drawing").first
    image.scroll_into_view_if_needed()
    page.wait_for_selector(".column .drawing")
    deadline = time.monotonic() + 10
    while not image.evaluate("node => node.complete && node.naturalWidth > 0"):
        assert time.monotonic() < deadline, "the drawing did not load"
        page.wait_for_timeout(50)
    assert page.locator("#layers tbody tr").count() > 5


def test_a_failed_trial_says_why(visit: Visit) -> None:
    page = visit.open("/trial/digits-resnet/9", "trial")
    assert page.locator(".reason").inner_text() == "the loss became NaN"


def test_over_time_shows_what_runs_and_what_is_left(visit: Visit) -> None:
    page = visit.open("/time?dataset=digits", "time")
    assert page.locator("#running-table tbody tr").count() == 1
    assert "2 of 4" in page.locator("#running-table").inner_text()
    said = {study["name"]: study for study in visit.json("/api/progress?dataset=digits")["studies"]}
    row = page.locator("#progress-table tbody tr", has_text=MACRO)
    assert f"{said[MACRO]['budget_left']} of 70" in row.inner_text()
    assert page.locator(".multiples figcaption").all_inner_texts() == ["entropy", "reward"]
    page.locator("#by-hours").click()
    page.wait_for_selector("#by-hours[aria-pressed=true]")
    assert visit.query("by") == ["hours"]


def test_axes_keep_trials_that_an_axis_does_not_apply_to(visit: Visit) -> None:
    page = visit.open(f"/axes?study={MACRO}&axes=all", "axes")
    said = visit.json(f"/api/axes?study={MACRO}")
    assert page.locator(".parallel .choice.none").count() > 0
    trials = visit.json(f"/api/points?study={MACRO}&kind=child")["total"]
    assert re.search(rf"\b{trials}\b", page.locator(".key").inner_text())  # every complete child is a line
    assert page.locator(".bars li").count() == len(said["axes"])
    page.locator(".parallel button.choice").nth(1).click()
    page.wait_for_selector(".parallel button.choice[aria-pressed=true]")
    assert len(visit.query("axis")) == 1
    assert page.locator(".chip").count() == 1


def test_compare_shows_only_differences(visit: Visit) -> None:
    page = visit.open("/table?study=digits-resnet&sort=number", "table")
    for box in (3, 4):
        page.locator("#trials tbody input").nth(box).check()
    page.locator("#tabs a", has_text="Compare").click()
    visit.ready("compare")
    rows = page.locator("#differences tbody tr:not(.group)")
    assert rows.count() > 2
    for index in range(rows.count()):
        cells = rows.nth(index).locator("td").all_inner_texts()
        assert len(cells) == 2
    said = visit.json("/api/compare?" + "&".join(f"trial={quote(key)}" for key in visit.query("trial")))
    assert rows.count() == len(said["rows"])
    assert all(len({json.dumps(value) for value in row["values"]}) > 1 for row in said["rows"])


def test_a_hostile_name_is_only_text(visit: Visit) -> None:
    page = visit.open(f"/?study={quote(HOSTILE)}", "front")
    assert HOSTILE in page.locator("#side").inner_text()
    assert HOSTILE in page.locator("#front-table").inner_text()
    page.locator("#front-table button").first.click()
    page.wait_for_selector("#details[data-state=ready]")
    for path, view in (
        (f"/trial/{quote(HOSTILE, safe='')}/3", "trial"),
        (f"/time?study={quote(HOSTILE)}", "time"),
        (f"/axes?study={quote(HOSTILE)}", "axes"),
    ):
        visit.open(path, view)
    assert "owned" not in page.title().split(" · ")[-1]
    assert page.evaluate("document.querySelectorAll('main script, aside script').length") == 0


def test_a_study_with_a_slash_in_its_name(visit: Visit) -> None:
    page = visit.open("/trial/flowers%2Fvgg/3", "trial")
    assert page.locator(".crumbs").inner_text().startswith("flowers/vgg")


def test_an_unknown_trial_is_one_clear_line(fresh: Visit) -> None:
    page = fresh.page
    page.goto(fresh.site + f"/trial/{MACRO}/9999")
    page.wait_for_selector(".error[role=alert]")
    assert "9999" in page.locator(".error").inner_text()
    fresh.errors[:] = [line for line in fresh.errors if "404" not in line]  # the browser's own note of the answer


@pytest.mark.parametrize("fresh", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_phone_needs_no_sideways_scrolling(fresh: Visit) -> None:
    pages = {
        "front": "/", "time": "/time", "axes": "/axes", "table": "/table", "trial": f"/trial/{MACRO}/5",
        "published": "/?show=published", "compare": f"/compare?trial={MACRO}:4&trial={MACRO}:5",
    }  # fmt: skip
    for view, path in pages.items():
        page = fresh.open(path, view)
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view


def test_an_empty_database_shows_the_published_front(browser: Any, tmp_path: Path) -> None:
    from nas.store import open_store

    path = tmp_path / "empty.db"
    open_store(str(path)).close()
    with serve(path) as site:
        visit = Visit(browser, site)
        page = visit.open("/", "published")
        said = visit.json("/api/published?x=flops")
        text = page.locator("#view").inner_text()
        assert "Published ImageNet networks" in text
        assert "None of these figures was measured here" in text
        assert "nas search" in text
        assert page.locator("#front-table tbody tr").count() == len(said["front"])
        page.locator("#front-table button").first.click()
        page.wait_for_selector("#details[data-state=ready]")
        assert "published" in page.locator("#details").inner_text()
        visit.context.close()
        visit.check()


def test_a_refused_filter_is_one_clear_line_and_a_way_out(fresh: Visit) -> None:
    page = fresh.page
    page.goto(fresh.site + "/?dataset=digits&x=bogus")
    page.wait_for_selector(".error[role=alert]")
    assert "bogus" in page.locator(".error").inner_text()
    page.get_by_role("button", name="Without the filter").click()
    fresh.ready("front")
    assert page.locator(".error").count() == 0
    fresh.errors[:] = [line for line in fresh.errors if "400" not in line]  # the browser's own note of the answer


def test_a_filter_that_nothing_passes_is_said(visit: Visit) -> None:
    for view, path in {"front": "/", "time": "/time", "axes": "/axes", "table": "/table"}.items():
        page = visit.open(f"{path}?dataset=digits&accuracy_min=2", view)
        assert page.locator(".chartsummary").inner_text().startswith("No "), view


def test_choosing_a_study_leaves_the_published_networks(visit: Visit) -> None:
    page = visit.open("/?show=published", "published")
    page.locator("#dataset").select_option("digits")
    visit.ready("front")
    assert page.locator("h1").inner_text() == "Accuracy against FLOPs"
    assert visit.query("dataset") == ["digits"]


@pytest.mark.parametrize(("view", "title"), [("axes", "Every trial through its choices"), ("time", "The controller")])
def test_the_pictures_of_a_page_are_one_file(visit: Visit, view: str, title: str) -> None:
    page = visit.open(f"/{view}?study={MACRO}", view)
    files = {}
    for item in ("Picture, SVG", "Picture, PNG"):
        page.locator(".menu summary").click()
        with page.expect_download() as download:
            page.locator(".menu .panel").get_by_text(item, exact=True).click()
        files[item] = Path(download.value.path()).read_bytes()
    text = files["Picture, SVG"].decode()
    assert files["Picture, PNG"].startswith(b"\x89PNG")
    assert title in text
    drawn = text.count('stroke="rgb(')
    if view == "axes":
        trials = visit.json(f"/api/axes?study={MACRO}")["total"]
        assert drawn == trials  # a line for each
        assert "does not apply" in text
    else:
        assert "Best accuracy" in text
        assert "entropy" in text


def test_names_that_a_path_cannot_hold_are_written_another_way(visit: Visit) -> None:
    page = visit.open("/table?dataset=digits", "table")
    names = [".", "..", "~.", "a/b", "...", "x"]
    found = page.evaluate(
        "async names => { const { segment } = await import('/static/state.js'); return names.map(segment); }", names
    )
    assert found == ["~.", "~..", "~~.", "a%2Fb", "...", "x"]
