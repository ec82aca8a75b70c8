"""The front in a real browser: points, hover, click, keyboard, filter, deep link, theme, no WebGL, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from visiting import Visit


def at_point(page: Any, index: int) -> tuple[float, float]:
    """Where the index-th row of the front's table is on the screen, by walking there with the keyboard."""
    chart = page.locator(".pointchart")
    chart.focus()
    page.keyboard.press("Home")
    for _ in range(index):
        page.keyboard.press("ArrowRight")
    box = page.locator(".ring").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_front_shows_what_the_api_says(visit: Visit) -> None:
    page = visit.open("/?dataset=digits", "front")
    answer = visit.json("/api/points?dataset=digits")
    rows = answer["fronts"][0]["rows"]
    assert page.locator(".pointchart").get_attribute("data-points") == str(answer["shown"])
    assert page.locator(".pointchart").get_attribute("data-drawing") == "webgl"
    shown = page.locator("#front-table tbody tr th").all_inner_texts()
    assert shown == [row["name"] or f"#{row['number']}" for row in reversed(rows)]
    assert f"a front of {len(rows)}" in page.locator(".chartsummary").inner_text()
    assert page.locator(".graph .annotation-text").filter(has_text="resnet18").count() >= 1  # a baseline by its name


def test_the_layer_paints_the_dominated_points(visit: Visit) -> None:
    page = visit.open("/?study=digits-macro", "front")
    painted = """() => {
        const canvas = document.querySelector("canvas.points"), copy = document.createElement("canvas");
        Object.assign(copy, {width: canvas.width, height: canvas.height});
        const pen = copy.getContext("2d");
        pen.drawImage(canvas, 0, 0);
        const {data} = pen.getImageData(0, 0, copy.width, copy.height);
        let found = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i]) found++;
        return found;
    }"""
    all_points = page.evaluate(painted)
    assert all_points > 40 * 9  # some forty dominated trials of a few pixels each
    visit.open("/?study=digits-macro&number_max=10", "front")
    assert 0 < page.evaluate(painted) < all_points / 2


def test_hover_names_a_point_and_click_opens_it(visit: Visit) -> None:
    page = visit.open("/?study=digits-resnet", "front")
    row = visit.json("/api/points?study=digits-resnet")["fronts"][0]["rows"][1]
    x, y = at_point(page, 0)  # the first stop may be a baseline off the front, so the point is taken from the tip
    page.mouse.move(x + 60, y + 60)
    page.mouse.move(x, y)
    tip = page.locator(".tip")
    tip.wait_for(state="visible")
    title = tip.locator("strong").inner_text()
    assert "digits-resnet" in title
    page.mouse.click(x, y)
    page.wait_for_selector("#details[data-state=ready]")
    opened = page.locator("#details").get_attribute("data-trial")
    assert visit.query("open") == [opened]
    assert title.split(" · ")[0] in (page.locator("#details h2").inner_text())
    page.locator("#front-table").get_by_role("button", name=row["name"] or f"#{row['number']}", exact=True).click()
    page.wait_for_selector(f'#details[data-trial="digits-resnet:{row["number"]}"][data-state=ready]')
    page.go_back()
    page.wait_for_selector(f'#details[data-trial="{opened}"][data-state=ready]')


def test_the_keyboard_alone_walks_opens_and_closes(visit: Visit) -> None:
    page = visit.open("/?study=digits-resnet", "front")
    page.locator(".pointchart").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator(".pointchart").get_attribute("data-at")
    page.keyboard.press("ArrowRight")
    assert page.locator(".pointchart").get_attribute("data-at") not in (first, "-1")
    assert page.locator(".tip strong").inner_text() in page.locator("#announcer").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#details[data-state=ready]")
    assert page.evaluate("document.activeElement.id") == "details"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('aside').id") == "details"
    page.keyboard.press("Escape")
    page.wait_for_selector("#details", state="hidden")
    assert visit.query("open") == []
    assert page.evaluate("document.activeElement.className") == "pointchart"
    page.keyboard.press("+")
    page.wait_for_selector("#unzoom")
    assert len(visit.query("xr")) == 1
    page.locator(".pointchart").focus()
    page.keyboard.press("0")
    page.wait_for_selector("#unzoom", state="detached")


