"""What is Ray's own: workers that die, Ctrl-C, a clean screen, and user code that lives in a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from executor_fakes import FakeDriver, FakeEvaluator, as_json, job

import nas.errors
from nas.errors import ExecutorError
from nas.executors import Executor, make

MakeExecutor = Callable[..., Executor]


def build(**options: Any) -> Executor:
    return make("ray", FakeEvaluator(), decode=as_json, **options)


@pytest.mark.usefixtures("local_ray")
class TestWorkers:
    def test_a_dead_worker_fails_its_child_and_the_screen_stays_clean(self, capfd: pytest.CaptureFixture[str]) -> None:
        environment, handler = dict(os.environ), signal.getsignal(signal.SIGINT)
        driver = FakeDriver(
            [
                job(1, epochs=2, at=2, do="kill"),
                job(2, at=1, do="exit"),
                job(3, at=1, do="look around"),
                job(4, epochs=2),
            ]
        )
        build().run(driver)
        assert driver.life(1) == ["started", "epoch", "failed"]
        killed = "the worker process was killed or crashed (out of memory, or a fault in compiled code)"
        assert driver.reasons() == {1: killed, 2: killed}
        assert driver.life(4) == ["started", "epoch", "epoch", "finished"]
        around = driver.metrics(3)[0] if driver.metrics(3) else {}
        assert around == {"epoch": 1, "threads": 1, "gpus": 0, "same_folder": os.path.exists("pyproject.toml")}
        assert capfd.readouterr() == ("", "")
        assert (dict(os.environ), signal.getsignal(signal.SIGINT)) == (environment, handler)

    def test_slots(self) -> None:
        assert build().slots == 2
        assert build(cpus_per_trial=0.5).slots == 4
        assert build(cpus_per_trial=2).slots == 1
        assert build(max_concurrent=1).slots == 1

    def test_children_share_a_gpu_as_its_memory_allows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On machines and a GPU that are made up."""
        monkeypatch.setattr("nas.executors.ray_tune._machines", lambda: [{"CPU": 16.0, "GPU": 2.0}])
        monkeypatch.setattr("nas.executors.ray_tune._gpu_memory", lambda: 80 * 10**9)
        evaluator: Any = FakeEvaluator()
        evaluator.device = "auto"
        seen: list[int] = []

        def share_of(device: int) -> float:
            seen.append(device)
            return 0.3333

        def slots(gpus: Any, of: Any) -> int:
            return make("ray", of, decode=as_json, gpus_per_trial=gpus, share_of=share_of).slots

        assert slots("auto", evaluator) == 6
        assert seen == [80 * 10**9]
        assert slots(0.5, evaluator) == 4
        assert slots("auto", FakeEvaluator()) == 16  # it trains on no device of choice
        assert len(seen) == 1

    def test_a_child_that_fits_nowhere(self) -> None:
        with pytest.raises(ExecutorError, match="wants 64 CPUs and 0 GPUs, but the machines have 2 CPUs and 0 GPUs"):
            build(cpus_per_trial=64).run(FakeDriver([job(1)]))

    def test_an_evaluator_that_cannot_travel(self) -> None:
        evaluator: Any = FakeEvaluator()
        evaluator.open_file = sys.stdout
        with pytest.raises(ExecutorError, match="cannot be sent to workers: TypeError"):
            make("ray", evaluator, decode=as_json).run(FakeDriver([job(1)]))


