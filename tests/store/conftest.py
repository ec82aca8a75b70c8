"""A store of every kind: what the contract holds for. PostgreSQL joins by one more entry in STORES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.store import Store, StudyRecord, open_store

STORES: dict[str, Callable[[Path], str | None]] = {
    "memory": lambda folder: None,
    "file": lambda folder: str(folder / "studies.db"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(STORES[request.param](tmp_path)) as opened:
        yield opened


@pytest.fixture
def study(store: Store) -> StudyRecord:
    return store.create_study("first", {"space": "resnext", "seed": 3})