def test_a_click_leaves_the_focus_and_the_keyboard_takes_it_from_the_table(visit: Visit) -> None:
    page = visit.open("/?study=digits-resnet", "front")
    first = page.locator("#front-table tbody th button").first
    first.click()
    page.wait_for_selector("#details[data-state=ready]")
    assert page.evaluate("document.activeElement.id") != "details"
    page.keyboard.press("Escape")
    page.wait_for_selector("#details", state="hidden")
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#details[data-state=ready]")
    assert page.evaluate("document.activeElement.id") == "details"
    page.keyboard.press("Escape")
    page.wait_for_selector("#details", state="hidden")


def test_another_value_than_accuracy_can_be_chosen(visit: Visit) -> None:
    page = visit.open("/?study=digits-resnet", "front")
    page.locator("#choose-y").select_option("val_loss")
    page.wait_for_selector("h1:text-is('Val loss against FLOPs')")
    visit.ready("front")
    assert visit.query("y") == ["val_loss"]
    said = visit.json("/api/points?study=digits-resnet&y=val_loss")
    assert said["maximise"] == {"x": False, "y": False}
    assert page.locator("#front-table tbody tr").count() == len(said["fronts"][0]["rows"])
    for view in ("time", "axes"):
        page.locator(f"#tab-{view}").click()
        visit.ready(view)
        assert page.locator("#choose-y").input_value() == "val_loss"
    page.locator("#choose-y").select_option("accuracy")
    visit.ready("axes")
    assert visit.query("y") == []


def test_published_networks_are_marked_beside_imagenet_alone_and_in_no_front(visit: Visit) -> None:
    page = visit.open("/?study=thousand", "front")
    said = visit.json("/api/points?study=thousand")
    models = visit.json("/api/published?weights=best")["models"]
    chart = page.locator(".pointchart")
    assert chart.get_attribute("data-points") == str(said["shown"] + len(models))
    assert "published, other recipes; not in the front" in page.locator(".legend").inner_text()
    rows = [row["name"] or f"#{row['number']}" for row in reversed(said["fronts"][0]["rows"])]
    assert page.locator("#front-table tbody tr th").all_inner_texts() == rows
    page.locator("#published-0").click()
    page.wait_for_selector(f'.pointchart[data-points="{said["shown"]}"]')
    visit.open("/?study=thousand&study=digits-resnet", "front")
    assert page.locator("#published-0").count() == 0
    both = visit.json("/api/points?study=thousand&study=digits-resnet")
    assert chart.get_attribute("data-points") == str(both["shown"])
    visit.open("/?study=thousand&x=memory", "front")  # nobody published that
    assert chart.get_attribute("data-points") == str(said["shown"])


def test_the_filter_is_in_the_address_and_everything_follows(visit: Visit) -> None:
    page = visit.open("/?dataset=digits", "front")
    before = int(page.locator(".pointchart").get_attribute("data-points"))
    page.locator("#filter-open").click()
    page.get_by_label("FLOPs, most").fill("30M")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_selector(f'.pointchart:not([data-points="{before}"])')
    assert visit.query("flops_max") == ["30000000"]
    expected = visit.json("/api/points?dataset=digits&flops_max=30000000")["shown"]
    assert page.locator(".pointchart").get_attribute("data-points") == str(expected)
    page.locator("#tabs a", has_text="Table").click()
    visit.ready("table")
    assert visit.query("flops_max") == ["30000000"]
    total = visit.json("/api/trials?dataset=digits&flops_max=30000000")["total"]
    assert f"of {total} trials" in page.locator(".chartsummary").inner_text()
    page.get_by_role("button", name="Remove the filter FLOPs").click()
    page.wait_for_selector(".chip", state="detached")
    assert visit.query("flops_max") == []


