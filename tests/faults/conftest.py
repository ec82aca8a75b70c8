"""Faults: what must not break a search is done to it. `pytest -m faults` takes the long versions, some minutes each."""

from __future__ import annotations

import pytest

LONG_TIMEOUT = 900  # seconds


def is_long(config: pytest.Config) -> bool:
    return "faults" in config.getoption("markexpr") and "not faults" not in config.getoption("markexpr")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_long(config):
        for item in items:
            if item.get_closest_marker("faults"):
                item.add_marker(pytest.mark.timeout(LONG_TIMEOUT), append=False)


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether the long version of a test is wanted."""
    return is_long(pytestconfig)
