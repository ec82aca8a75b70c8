"""What several test modules share.

Faults: what must not break a search is done to it. `pytest -m faults` takes the long versions, some minutes each.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

# A shell that runs the tests in the background ignores Ctrl-C, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors on a busy machine are faster without a second thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


LONG_TIMEOUT = 900  # seconds


def is_long(config: pytest.Config) -> bool:
    return "faults" in config.getoption("markexpr") and "not faults" not in config.getoption("markexpr")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        faults = item.get_closest_marker("faults")
        if faults and is_long(config):
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT), append=False)
        elif faults and faults.kwargs.get("only_long"):
            item.add_marker(pytest.mark.skip(reason="long: with -m faults"))


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether the long version of a test is wanted."""
    return is_long(pytestconfig)
