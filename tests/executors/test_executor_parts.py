"""The parts of the executors that need no Ray."""

from __future__ import annotations

import logging
import os
import re
import signal
import tempfile
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executor_fakes import FakeDriver, FakeEvaluator, as_json, job

from nas.errors import ExecutorError, NasError
from nas.executors import Failure, Terminated
from nas.executors.children import Child, Step
from nas.executors.flight import Flight
from nas.executors.limits import Alarm, Limits, Overtime
from nas.executors.process import LONGEST_PLACE, environment, interruptible, new_directory, quiet
from nas.executors.reasons import reason, worker_death
from nas.executors.resources import Share
from nas.executors.worker import WarmWorker

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: with_parameters.<locals>._Inner
\tpid: 30734
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: """


class TestReason:
    def test_an_error_of_ours_speaks_for_itself(self) -> None:
        assert reason(NasError("the loss is\n  NaN")) == "the loss is NaN"

    def test_another_says_its_type_and_place(self) -> None:
        with pytest.raises(KeyError) as caught:
            {}["missing"]
        assert re.fullmatch(r"KeyError: 'missing' \(test_executor_parts\.py:\d+\)", reason(caught.value))

    def test_the_place_is_outside_installed_packages(self) -> None:
        numpy = pytest.importorskip("numpy")
        with pytest.raises(ValueError, match="negative") as caught:
            numpy.pad([1, 2], -1)
        assert "(test_executor_parts.py:" in reason(caught.value)

    def test_it_is_short(self) -> None:
        assert len(reason(ValueError("x" * 10_000))) <= 500

    def test_a_silent_error_of_ours_says_its_type(self) -> None:
        assert reason(NasError()) == "NasError"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (DIED + "Worker exits unexpectedly. Worker exits with an exit code 3.", "ended with exit code 3"),
            (DIED + "Worker unexpectedly exits with a connection error code 2. End of file. Some", "killed or crashed"),
            (
                "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 192.0.2.2, "
                "ID: c7) was 4.73GB used / 23.54GB limit (0.2)\nOOM kill reason: …",
                "its machine ran low on memory (4.73GB used / 23.54GB limit)",
            ),
            (
                "The actor died because of an error raised in its creation task, ray::Inner\nmore\n"
                "ModuleNotFoundError: No module named 'nas'",
                "the worker could not start: ModuleNotFoundError: No module named 'nas'",
            ),
            ("something new", "the worker died: something new"),
            ("", "the worker died"),
        ],
    )
    def test_a_worker_death_is_one_line(self, text: str, expected: str) -> None:
        assert expected in worker_death(text)
        assert "\n" not in worker_death(text)


class TestChild:
    def test_the_evaluator_is_closed_at_the_last_epoch_of_the_job(self) -> None:
        closed = []

        class Endless(FakeEvaluator):
            def run(self, *arguments: Any) -> Iterator[dict[str, float]]:
                try:
                    while True:
                        yield {"val_accuracy": 0.5}
                finally:
                    closed.append(True)

        child = Child(Endless(), job(1, most=2), as_json)
        assert child.step() == Step({"epoch": 1, "val_accuracy": 0.5})
        assert not closed
        assert child.step() == Step({"epoch": 2, "val_accuracy": 0.5}, last=True)
        assert closed

    def test_an_error_while_closing_keeps_the_metrics(self) -> None:
        class Untidy(FakeEvaluator):
            def run(self, *arguments: Any) -> Iterator[dict[str, float]]:
                try:
                    yield {"val_accuracy": 0.5}
                finally:
                    raise OSError("disk full")

        step = Child(Untidy(), job(1), as_json).step()
        assert step.metrics == {"epoch": 1, "val_accuracy": 0.5}
        assert step.failed is not None
        assert step.failed.reason.startswith("OSError: disk full")
        assert not step.failed.again

    def test_numbers_of_other_libraries_become_plain(self) -> None:
        numpy = pytest.importorskip("numpy")

        class Numpy(FakeEvaluator):
            def run(self, *arguments: Any) -> Iterator[dict[str, float]]:
                yield {"epoch": 1, "val_accuracy": numpy.float32(0.5), "loss": numpy.float64("nan")}

        metrics = Child(Numpy(), job(1), as_json).step().metrics
        assert metrics is not None
        assert {type(value) for value in metrics.values()} == {int, float}

    def test_reading_real_documents(self) -> None:
        from nas.executors.children import decode
        from nas.recipe import Recipe
        from searchspaces import Architecture
        from searchspaces.catalog import NETWORKS

        network = NETWORKS["resnet18"]
        architecture = getattr(network, "architecture", network)
        recipe = Recipe()
        one = job(1)
        object.__setattr__(one, "architecture", architecture.to_json())
        object.__setattr__(one, "recipe", recipe.to_json())
        assert decode(one) == (architecture, recipe)
        assert isinstance(decode(one)[0], Architecture)


class TestWarmWorker:
    @pytest.fixture(autouse=True)
    def _environment(self) -> Iterator[None]:
        threads = {name: os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        with environment({**threads, "CUDA_VISIBLE_DEVICES": "0"}):
            yield

    def test_a_payload_that_cannot_be_read_fails_children_and_not_the_process(self) -> None:
        worker = WarmWorker(b"no pickle", threads=1, gpus=True)
        for id in (1, 2):
            worker.take(job(id))
            step = worker.step()
            assert step.last
            assert step.failed is not None
            assert "UnpicklingError" in step.failed.reason

    def test_threads_and_gpus(self) -> None:
        WarmWorker(b"", threads=3, gpus=True)
        assert (os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"]) == ("3", "0")
        WarmWorker(b"", threads=1, gpus=False)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


class TestShare:
    @pytest.mark.parametrize(
        ("share", "machines", "slots"),
        [
            (Share(), [{"CPU": 2.0}], 2),
            (Share(0.5), [{"CPU": 2.0}], 4),
            (Share(0.1), [{"CPU": 1.0}], 10),
            (Share(3), [{"CPU": 4.0}, {"CPU": 8.0}, {"CPU": 2.0}], 3),
            (Share(1, 1), [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0}], 2),
            (Share(1, 0.25), [{"CPU": 16.0, "GPU": 1.0}], 4),
            (Share(1, 0), [{"CPU": 16.0, "GPU": 1.0}], 16),
            (Share(1, None, 3), [{"CPU": 16.0}], 3),
        ],
    )
    def test_slots(self, share: Share, machines: list[dict[str, float]], slots: int) -> None:
        assert share.slots(machines) == slots

    def test_no_room(self) -> None:
        with pytest.raises(ExecutorError, match=r"wants 1 CPUs and 1 GPUs, but the machines have 2 CPUs and 0 GPUs;"):
            Share(1, 1).slots([{"CPU": 2.0}])

    @pytest.mark.parametrize("options", [(0,), (-1,), (float("nan"),), (1, -1), (1, 1.5), (1, 0, 0)])
    def test_bad_shares(self, options: tuple[Any, ...]) -> None:
        with pytest.raises(ExecutorError, match="got "):
            Share(*options)

    @pytest.mark.parametrize(
        ("device", "machines", "gpus"),
        [
            ("auto", [{"CPU": 8.0, "GPU": 1.0}], 1),
            ("auto", [{"CPU": 8.0}], 0),
            ("cpu", [{"CPU": 8.0, "GPU": 1.0}], 0),
            (None, [{"CPU": 8.0, "GPU": 1.0}], 0),
        ],
    )
    def test_a_gpu_is_used_where_there_is_one(self, device: str | None, machines: Any, gpus: int) -> None:
        evaluator = types.SimpleNamespace() if device is None else types.SimpleNamespace(device=device)
        assert Share().on(machines, evaluator).gpus == gpus
        assert Share(1, 0.5).on(machines, evaluator).gpus == 0.5


class TestFlight:
    def test_the_driver_is_left_alone_after_its_error(self) -> None:
        driver = FakeDriver([job(1)])
        flight = Flight(driver, slots=2)
        found = flight.next()
        assert found is not None
        flight.add("a", found)
        driver.running.clear()  # now `started` is an error
        flight.started("a", "here:1")
        assert isinstance(flight.ended_by, AssertionError)
        assert flight.done
        assert flight.next() is None
        assert not flight.step("a", Step({"epoch": 1}))

    def test_an_interrupt_does_not_hide_an_error(self) -> None:
        flight = Flight(FakeDriver([]), slots=1)
        flight.ended_by = OSError("disk full")
        flight.interrupt(KeyboardInterrupt())
        assert isinstance(flight.ended_by, OSError)

    def test_an_interrupt_waits_for_the_epochs_that_run(self) -> None:
        driver = FakeDriver([job(id, epochs=3) for id in (1, 2, 3, 4)])
        flight = self._flying(driver, "abc")
        flight.started("a", "here:1")
        flight.started("b", "here:2")
        flight.interrupt(Terminated())
        assert flight.done
        assert flight.next() is None
        assert flight.ended_by is None
        flight.started("c", "here:3")
        assert not flight.step("a", Step({"epoch": 1}))
        assert flight.ended_by is None
        assert not flight.step("b", Step(failed=Failure("killed", again=True), last=True))
        assert isinstance(flight.ended_by, Terminated)
        assert [what for what, *_ in driver.events] == ["started", "started", "epoch"]

    def test_an_interrupted_run_is_not_whole_even_if_nothing_more_was_heard(self) -> None:
        """Tune ends when nothing is in flight for it any more; the head that would say so of a worker may be gone."""
        flight = self._flying(FakeDriver([job(1)]), "a")
        flight.over()
        flight.started("a", "here:1")
        flight.interrupt(Terminated())
        assert flight.ended_by is None
        with pytest.raises(Terminated):
            flight.over()

    def test_a_last_epoch_that_ran_at_the_interrupt_finishes_its_child(self) -> None:
        driver = FakeDriver([job(1)])
        flight = self._flying(driver, "a")
        flight.started("a", "here:1")
        flight.interrupt(KeyboardInterrupt())
        flight.step("a", Step({"epoch": 1}, last=True))
        assert driver.life(1) == ["started", "epoch", "finished"]

    def test_who_takes_too_long_is_found_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr("nas.executors.flight.time.monotonic", lambda: now[0])
        flight = self._flying(FakeDriver([job(1, epochs=9), job(2), job(3)]), "abc", Limits(epoch=10, trial=30))

        def after(seconds: int, busy: str) -> list[str]:
            found: list[str] = []
            for _ in range(seconds):
                now[0] += 1
                found += flight.overdue(list(busy))
            return found

        flight.started("a", "here:1")
        flight.started("b", "here:2")
        assert after(14, "ab") == []  # the limit, and the grace
        assert flight.step("a", Step({"epoch": 1}))
        assert after(2, "ab") == ["b"]
        assert "epoch 1 took longer than 10 s" in (flight.fate("b") or Failure("")).reason
        assert (flight.fate("b") or Failure("")).again
        assert after(12, "ab") == []
        assert flight.step("a", Step({"epoch": 2}))
        assert after(6, "ab") == []
        assert flight.step("a", Step({"epoch": 3}))
        assert after(3, "ab") == ["a"]
        fate = flight.fate("a")
        assert fate is not None
        assert "it took longer than 30 s" in fate.reason
        assert not fate.again
        assert flight.fate("c") is None

    def test_time_in_which_nobody_looked_does_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr("nas.executors.flight.time.monotonic", lambda: now[0])
        flight = self._flying(FakeDriver([job(1)]), "a", Limits(epoch=10))
        assert list(flight.overdue("a")) == []
        now[0] += 3600  # the computer slept, or the controller thought
        assert list(flight.overdue("a")) == []

    @staticmethod
    def _flying(driver: FakeDriver, keys: str, limits: Limits | None = None) -> Flight:
        flight = Flight(driver, 3, limits)
        for key in keys:
            found = flight.next()
            assert found is not None
            flight.add(key, found)
        return flight


class TestLimits:
    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
    def test_bad_ones(self, value: float) -> None:
        with pytest.raises(ExecutorError, match="epoch_timeout must be a positive number of seconds, got"):
            Limits(value)
        with pytest.raises(ExecutorError, match="trial_timeout must be"):
            Limits(None, value)

    def test_the_alarm_puts_back_what_it_found(self) -> None:
        handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
        with pytest.raises(Overtime, match=r"epoch 3 took longer than 0\.05 s"), self._alarm(0.05):
            time.sleep(30)
        assert signal.getsignal(signal.SIGALRM) == handler
        after = signal.getitimer(signal.ITIMER_REAL)
        assert (after[0] > 0, after[1]) == (timer[0] > 0, timer[1])
        if timer[0]:  # the tests' own time limit
            assert 0 < timer[0] - after[0] < 10

    def test_no_limit_no_timer(self) -> None:
        before = signal.getsignal(signal.SIGALRM)
        with Alarm(None, Limits(), 1, 0.0):
            assert signal.getsignal(signal.SIGALRM) == before

    def test_in_another_thread_it_is_found_when_the_epoch_has_ended(self) -> None:
        caught: list[BaseException] = []

        def work() -> None:
            try:
                with self._alarm(0.05):
                    time.sleep(0.2)
            except Overtime as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(caught) == 1

    @staticmethod
    def _alarm(seconds: float) -> Alarm:
        return Alarm(seconds, Limits(seconds), 3, time.monotonic())


class TestProcess:
    @pytest.mark.parametrize(
        ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)], ids=["INT", "TERM"]
    )
    def test_the_first_signal_stops_and_the_second_raises(
        self, number: signal.Signals, error: type[BaseException], capsys: pytest.CaptureFixture[str]
    ) -> None:
        kinds = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
        before = [signal.getsignal(kind) for kind in kinds]
        stops: list[BaseException] = []
        with interruptible(stops.append):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.raise_signal(number)
            assert [type(stop) for stop in stops] == [error]
            with pytest.raises(error):
                signal.raise_signal(number)
        assert len(stops) == 1
        assert [signal.getsignal(kind) for kind in kinds] == before
        assert "the search ends when the running epochs are recorded" in capsys.readouterr().err

    def test_after_sigterm_a_second_one_comes_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nas.executors.process.TERM_SECONDS", 0.2)
        with interruptible(lambda by: None, tell=False):
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(Terminated) as caught:
                time.sleep(30)
        assert caught.value.code == 143

    def test_no_second_one_comes_once_the_work_has_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nas.executors.process.TERM_SECONDS", 0.1)
        with interruptible(lambda by: None, tell=False):
            signal.raise_signal(signal.SIGTERM)
        seen: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        time.sleep(0.3)
        signal.signal(signal.SIGTERM, before)
        assert seen == []

    def test_nor_while_it_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ray takes our handler away then, and the signal would end the process in another way."""
        monkeypatch.setattr("nas.executors.process.TERM_SECONDS", 0.1)
        with interruptible(lambda by: None, tell=False) as leaving:
            signal.raise_signal(signal.SIGTERM)
            leaving()
            time.sleep(0.3)

    def test_a_program_with_its_own_handler_keeps_it(self) -> None:
        seen: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
        try:
            with interruptible(lambda by: pytest.fail("not ours")):
                signal.raise_signal(signal.SIGINT)
        finally:
            signal.signal(signal.SIGINT, before)
        assert seen == [signal.SIGINT]

    def test_everything_is_put_back(self) -> None:
        printer = types.SimpleNamespace(_worker_logs_enabled=True)
        level = logging.getLogger("ray").level
        with quiet(printer), environment({"NAS_TEST": "1", "HOME": "/nowhere"}):
            assert (os.environ["NAS_TEST"], printer._worker_logs_enabled) == ("1", False)
            assert not logging.getLogger("ray.tune").isEnabledFor(logging.CRITICAL)
        assert "NAS_TEST" not in os.environ
        assert os.environ["HOME"] != "/nowhere"
        assert (printer._worker_logs_enabled, logging.getLogger("ray").level) == (True, level)

    def test_a_place_too_deep_for_sockets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        deep = tmp_path / ("d" * LONGEST_PLACE)
        deep.mkdir()
        with pytest.raises(ExecutorError, match="temp_dir may have"):
            new_directory(deep)
        monkeypatch.setattr(tempfile, "tempdir", str(deep))
        directory = new_directory(None)
        os.rmdir(directory)
        assert directory.startswith("/tmp/nas-")