def test_the_table_sorts_and_pages_on_the_server(visit: Visit) -> None:
    page = visit.open("/table?dataset=digits&limit=25", "table")
    page.locator("#sort-flops").click()
    page.wait_for_selector("th[aria-sort=ascending] #sort-flops")
    rows = visit.json("/api/trials?dataset=digits&sort=flops&limit=50")["rows"]
    names = [row["name"] or f"#{row['number']}" for row in rows]
    assert page.locator("#trials tbody th").all_inner_texts() == names[:25]
    page.locator("#page-next").click()
    page.wait_for_selector("#page-back:not([disabled])")
    assert page.locator("#trials tbody th").all_inner_texts() == names[25:50]
    assert visit.query("offset") == ["25"]


def test_a_link_reproduces_the_view(visit: Visit) -> None:
    link = (
        "/?study=digits-resnet&x=params&scale=linear&style=complexity&xr=0,20000000&yr=0.2,0.9&open=digits-resnet%3A5"
    )
    page = visit.load(link, "front")
    page.wait_for_selector("#details[data-state=ready]")
    axes = page.evaluate(
        "['xaxis', 'yaxis'].map(name => document.querySelector('.graph')._fullLayout[name])\
        .map(axis => [axis.range, axis.type])"
    )
    assert axes == [[[0, 20000000], "linear"], [[0.2, 0.9], "linear"]]
    assert page.locator("#style-complexity").get_attribute("aria-pressed") == "true"
    assert page.locator("#choose-x").input_value() == "params"
    assert page.locator("#details h2").inner_text().startswith("#5")


@pytest.mark.parametrize("fresh", [{"color_scheme": "dark"}], indirect=True)
def test_dark_by_the_system_and_light_by_choice(fresh: Visit) -> None:
    page = fresh.open("/?dataset=digits", "front")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    tick = "getComputedStyle(document.querySelector('.graph .xtick text')).fill"
    dark_tick = page.evaluate(tick)
    page.locator("#theme").click()
    page.wait_for_selector("html[data-theme=light]")
    fresh.ready("front")
    assert page.evaluate(ground) != dark
    assert page.evaluate(tick) != dark_tick
    page.reload()
    fresh.ready("front")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_without_webgl_the_points_are_svg(fresh: Visit) -> None:
    page = fresh.open("/?dataset=digits&webgl=0", "front")
    assert page.locator(".pointchart").get_attribute("data-drawing") == "svg"
    drawn = page.locator(".graph .scatterlayer .points path").count()
    said = fresh.json("/api/points?dataset=digits&limit=4000")
    assert drawn >= said["shown"]
    assert "limit=4000" in " ".join(fresh.requests)


@pytest.mark.parametrize(
    ("item", "ending", "start"),
    [
        ("Picture, PNG", ".png", b"\x89PNG"),
        ("Picture, SVG", ".svg", b"<svg"),
        ("Trials, CSV", ".csv", b""),
        ("Trials, JSON", ".json", b""),
    ],
)
def test_export(visit: Visit, item: str, ending: str, start: bytes) -> None:
    page = visit.open("/?study=digits-resnet", "front")
    page.locator(".menu summary").click()
    with page.expect_download() as download:
        page.locator(".menu .panel").get_by_text(item, exact=True).click()
    path = Path(download.value.path())
    assert download.value.suggested_filename.endswith(ending)
    content = path.read_bytes()
    assert content.startswith(start)
    total = visit.json("/api/points?study=digits-resnet")["total"]
    if ending == ".csv":
        assert len(content.decode().splitlines()) == total + 1  # what the chart shows, and a line of names
    if ending == ".json":
        assert len(json.loads(content)) == total
    if ending == ".svg":
        assert b"data:image/png" in content  # the layer's points go along
