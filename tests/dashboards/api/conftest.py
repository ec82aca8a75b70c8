"""A database with a few studies, and a client of the application over it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard_data import baselines, children, new_trial, small_space, spec
from dashboard_site import HOSTILE, Site
from starlette.testclient import TestClient

from dashboards.app import make_app
from nas.store import open_store


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes a site over an empty database, or over a copy of one."""
    opened: list[Site] = []

    def make(copied: Path | None = None) -> Site:
        path = tmp_path / "studies.db"
        if copied is not None:
            shutil.copyfile(copied, path)
        store = open_store(path)
        client = TestClient(make_app(str(path), commands=("show", "describe")), base_url="http://127.0.0.1")
        opened.append(Site(path, store, client))
        return opened[-1]

    yield make
    for site in opened:
        site.client.close()
        archive = getattr(site.client.app.state, "archive", None)  # type: ignore[attr-defined]
        if archive is not None:
            archive.close()
        site.store.close()


@pytest.fixture(scope="session")
def three_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database, made once: two studies of digits (one optimises a latency), one of cifar10 with a hostile name."""
    path = tmp_path_factory.mktemp("three") / "studies.db"
    with open_store(path) as store:
        first = store.create_study("first", spec())
        baselines(store, first, list(small_space().networks)[:2], 0.7)
        children(store, first, 12, seed=1)
        second = store.create_study("second", spec(objectives=("accuracy", "latency:min")))
        children(store, second, 6, seed=2, latency=True)
        failed = store.add_trial(second.id, new_trial(small_space().decode(_any_point(3)), _any_point(3)))
        store.end(failed.id, "failed", reason="out of memory")
        store.finish_study(second.id)
        other = store.create_study(HOSTILE, spec(dataset={"name": "cifar10"}))
        children(store, other, 5, seed=4)
    return path


@pytest.fixture
def site(open_site: Callable[..., Site], three_studies: Path) -> Site:
    """A site over a copy of the three studies."""
    return open_site(three_studies)


def _any_point(seed: int) -> dict[str, int]:
    return small_space().sample(random.Random(seed)).to_json()
