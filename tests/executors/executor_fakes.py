"""An evaluator that does as its architecture says, and a driver that writes down all it is told."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nas.errors import TrainingError
from nas.executors import Failure, Job

LOADS = [0]  # how often this process has loaded the dataset


class FakeEvaluator:
    """Yields `epochs` epochs; `at` says before which epoch `do` happens. Its dataset is loaded once a process."""

    key = "fake"
    image = (1, 8, 8)
    classes = 10

    def __init__(self) -> None:
        self.loaded = False

    def run(self, architecture: dict[str, Any], recipe: dict[str, Any], seed: int) -> Iterator[dict[str, float]]:
        if not self.loaded:
            LOADS[0] += 1
            self.loaded = True
        for epoch in range(1, architecture.get("epochs", 1) + 1):
            if epoch == architecture.get("at"):
                yield from DEEDS[architecture["do"]]()
            if "meet" in architecture:
                _meet(Path(architecture["meet"]), architecture["how_many"])
            time.sleep(architecture.get("sleep", 0))
            yield {"val_accuracy": epoch / 10, "seed": seed, "pid": os.getpid(), "loads": LOADS[0]}


def _meet(place: Path, how_many: int) -> None:
    """Wait until so many workers are here."""
    (place / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(place.iterdir())) < how_many:
        if time.monotonic() > end:
            raise TimeoutError(f"{how_many} workers did not meet")
        time.sleep(0.02)


def _raise(error: BaseException) -> Callable[[], Iterator[dict[str, float]]]:
    def deed() -> Iterator[dict[str, float]]:
        raise error
        yield {}

    return deed


def _kill() -> Iterator[dict[str, float]]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield {}


def _exit() -> Iterator[dict[str, float]]:
    os._exit(7)
    yield {}


def _segfault() -> Iterator[dict[str, float]]:
    ctypes.string_at(0)
    yield {}


def _exhaust() -> Iterator[dict[str, float]]:
    """Ask for more memory than this process may have; a real MemoryError, and the machine is none the worse for it."""
    with _bound(512 * 2**20):
        kept = [bytearray(64 * 2**20) for _ in range(64)]
        yield {"kept": len(kept)}


@contextmanager
def _bound(more: int) -> Iterator[None]:
    """So many bytes more than now, of address space."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _sleep() -> Iterator[dict[str, float]]:
    time.sleep(600)
    yield {}


