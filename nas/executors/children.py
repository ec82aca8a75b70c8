"""One child in training, an epoch at a time: what every executor does the same way, wherever the child runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import TrainingError, shown
from nas.executors import Driver, Failure, Job, Terminated
from nas.executors.limits import Alarm, Limits, Overtime
from nas.executors.reasons import failure, spoils

if TYPE_CHECKING:
    from nas.evaluators import Evaluator

Decode = Callable[[Job], tuple[Any, Any]]
"""Job -> (architecture, recipe), the objects that the evaluator takes."""

LAST_EPOCH = 2**31 - 1  # what a database's whole numbers hold everywhere


def decode(job: Job) -> tuple[Any, Any]:
    """The job's JSON as Architecture and Recipe, imported only where a child runs."""
    from nas.recipe import Recipe
    from searchspaces import Architecture

    return Architecture.from_json(job.architecture), Recipe.from_json(job.recipe)


@dataclass(frozen=True)
class Step:
    """What one epoch of a child came to. `spoilt`: its process is not to be trusted with another child."""

    metrics: dict[str, float] | None = None
    failed: Failure | None = None
    last: bool = False
    spoilt: bool = False


class Child:
    """A job being run by an evaluator; `step` trains one epoch and never raises an Exception."""

    def __init__(self, evaluator: Evaluator, job: Job, decode: Decode = decode, limits: Limits | None = None) -> None:
        self._job = job
        self._limits = limits or Limits()
        self._begun = time.monotonic()
        self._count = 0  # epochs so far
        self._last = 0  # the number that the last one had
        self._epochs = _epochs(evaluator, job, decode)

    def step(self) -> Step:
        """Train the next epoch; the step that is marked as last has closed the child."""
        metrics = None
        alarm = self._alarm()
        try:
            with alarm:
                metrics = _plain(next(self._epochs), self._last)
                self._last = int(metrics["epoch"])
                self._count += 1
                if self._count == self._job.epochs:
                    # Not asked for one epoch more: an evaluator without a bound of its own would train it in vain.
                    self._close()
        except StopIteration:
            if self._count == 0:
                return Step(failed=Failure("the evaluator ended before its first epoch"), last=True)
            return Step(last=True)
        except Overtime as late:
            alarm.disarm()
            return Step(metrics, failure(late, again=late.again), last=True, spoilt=True)
        except Terminated:  # meant for the search, not for the child
            raise
        except (Exception, SystemExit) as error:
            return Step(metrics, failure(error), last=True, spoilt=spoils(error))
        return Step(metrics, last=self._count == self._job.epochs)

    def _alarm(self) -> Alarm:
        spent = time.monotonic() - self._begun
        return Alarm(self._limits.left(spent), self._limits, self._last + 1, self._begun)

    def abandon(self) -> None:
        """Let go of a child that is stopped before its end; what its evaluator raises then interests nobody."""
        with contextlib.suppress(Exception):
            self._close()

    def _close(self) -> None:
        close = getattr(self._epochs, "close", None)
        if close is not None:
            close()


def deliver(driver: Driver, id: int, step: Step) -> bool:
    """Tell the driver about a step; whether the child goes on."""
    if step.metrics is not None and not driver.epoch(id, step.metrics):
        return False
    if step.failed is not None:
        driver.failed(id, step.failed)
    elif step.last:
        driver.finished(id)
    return not step.last


def _epochs(evaluator: Evaluator, job: Job, decode: Decode) -> Iterator[Mapping[str, float]]:
    # A generator, so that nothing of the child (not even its JSON) is read before the first step.
    architecture, recipe = decode(job)
    yield from evaluator.run(architecture, recipe, job.seed)


def _plain(metrics: Any, before: int) -> dict[str, float]:
    """Python's own numbers, so that no tensor or array travels to the driver.

    `epoch` is filled in if missing; it must be a whole number above that of the epoch `before`. Raises TrainingError
    for what no store could keep.
    """
    if not isinstance(metrics, Mapping):
        raise TrainingError(f"an epoch must give metrics by name, got {shown(metrics)}")
    plain: dict[str, float] = {"epoch": before + 1}
    for name, value in metrics.items():
        if not isinstance(name, str) or not name.isprintable():
            raise TrainingError(f"a metric's name must be a printable text, got {shown(name)}")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise TrainingError(f"metric {name!r} must be a number, got {shown(value)}") from error
        plain[name] = value if type(value) is int else number
    epoch = plain["epoch"]
    if not (before < epoch <= LAST_EPOCH and epoch == int(epoch)):
        raise TrainingError(f"metric 'epoch' must be a whole number above {before}, got {epoch!r}")
    return plain