def test_a_worker_stopped_by_the_memory_monitor_does_not_end_the_run() -> None:
    """Tune knows two kinds of errors of a worker's task; Ray's memory monitor makes a third."""
    from ray.exceptions import OutOfMemoryError, RayActorError

    from nas.executors.head import Head
    from nas.executors.tune_hooks import _mend

    seen: list[Any] = []
    head = Head(lambda seconds: [], "nowhere", 1.0)
    places = types.SimpleNamespace(free_resources=None, clear=None)
    manager = types.SimpleNamespace(
        _actor_task_failed=lambda task, exception: seen.append(exception), _resource_manager=places
    )
    cache = types.SimpleNamespace(increase_max=lambda resources, by: seen.append(by))
    _mend(types.SimpleNamespace(_actor_manager=manager, _actor_cache=cache), "resources", 3, head)
    manager._actor_task_failed(tracked_actor_task="task", exception=OutOfMemoryError("running low on memory"))
    assert seen[0] == 3
    assert isinstance(seen[1], RayActorError)
    assert str(seen[1]) == "running low on memory"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "ray://head:10001"}, "run on a machine of the cluster"),
        ({"max_concurrent": 0}, "max_concurrent must be at least 1, got 0"),
        ({"cpus_per_trial": 0}, "cpus_per_trial must be positive, got 0"),
    ],
)
def test_bad_options_are_found_before_ray_starts(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExecutorError, match=message):
        build(**options)


SCRIPT = """
import dataclasses, json, os, sys, time

from nas.executors import Job, make
from nas.evaluators import CallableEvaluator
from nas.recipe import Recipe
from searchspaces import price
from searchspaces.documents import Piece, read, write

@dataclasses.dataclass(frozen=True)
class Own(Piece):
    size: int = 1

class Evaluator(CallableEvaluator):
    def run(self, architecture, recipe, seed):
        for epoch in range(1, recipe + 1):
            yield {"val_accuracy": self.function(architecture)}
            time.sleep(1 if recipe > 1 else 0)

def score(own):
    return own.size / 10

def decode(job):
    return read(job.architecture), job.recipe["epochs"]

class Driver:
    jobs = [Job(1, write(Own(3)), {"epochs": 1}, 0, 1), Job(2, write(Own(4)), {"epochs": 60}, 0, 60)]
    done = False
    def next(self):
        return self.jobs.pop(0) if self.jobs else None
    def started(self, id, worker):
        say("started", id, worker)
    def epoch(self, id, metrics):
        say("epoch", id, metrics)
        return True
    def finished(self, id):
        say("finished", id)
    def failed(self, id, failure):
        say("failed", id, failure.reason)

def say(*words):
    print(json.dumps(words), flush=True)

executor = make("ray", Evaluator(score, (1, 8, 8), 10), num_cpus=1, temp_dir=sys.argv[1], classes=[Own], decode=decode)
try:
    executor.run(Driver())
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nt-", dir="/tmp") as place:
        yield Path(place)


def test_a_script_with_its_own_code_and_ctrl_c(place: Path, tmp_path: Path) -> None:
    """The evaluator, its function and a block class are defined in __main__; Ctrl-C comes while a child trains."""
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "-W", "error", str(script), str(place)]
    path = {**os.environ, "PYTHONPATH": str(Path(nas.errors.__file__).parents[1])}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe, env=path, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            lines = [json.loads(line) for _, line in zip(range(5), process.stdout, strict=False)]
            start = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    took = time.monotonic() - start

    assert [line[:2] for line in lines] == [["started", 1], ["epoch", 1], ["finished", 1], ["started", 2], ["epoch", 2]]
    assert lines[1][2] == {"epoch": 1, "val_accuracy": 0.3}
    assert lines[0][2] == lines[3][2], "the worker was used again"
    *epochs, last = [json.loads(line) for line in out.splitlines()]
    assert last == ["interrupted"], "the script goes on"
    assert len(epochs) < 20, "no child goes to its end"
    assert {what for what, *_ in epochs} <= {"epoch"}  # none where the signal came before the next one had begun
    assert "the search ends when the running epochs are recorded" in errors
    assert (len(errors.splitlines()), process.returncode) == (1, 0)
    assert took < 15
    assert list(place.iterdir()) == []
    worker = int(lines[0][2].rpartition(":")[2])
    end = time.monotonic() + 10  # it ends on its own, a moment after the script
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