def _deaf() -> Iterator[dict[str, float]]:
    """Hang in Python code that goes on after every error."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        with suppress(BaseException):
            time.sleep(0.1)
    yield {}


def _block() -> Iterator[dict[str, float]]:
    """Hang in compiled code that never lets go of the interpreter: no handler of signals, no thread comes to run."""
    sum(range(10**14))
    yield {}


def _stop() -> Iterator[dict[str, float]]:
    """The whole process sleeps, all its threads with it."""
    os.kill(os.getpid(), signal.SIGSTOP)
    yield {}


def _close_badly() -> Iterator[dict[str, float]]:
    """Pruned or not, this child does not go."""
    try:
        yield {"val_accuracy": 0.1}
    finally:
        time.sleep(600)


class Mute(Exception):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Riddle:
    """A metric that is none, and cannot be shown."""

    def __float__(self) -> float:
        raise OverflowError

    def __repr__(self) -> str:
        raise ValueError("no words")


def _recurse(depth: int) -> Iterator[dict[str, float]]:
    return _recurse(depth + 1)


def _look_around() -> Iterator[dict[str, float]]:
    print("a child speaks")
    print("and complains", file=sys.stderr)
    yield {
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "gpus": len(os.environ["CUDA_VISIBLE_DEVICES"]),
        "same_folder": os.path.exists("pyproject.toml"),
    }


DEEDS: dict[str, Callable[[], Iterator[dict[str, float]]]] = {
    "nas error": _raise(TrainingError("the loss became\n   NaN in epoch 2")),
    "value error": _raise(ValueError("kernel 4")),
    "empty error": _raise(KeyError()),
    "mute error": _raise(Mute()),
    "exit politely": _raise(SystemExit(7)),
    "recursion": lambda: _recurse(0),
    "nan": lambda: iter([{"val_accuracy": float("nan")}]),
    "none": lambda: iter([None]),  # type: ignore[list-item]
    "list": lambda: iter([[0.1, 0.2]]),  # type: ignore[list-item]
    "riddle": lambda: iter([{"val_accuracy": Riddle()}]),  # type: ignore[dict-item]
    "number": lambda: iter([{5: 0.5}]),  # type: ignore[dict-item]
    "huge": lambda: iter([{"val_accuracy": 10**400}]),
    "no epoch": lambda: iter([{"epoch": float("nan")}]),
    "old epoch": lambda: iter([{"epoch": 1, "val_accuracy": 0.5}, {"epoch": 1, "val_accuracy": 0.5}]),
    "late epoch": lambda: iter([{"epoch": 2**40}]),
    "segfault": _segfault,
    "exhaust": _exhaust,
    "sleep": _sleep,
    "deaf": _deaf,
    "block": _block,
    "stop": _stop,
    "close badly": _close_badly,
    "cuda": _raise(RuntimeError("CUDA error: an illegal memory access was encountered")),
    "word": lambda: iter([{"val_accuracy": "high"}]),  # type: ignore[dict-item]
    "kill": _kill,
    "exit": _exit,
    "look around": _look_around,
}


def as_json(job: Job) -> tuple[Any, Any]:
    """Stands in for reading Architecture and Recipe."""
    return job.architecture, job.recipe


def job(id: int, *, most: int | None = None, **architecture: Any) -> Job:
    return Job(id, architecture, {}, seed=id, epochs=most or architecture.get("epochs", 1))


class FakeDriver:
    """Hands out its jobs in order and writes down what happens to them.

    `prune` maps a job to the epoch whose result stops it. `batch`: so many jobs are handed out, and no more until all
    of them have ended. `pauses`: answer None so many times before each job.
    """

    def __init__(self, jobs: Sequence[Job], prune: dict[int, int] | None = None, batch: int = 0, pauses: int = 0):
        self.jobs = list(jobs)
        self.prune = prune or {}
        self.batch = batch
        self.pauses = self._pauses = pauses
        self.events: list[tuple[Any, ...]] = []
        self.running: set[int] = set()
        self.asked = 0
        self.most_at_once = 0
        self._thread = threading.get_ident(), os.getpid()

    def __reduce__(self) -> Any:
        raise AssertionError("the driver must not leave its process")

    @property
    def done(self) -> bool:
        return self.asked == len(self.jobs) and not self.running

    def next(self) -> Job | None:
        assert (threading.get_ident(), os.getpid()) == self._thread
        if self.asked == len(self.jobs):
            return None
        if self.batch and self.running and self.asked % self.batch == 0:
            return None
        if self._pauses:
            self._pauses -= 1
            return None
        self._pauses = self.pauses
        found = self.jobs[self.asked]
        self.asked += 1
        self.running.add(found.id)
        self.most_at_once = max(self.most_at_once, len(self.running))
        return found

    def started(self, id: int, worker: str) -> None:
        self._note("started", id, worker)

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        self._note("epoch", id, metrics)
        goes_on = self.prune.get(id) != metrics["epoch"]
        if not goes_on:
            self.running.remove(id)
        return goes_on

    def finished(self, id: int) -> None:
        self._note("finished", id)
        self.running.remove(id)

    def failed(self, id: int, failure: Failure) -> None:
        self._note("failed", id, failure)
        self.running.remove(id)

    def _note(self, what: str, id: int, *rest: Any) -> None:
        assert (threading.get_ident(), os.getpid()) == self._thread
        assert id in self.running, f"{what} of child {id}, which is not running"
        self.events.append((what, id, *rest))

    # What the tests look at

    def life(self, id: int) -> list[str]:
        """What happened to one child, in order."""
        return [what for what, of, *_ in self.events if of == id]

    def metrics(self, id: int) -> list[dict[str, float]]:
        return [rest[0] for what, of, *rest in self.events if what == "epoch" and of == id]

    def reasons(self) -> dict[int, str]:
        return {of: failure.reason for of, failure in self.failures().items()}

    def failures(self) -> dict[int, Failure]:
        """The last failure of each child that had one."""
        return {of: rest[0] for what, of, *rest in self.events if what == "failed"}

    def workers(self) -> set[str]:
        return {rest[0] for what, _, *rest in self.events if what == "started"}

    def counts(self) -> Counter[str]:
        return Counter(what for what, *_ in self.events)
