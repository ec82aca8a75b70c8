"""Controllers and rivals at work on a benchmark: one run a seed, many runs in parallel processes of one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

from nas.benchmark.problems import LISTED, SAMPLE, Benchmark, Value, every_point, some_points
from nas.controllers import CONTROLLERS, SpaceExhausted, make
from nas.controllers.problem import Problem
from nas.errors import BenchmarkError, unknown
from nas.executors.process import environment
from nas.objectives import Objective
from nas.options import split
from searchspaces import Point

Goal = Literal["one", "two"]
GOALS: dict[Goal, tuple[str, ...]] = {"one": ("accuracy",), "two": ("accuracy", "flops")}

# By name, the goals that they are run for. Two objectives are what NSGA-II is for.
RIVALS: dict[str, tuple[Goal, ...]] = {
    "optuna-random": ("one", "two"),
    "optuna-tpe": ("one", "two"),
    "optuna-gp": ("one", "two"),
    "optuna-nsga2": ("two",),
}

# Read by the libraries when they are loaded: a process that searches has a core, not all of them.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
PARTS = 20  # of the sample of a large space

Progress: TypeAlias = Callable[[int, int], None]  # runs done, runs in all


@dataclass(frozen=True)
class Entry:
    """A controller in the contest, for one goal and one seed; "pareto+startup=12" gives it an option."""

    name: str
    goal: Goal
    seed: int


@dataclass(frozen=True)
class Run:
    """What an entry looked at, child by child: None for a network that cannot be had.

    `seconds`: what the controller itself took for each child, to ask and to tell. `networks`: how many different ones.
    `ended`: why it stopped before the budget, or empty.
    """

    entry: Entry
    values: tuple[Value | None, ...]
    seconds: tuple[float, ...]
    networks: int
    ended: str = ""


class _Player(Protocol):
    def ask(self) -> Point: ...

    def tell(self, values: Sequence[float] | None) -> None: ...


class _Ours:
    def __init__(self, name: str, problem: Problem, seed: int) -> None:
        plain, options = parse(name)
        self._controller = make(plain, problem, seed, **options)
        self._id = 0

    def ask(self) -> Point:
        proposal = self._controller.ask()
        self._id = proposal.id
        return proposal.point

    def tell(self, values: Sequence[float] | None) -> None:
        self._controller.tell(self._id, values)


def parse(name: str) -> tuple[str, dict[str, Any]]:
    """A controller's name and options, as in "pareto+startup=12". Raises `BenchmarkError`."""
    try:
        plain, options = split(name)
    except ValueError as error:
        raise BenchmarkError(f"controller {error}") from None
    if plain not in CONTROLLERS and plain not in RIVALS:
        raise BenchmarkError(unknown("controller", plain, [*CONTROLLERS, *RIVALS]))
    if options and plain in RIVALS:
        raise BenchmarkError(f"controller {name!r}: a rival is taken as it comes, without options")
    return plain, options


def entries(names: Sequence[str], goals: Sequence[Goal], seeds: Sequence[int]) -> list[Entry]:
    """Everyone who takes part; seed by seed, so that a contest that is watched shows all of them early.

    Raises `BenchmarkError` for an unknown controller, or where none is left.
    """
    plain = {name: parse(name)[0] for name in names}
    found = [
        Entry(name, goal, seed)
        for seed in seeds
        for goal in goals
        for name in plain
        if goal in RIVALS.get(plain[name], ("one", "two"))
    ]
    if not found:
        raise BenchmarkError(f"no controller for these objectives; {', '.join(names)} is for two")
    return found


def run(benchmark: Benchmark, entry: Entry, budget: int) -> Run:
    """One search of `budget` children, in this process."""
    objectives = tuple(map(Objective.parse, GOALS[entry.goal]))
    player: _Player
    if entry.name in RIVALS:
        from nas.benchmark.rivals import Rival

        player = Rival(entry.name, benchmark.space, [objective.maximise for objective in objectives], entry.seed)
    else:
        problem = Problem(benchmark.space, objectives, (), benchmark.image, benchmark.classes)
        player = _Ours(entry.name, problem, entry.seed)
    values: list[Value | None] = []
    seconds: list[float] = []
    points: list[Point] = []
    ended = ""
    for _ in range(budget):
        begun = time.perf_counter()
        try:
            points.append(player.ask())
        except SpaceExhausted as error:
            ended = str(error)
            break
        asked = time.perf_counter()
        value = benchmark.value(points[-1])
        values.append(value)
        found = time.perf_counter()
        player.tell(None if value is None else value[: len(objectives)])
        seconds.append(asked - begun + time.perf_counter() - found)
    networks = len({benchmark.network(point) for point in points})
    return Run(entry, tuple(values), tuple(seconds), networks, ended)


@dataclass(frozen=True)
class Survey:
    """What is known of a space beside the runs: the values of all its networks, or of a random sample of them.

    `networks`: how many different ones a whole space has; None for a sample.
    """

    values: tuple[Value, ...]
    networks: int | None


def contest(
    benchmark: Benchmark, everyone: Sequence[Entry], budget: int, jobs: int, progress: Progress | None = None
) -> tuple[list[Run], Survey]:
    """All runs, in the order of `everyone`, and the survey of the space; `jobs` processes work at once.

    KeyboardInterrupt ends the processes and passes through. Raises `BenchmarkError` when a process dies.
    """
    whole = benchmark.space.size <= LISTED
    parts = [None] if whole else list(range(PARTS))
    with _processes(jobs) as submit:
        runs = [submit(partial(run, benchmark, entry, budget)) for entry in everyone]
        surveys = [submit(partial(_survey, benchmark, part)) for part in parts]
        for done, future in enumerate(as_completed([*runs, *surveys]), 1):
            future.result()
            if progress is not None:
                progress(done, len(runs) + len(surveys))
        found = [future.result() for future in surveys]
        networks = found[0].networks if whole else None
        return [future.result() for future in runs], Survey(tuple(v for part in found for v in part.values), networks)


def _survey(benchmark: Benchmark, part: int | None) -> Survey:
    if part is not None:
        points = some_points(benchmark.space, part, SAMPLE // PARTS)
        return Survey(tuple(value for value in map(benchmark.value, points) if value is not None), None)
    found: dict[Any, Value] = {}
    for point in every_point(benchmark.space):
        value = benchmark.value(point)
        if value is not None:
            found.setdefault(benchmark.network(point), value)
    return Survey(tuple(found.values()), len(found))


@contextlib.contextmanager
def _processes(jobs: int) -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Fresh processes of one thread each, which leave Ctrl-C to this one; ended whatever happens."""
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:

        def submit(work: Callable[[], Any]) -> Future[Any]:
            # A process is started when something is submitted. It inherits what is blocked then, so that Ctrl-C
            # reaches this process only; one that comes meanwhile is delivered after.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            try:
                with environment(ONE_THREAD):
                    return pool.submit(work)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

        try:
            yield submit
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            started = set(multiprocessing.active_children()) - before
            for process in started:
                process.terminate()
            for process in started:
                process.join()
            if isinstance(error, BrokenProcessPool):
                raise BenchmarkError("a process of the benchmark died; if memory ran out, use fewer --jobs") from None
            raise
