"""Debian's Chromium, driven by Playwright, over the real server: what the browser's tests share.

Where either is absent every test here is skipped, and says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searched_database import write_database
from visiting import Visit, serve

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dashboard") / "studies.db"
    write_database(path)
    return path


@pytest.fixture(scope="session")
def site(database: Path) -> Iterator[str]:
    with serve(database) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip("no Chromium at /usr/bin/chromium: the page is not tested in a browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: the page is not tested in a browser")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def one_page(browser: Any, site: str) -> Iterator[Visit]:
    opened = Visit(browser, site)
    yield opened
    opened.context.close()


@pytest.fixture
def visit(one_page: Visit) -> Iterator[Visit]:
    """The page that the tests share: its state is its address, so that none finds what another left."""
    yield one_page
    one_page.check()


@pytest.fixture
def fresh(browser: Any, site: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page of its own, with options of the browser's context as the parameter."""
    opened = Visit(browser, site, **getattr(request, "param", {}))
    yield opened
    opened.context.close()
    opened.check()
