"""Workers that die, hang, run out of memory or fall silent: each is a failure of one child, and the run goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from executor_fakes import FakeDriver, FakeEvaluator, as_json, job

from nas.executors import Executor, Failure, Job, make

MakeExecutor = Callable[..., Executor]


class Patient(FakeDriver):
    """Gives every child that may have another try one more, without what broke it."""

    def failed(self, id: int, failure: Failure) -> None:
        super().failed(id, failure)
        if failure.again and self.life(id).count("failed") == 1:
            self.jobs.append(Job(id, {"epochs": 2}, {}, seed=id, epochs=2))


@pytest.fixture(scope="session")
def slow(make_executor: MakeExecutor) -> FakeDriver:
    driver = FakeDriver(
        [
            job(1, epochs=3, at=2, do="sleep"),
            job(2, epochs=3),
            job(3, epochs=8, sleep=0.9),
            job(4, at=1, do="exhaust"),
            job(5, at=1, do="cuda"),
            job(6, epochs=2),
        ]
    )
    begun = time.monotonic()
    make_executor(epoch_timeout=4, trial_timeout=5).run(driver)
    assert time.monotonic() - begun < 60
    return driver


class TestLimits:
    """With both executors: what hangs in Python code is ended at its limit, and the process that remains is well."""

    def test_an_epoch_that_hangs_may_be_tried_again(self, slow: FakeDriver) -> None:
        failure = slow.failures()[1]
        assert failure.reason.startswith("epoch 2 took longer than 4 s, the epoch_timeout (executor_fakes.py")
        assert "time.sleep(600)" in failure.traceback
        assert failure.again
        assert slow.life(1) == ["started", "epoch", "failed"]

    def test_a_child_that_takes_too_long_may_not(self, slow: FakeDriver) -> None:
        failure = slow.failures()[3]
        assert re.search(r"it took longer than 5 s, the trial_timeout \(in epoch [4567]\)", failure.reason)
        assert not failure.again

    def test_out_of_memory_and_a_fault_of_the_gpu_may_be_tried_again(self, slow: FakeDriver) -> None:
        assert slow.reasons()[4].startswith("MemoryError (executor_fakes.py")
        assert slow.reasons()[5].startswith("RuntimeError: CUDA error: an illegal memory access")
        assert slow.failures()[4].again
        assert slow.failures()[5].again

    def test_the_others_are_none_the_worse(self, slow: FakeDriver) -> None:
        for id, epochs in ((2, 3), (6, 2)):
            assert slow.life(id) == ["started", *["epoch"] * epochs, "finished"]


@pytest.fixture(scope="session")
def lost(local_ray: None) -> FakeDriver:
    driver = Patient(
        [
            job(1, epochs=2, at=2, do="kill"),
            job(2, at=1, do="segfault"),
            job(3, at=1, do="block"),
            job(4, at=1, do="deaf"),
            job(5, at=1, do="stop"),
            job(6, at=1, do="sleep"),
            *(job(id, epochs=2) for id in range(10, 16)),
        ]
    )
    executor: Any = make("ray", FakeEvaluator(), decode=as_json, epoch_timeout=1.5)
    executor.run(driver)
    return driver


@pytest.mark.usefixtures("local_ray")
class TestRay:
    @pytest.mark.parametrize(
        ("id", "reason", "traceback"),
        [
            (1, "killed or crashed", "worker process has died"),
            (2, "killed or crashed", "Segmentation fault"),
            (3, "worker did not answer and was killed", ""),
            (4, "worker did not answer and was killed", ""),
            (5, "worker did not answer and was killed", ""),
            (6, "epoch 1 took longer than 1.5 s", "time.sleep(600)"),
        ],
        ids=["SIGKILL", "segfault", "hang in C", "hang that catches all", "SIGSTOP", "hang in Python"],
    )
    def test_a_worker_lost_is_a_failure_and_another_try(
        self, lost: FakeDriver, id: int, reason: str, traceback: str
    ) -> None:
        failure = lost.failures()[id]
        assert reason in failure.reason
        assert traceback in failure.traceback
        assert failure.again
        again = ["started", "epoch", "epoch", "finished"]
        assert lost.life(id)[-4:] == again
        assert lost.life(id)[:-4] == ["started", *["epoch"] * (id == 1), "failed"]

    def test_a_segfault_names_the_line_of_python(self, lost: FakeDriver) -> None:
        assert "in _segfault" in lost.failures()[2].traceback

    def test_the_others_are_none_the_worse(self, lost: FakeDriver) -> None:
        for id in range(10, 16):
            assert lost.life(id) == ["started", "epoch", "epoch", "finished"]

    def test_a_spoilt_process_trains_nothing_more(self, lost: FakeDriver) -> None:
        places = [(of, rest[0]) for what, of, *rest in lost.events if what == "started"]
        for id in range(1, 7):
            spoilt = next(place for of, place in places if of == id)
            later = places[places.index((id, spoilt)) + 1 :]
            assert spoilt not in [place for _, place in later]

    def test_a_child_that_does_not_let_go_blocks_no_other(self) -> None:
        """Pruned after its first epoch, its evaluator hangs while it is closed."""
        driver = FakeDriver(
            [job(1, at=1, do="close badly", most=9), *(job(id, epochs=2) for id in range(2, 6))], prune={1: 1}
        )
        executor: Any = make("ray", FakeEvaluator(), decode=as_json, epoch_timeout=1.5, max_concurrent=1)
        executor.run(driver)
        ends = [driver.life(id)[-1] for id in range(2, 6)]
        assert ends.count("finished") >= 3  # the one that took over its worker was lost with it
        assert all(failure.again for failure in driver.failures().values())
