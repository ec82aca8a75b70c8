from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from executor_fakes import LOADS, FakeDriver, FakeEvaluator, as_json

from nas.executors import Executor, make

MakeExecutor = Callable[..., Executor]


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests of the session: an executor that finds one running uses it and leaves it running."""
    with tempfile.TemporaryDirectory(prefix="nt-", dir="/tmp") as place:
        holder = make("ray", FakeEvaluator(), num_cpus=2, temp_dir=place)
        assert holder.slots == 2
        yield
        holder.run(FakeDriver([]))  # an executor stops the Ray that it has started


@pytest.fixture(scope="session", params=["inline", "ray"])
def make_executor(request: pytest.FixtureRequest) -> MakeExecutor:
    """Makes an executor of either kind, with the fake evaluator if none is given."""
    if request.param == "ray":
        request.getfixturevalue("local_ray")

    def build(evaluator: Any = None, **options: Any) -> Executor:
        LOADS[0] = 0
        return make(request.param, evaluator or FakeEvaluator(), decode=as_json, **options)

    return build
