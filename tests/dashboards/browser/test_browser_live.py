"""A search that runs while the page is open: its trials appear by themselves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visiting import Visit, serve

SEARCH = """
import sys, time
import nas
from searchspaces import price

def judge(architecture):
    time.sleep(0.4)
    return 1 - 1 / (2 + price(architecture.draw((3, 16, 16), 10)).flops ** 0.1)

nas.search("resnet", name="live", storage=sys.argv[1], evaluator=judge, image=(3, 16, 16), budget=60,
           baselines="none", controller="random", executor="inline")
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The database of a search that is under way."""
    path = tmp_path / "live.db"
    search = subprocess.Popen([sys.executable, "-c", SEARCH, str(path)], stderr=subprocess.PIPE)
    yield path
    search.terminate()
    search.communicate(timeout=20)


def test_a_new_trial_appears_within_two_seconds(browser: Any, running: Path) -> None:
    from nas.errors import NasError
    from nas.store import open_store

    deadline = time.monotonic() + 40
    while True:  # the search needs a moment to begin
        try:
            with open_store(str(running), create=False) as store:
                if store.study("live").counts["complete"] >= 2:
                    break
        except NasError:
            pass
        assert time.monotonic() < deadline, "the search does not begin"
        time.sleep(0.1)
    with serve(running) as site:
        visit = Visit(browser, site)
        page = visit.open("/time", "time")
        page.wait_for_selector("#live[data-state=on]")
        late = []
        with open_store(str(running), create=False) as store:
            for _ in range(3):
                before = store.study("live").counts["complete"]
                while (now := store.study("live").counts["complete"]) == before:
                    time.sleep(0.02)
                since = time.monotonic()
                while int(page.locator("#progress-table tbody td").first.inner_text()) < now:
                    page.wait_for_timeout(30)
                    assert time.monotonic() - since < 10, "the page does not follow the search"
                late.append(time.monotonic() - since)
        assert min(late) < 2
        assert sorted(late)[len(late) // 2] < 2, late
        page.locator("#tabs a", has_text="Front").click()
        visit.ready("front")
        points = int(page.locator(".pointchart").get_attribute("data-points"))
        page.wait_for_selector(f'.pointchart:not([data-points="{points}"])', timeout=10000)
        assert int(page.locator(".pointchart").get_attribute("data-points")) > points
        changes = [url for url in visit.requests if "/api/points" in url and "after=" in url]
        assert changes  # only what is new was asked for
        with open_store(str(running), create=False) as store:
            page.wait_for_function(
                "least => Number(document.querySelector('.pointchart').dataset.points) >= least",
                arg=store.study("live").counts["complete"],
                timeout=5000,
            )
        visit.context.close()
        visit.check()
