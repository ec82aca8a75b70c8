"""One child in training, an epoch at a time: what every executor does the same way, wherever the child runs."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import NasError, TrainingError
from nas.executors import Driver, Job

if TYPE_CHECKING:
    from nas.evaluators import Evaluator

Decode = Callable[[Job], tuple[Any, Any]]
"""Job -> (architecture, recipe), the objects that the evaluator takes."""

LONGEST_REASON = 500  # characters; CUDA's out-of-memory text alone is longer than a table row should be


def decode(job: Job) -> tuple[Any, Any]:
    """The job's JSON as Architecture and Recipe, imported only where a child runs."""
    from nas.recipe import Recipe
    from searchspaces import Architecture

    return Architecture.from_json(job.architecture), Recipe.from_json(job.recipe)


@dataclass(frozen=True)
class Step:
    """What one epoch of a child came to."""

    metrics: dict[str, float] | None = None
    failed: str | None = None
    last: bool = False


class Child:
    """A job being run by an evaluator; `step` trains one epoch and never raises an Exception."""

    def __init__(self, evaluator: Evaluator, job: Job, decode: Decode = decode) -> None:
        self._job = job
        self._count = 0
        self._epochs = _epochs(evaluator, job, decode)

    def step(self) -> Step:
        """Train the next epoch; the step that is marked as last has closed the child."""
        metrics = None
        try:
            metrics = _plain(next(self._epochs), self._count + 1)
            self._count += 1
            if self._count < self._job.epochs:
                return Step(metrics)
            # Not asked for one epoch more: an evaluator without a bound of its own would train it in vain.
            self._close()
        except StopIteration:
            if self._count == 0:
                return Step(failed="the evaluator ended before its first epoch", last=True)
        except Exception as error:
            return Step(metrics, failed=reason(error), last=True)
        return Step(metrics, last=True)

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


def reason(error: BaseException) -> str:
    """One line for a child's failure: our own errors speak for themselves, others say their type and place."""
    message = " ".join(str(error).split())
    if not (isinstance(error, NasError) and message):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
        message = _shorten(message) + _place(error)
    return _shorten(message)


def worker_death(text: str) -> str:
    """One line for a child whose worker process died, made of the many that Ray has to say."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    if "creation task" in lines[0]:
        return _shorten(f"the worker could not start: {lines[-1]}")
    if memory := re.search(r"low on memory.* was (.+ limit)", lines[0]):
        return f"the worker was stopped because its machine ran low on memory ({memory[1]})"
    if code := re.search(r"exit code (\d+)", lines[-1]):
        return f"the worker process ended with exit code {code[1]}"
    if "connection error" in lines[-1]:
        return "the worker process was killed or crashed (out of memory, or a fault in compiled code)"
    return _shorten(f"the worker died: {lines[-1]}")


def _epochs(evaluator: Evaluator, job: Job, decode: Decode) -> Iterator[Mapping[str, float]]:
    # A generator, so that nothing of the child (not even its JSON) is read before the first step.
    architecture, recipe = decode(job)
    yield from evaluator.run(architecture, recipe, job.seed)


def _plain(metrics: Mapping[str, float], epoch: int) -> dict[str, float]:
    """Python's own numbers, so that no tensor or array travels to the driver; `epoch` is filled in if missing."""
    plain: dict[str, float] = {"epoch": epoch}
    for name, value in metrics.items():
        try:
            plain[name] = value if type(value) is int else float(value)
        except (TypeError, ValueError) as error:
            raise TrainingError(f"metric {name!r} must be a number, got {value!r}") from error
    return plain


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _place(error: BaseException) -> str:
    """` (file:line)` of the innermost frame outside installed packages: where the user can look."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
