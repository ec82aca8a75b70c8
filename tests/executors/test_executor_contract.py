"""The contract of an executor, and both executors run through it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from executor_fakes import FakeDriver, FakeEvaluator, as_json, job

from nas.errors import ExecutorError
from nas.executors import Executor, Job, make

MakeExecutor = Callable[..., Executor]

REASONS = {
    10: "the loss became NaN in epoch 2",
    11: r"ValueError: kernel 4 \(executor_fakes\.py:\d+\)",
    12: r"KeyError \(executor_fakes\.py:\d+\)",
    13: "metric 'val_accuracy' must be a number, got 'high'",
    14: "the evaluator ended before its first epoch",
    15: r"TypeError: .* \(executor_fakes\.py:\d+\)",
    40: r"Mute \(executor_fakes\.py:\d+\)",
    41: r"SystemExit: 7 \(executor_fakes\.py:\d+\)",
    42: r"RecursionError: .* \(executor_fakes\.py:\d+\)",
    43: "an epoch must give metrics by name, got None",
    44: r"an epoch must give metrics by name, got \[0\.1, 0\.2\]",
    45: "metric 'val_accuracy' must be a number, got a Riddle",
    46: "a metric's name must be a printable text, got 5",
    47: "metric 'val_accuracy' must be a number, got 10{60,}…",
    48: "metric 'epoch' must be a whole number above 0, got nan",
    49: "metric 'epoch' must be a whole number above 1, got 1",
    50: "metric 'epoch' must be a whole number above 0, got 1099511627776",
}
JOBS = [
    *(job(id, epochs=1 + id % 3) for id in range(6)),
    job(10, epochs=3, at=2, do="nas error"),
    job(11, at=1, do="value error"),
    job(12, at=1, do="empty error"),
    job(13, at=1, do="word"),
    job(14, epochs=0, most=5),
    Job(15, {"epochs": "many"}, {}, seed=0, epochs=1),
    *(
        job(id, at=1, do=what, most=5)
        for id, what in enumerate(
            ["mute error", "exit politely", "recursion", "none", "list", "riddle", "number", "huge", "no epoch"], 40
        )
    ),
    job(49, at=1, do="old epoch", most=5),
    job(50, at=1, do="late epoch", most=5),
    job(20, epochs=4),
    job(21, epochs=4),
    job(30, epochs=1000, most=3),
    job(31, epochs=2, most=50),
]
PRUNE = {20: 2, 21: 4}  # on the way, and at the last epoch


class Broken(Exception):
    pass


class BrokenDriver(FakeDriver):
    """Breaks at the first call of one of its methods."""

    def __init__(self, where: str) -> None:
        super().__init__([job(1, at=1, do="value error"), job(2, epochs=2), job(3, epochs=2)])
        self.broken = 0

        def broken(*arguments: Any) -> Any:
            self.broken += 1
            raise Broken(where)

        setattr(self, where, broken)


@pytest.fixture(scope="session")
def driver(make_executor: MakeExecutor) -> FakeDriver:
    """One run of all kinds of children, for the tests to look at from all sides."""
    driver = FakeDriver(JOBS, PRUNE)
    executor = make_executor()
    slots = executor.slots
    executor.run(driver)
    assert driver.most_at_once <= slots, "it asked when no slot was free"
    return driver


class TestContract:
    def test_every_child_starts_once_and_ends_once(self, driver: FakeDriver) -> None:
        assert driver.done
        assert sorted(of for what, of, *_ in driver.events if what == "started") == sorted(each.id for each in JOBS)
        assert driver.counts()["finished"] + driver.counts()["failed"] + len(PRUNE) == len(JOBS)

    @pytest.mark.parametrize("id", range(6))
    def test_a_child_lives_through_its_epochs(self, driver: FakeDriver, id: int) -> None:
        epochs = 1 + id % 3
        assert driver.life(id) == ["started", *["epoch"] * epochs, "finished"]
        assert [metrics["epoch"] for metrics in driver.metrics(id)] == list(range(1, epochs + 1))
        assert [metrics["seed"] for metrics in driver.metrics(id)] == [id] * epochs

    def test_metrics_are_plain_numbers(self, driver: FakeDriver) -> None:
        assert {type(value) for value in driver.metrics(1)[0].values()} == {int, float}

    def test_a_child_ends_after_the_epochs_of_its_job_or_before(self, driver: FakeDriver) -> None:
        assert driver.life(30) == ["started", "epoch", "epoch", "epoch", "finished"]
        assert driver.life(31) == ["started", "epoch", "epoch", "finished"]

    def test_a_failure_leaves_the_others_and_its_own_earlier_epochs(self, driver: FakeDriver) -> None:
        assert set(driver.reasons()) == set(REASONS)
        assert driver.life(10) == ["started", "epoch", "failed"]

    @pytest.mark.parametrize("id", REASONS)
    def test_a_reason_is_one_line(self, driver: FakeDriver, id: int) -> None:
        assert re.fullmatch(REASONS[id], driver.reasons()[id])

    @pytest.mark.parametrize("id", REASONS)
    def test_what_the_child_did_wrong_is_not_tried_again(self, driver: FakeDriver, id: int) -> None:
        assert not driver.failures()[id].again

    def test_the_end_of_the_traceback_comes_with_it(self, driver: FakeDriver) -> None:
        lines = driver.failures()[11].traceback.splitlines()
        assert lines[0].startswith("Traceback")
        assert lines[-1] == "ValueError: kernel 4"
        assert any("executor_fakes.py" in line for line in lines)

    @pytest.mark.parametrize("id", PRUNE)
    def test_a_pruned_child_is_not_spoken_of_again(self, driver: FakeDriver, id: int) -> None:
        assert driver.life(id) == ["started", *["epoch"] * PRUNE[id]]

    def test_the_dataset_is_loaded_once_a_worker(self, make_executor: MakeExecutor, tmp_path: Path) -> None:
        """Also where a whole batch must end before the next begins, so that for a moment no worker has work."""
        executor = make_executor()
        slots = executor.slots
        places = [tmp_path / name for name in ("first", "second", "third")]
        for place in places:
            place.mkdir()
        # Every batch waits for all its children to be there, so that none can be served by one quick worker alone.
        jobs = [job(10 * n + k, meet=str(places[n]), how_many=slots) for n in range(3) for k in range(slots)]
        driver = FakeDriver(jobs, batch=slots)
        executor.run(driver)
        assert driver.counts()["finished"] == 3 * slots
        loads = {rest[0]["pid"]: rest[0]["loads"] for what, _, *rest in driver.events if what == "epoch"}
        assert set(loads.values()) == {1}
        assert len(loads) == slots
        assert {worker.rpartition(":")[2] for worker in driver.workers()} == {str(pid) for pid in loads}

    def test_none_with_nothing_in_flight_means_ask_again_soon(self, make_executor: MakeExecutor) -> None:
        driver = FakeDriver([job(1), job(2)], pauses=2)
        make_executor().run(driver)
        assert driver.counts()["finished"] == 2

    def test_nothing_to_do(self, make_executor: MakeExecutor) -> None:
        driver = FakeDriver([])
        executor = make_executor()
        executor.run(driver)
        executor.run(driver)
        assert driver.events == []

    def test_an_error_of_the_driver_ends_the_run(self, make_executor: MakeExecutor) -> None:
        driver = BrokenDriver("epoch")
        with pytest.raises(Broken, match="epoch"):
            make_executor().run(driver)
        assert driver.broken == 1
        assert "finished" not in driver.counts()


class TestInline:
    @pytest.mark.parametrize("where", ["next", "started", "finished", "failed"])
    def test_an_error_of_the_driver_is_no_failure_of_a_child(self, where: str) -> None:
        driver = BrokenDriver(where)
        with pytest.raises(Broken, match=where):
            make("inline", FakeEvaluator(), decode=as_json).run(driver)
        assert driver.broken == 1

    def test_keyboard_interrupt_passes_through(self) -> None:
        class Interrupted(FakeEvaluator):
            def run(self, *arguments: Any) -> Any:
                raise KeyboardInterrupt

        driver = FakeDriver([job(1)])
        with pytest.raises(KeyboardInterrupt):
            make("inline", Interrupted(), decode=as_json).run(driver)
        assert driver.life(1) == ["started"]


class TestMake:
    def test_an_unknown_name_suggests_the_nearest(self) -> None:
        with pytest.raises(ExecutorError, match="unknown executor 'inlin'; did you mean 'inline'"):
            make("inlin", FakeEvaluator())

    def test_an_unknown_option_is_named(self) -> None:
        with pytest.raises(ExecutorError, match=r"executor 'inline'.*'gpus'"):
            make("inline", FakeEvaluator(), gpus=1)
