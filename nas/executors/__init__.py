"""Executors run children: jobs come from a driver (the search loop), every epoch goes back to it.

An executor never sees the controller or the store. All calls to the driver are made in the process (and thread)
that called `run`, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nas.errors import ExecutorError, unknown

if TYPE_CHECKING:
    from nas.evaluators import Evaluator
    from nas.executors.resources import Share


@dataclass(frozen=True)
class Job:
    """One child to train: plain JSON and numbers, so that it can travel to any worker."""

    id: int  # the trial's number
    architecture: Mapping[str, Any]
    recipe: dict[str, Any]
    seed: int
    epochs: int  # the child is finished after so many epochs, or earlier if its evaluator ends


@dataclass(frozen=True)
class Failure:
    """How a child broke. `again`: it was its worker that died or hung, so that another try may go better."""

    reason: str  # one line
    traceback: str = ""  # the end of it, of several lines; empty where there is none
    again: bool = False


class Terminated(SystemExit):
    """SIGTERM came: the search has stopped as after Ctrl-C. A program that does not catch it ends with code 143."""

    CODE = 143  # 128 + 15, as a shell says it

    def __init__(self) -> None:
        super().__init__(self.CODE)


class Driver(Protocol):
    """The search loop as an executor sees it.

    A child's life is `next`, `started`, `epoch` any number of times, and then exactly one of: `finished`, `failed`,
    or an `epoch` that returned False, after which nothing more is said about that child. A child that has failed may
    come from `next` again, for another try. When the run is interrupted nothing is said of the children in flight.
    """

    def next(self) -> Job | None:
        """The next child to start, or None: nothing right now (ask again after a result, or a little later)."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more will ever come from `next`."""
        ...

    def started(self, id: int, worker: str) -> None:
        """The child has a worker, named host:pid."""
        ...

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        """Metrics of one epoch; False stops the child here (pruned)."""
        ...

    def finished(self, id: int) -> None:
        """The child has run to its end."""
        ...

    def failed(self, id: int, failure: Failure) -> None:
        """The child, or its worker, broke."""
        ...


class Executor(Protocol):
    """Runs the driver's children until the driver is done."""

    @property
    def slots(self) -> int:
        """How many children run at once."""
        ...

    @property
    def share(self) -> Share:
        """What a child holds of a machine."""
        ...

    def run(self, driver: Driver) -> None:
        """Return when the driver is done and no child is in flight.

        An exception from the driver ends the run and is raised here; one from a child goes to `Driver.failed`.
        After Ctrl-C or SIGTERM the running epochs come to their end first, then KeyboardInterrupt or `Terminated` is
        raised; after a second one at once.
        """
        ...


def _inline(evaluator: Evaluator, **options: Any) -> Executor:
    from nas.executors.inline import InlineExecutor

    return InlineExecutor(evaluator, **options)


def _ray(evaluator: Evaluator, **options: Any) -> Executor:
    from nas.executors.ray_tune import RayExecutor

    return RayExecutor(evaluator, **options)


EXECUTORS: dict[str, Callable[..., Executor]] = {"inline": _inline, "ray": _ray}


def make(name: str, evaluator: Evaluator, **options: Any) -> Executor:
    """The executor of that name; options are its constructor's. An unknown name or option raises ExecutorError."""
    if name not in EXECUTORS:
        raise ExecutorError(unknown("executor", name, EXECUTORS))
    try:
        return EXECUTORS[name](evaluator, **options)
    except TypeError as error:
        raise ExecutorError(f"executor {name!r}: {error}") from error
