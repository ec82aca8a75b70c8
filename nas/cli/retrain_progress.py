"""What a person sees while networks are trained again: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from nas.cli import EXIT_INTERRUPTED
from nas.cli.output import console, duration, note, percent
from nas.cli.progress import LOG_EVERY
from nas.retraining.tasks import Task


@contextmanager
def going_on() -> Iterator[None]:
    """After Ctrl-C say how to go on, and end with its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        note("\nstopped; what is trained is kept. The same command goes on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


class RetrainProgress:
    """An observer that shows a bar over all epochs of all networks and seeds, and a line for each seed tested."""

    def __init__(self, networks: int, seeds: int, epochs: int, *, quiet: bool = False) -> None:
        self._epochs, self._seeds = epochs, seeds
        self._quiet = quiet
        self._total, self._done = networks * seeds * epochs, 0
        self._here = 0  # epochs that this run has trained
        self._own = 0  # epochs of the seed that is being trained
        self._what = ""
        self._seconds = 0.0  # that they took; what starts workers is no part of it
        self._logged = time.monotonic()
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console(stderr=True), transient=True)
            self._id = self._bar.add_task("", total=self._total)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begun(self, task: Task, seed: int) -> None:
        """A seed begins, or goes on."""
        self._what, self._own = f"{task.source}, seed {seed}", 0
        self._show("")

    def epoch(self, metrics: Mapping[str, float]) -> None:
        """An epoch has ended; the first one tells how many an earlier run had trained."""
        number = int(metrics["epoch"])
        self._done += number - self._own
        self._own = number
        self._here += 1
        self._seconds += metrics["seconds"]
        found = f", validation {percent(metrics['val_accuracy'])}" if "val_accuracy" in metrics else ""
        self._show(f": epoch {number}/{self._epochs}, loss {metrics['train_loss']:.3g}{found}")

    def ended(self, task: Task, seed: int, result: Mapping[str, Any]) -> None:
        """A seed has been tested."""
        self._done += self._epochs - self._own if self._what else self._epochs
        self._what, self._own = "", 0
        self._say(f"{task.source}, seed {seed}: {self._told(result)}")

    def failed(self, task: Task, seed: int, reason: str) -> None:
        """A seed cannot be trained; nor will the others of its network be."""
        self._done += self._epochs * (self._seeds - seed) - self._own
        self._what, self._own = "", 0
        self._say(f"{task.source}, seed {seed} failed: {reason}")

    def _told(self, result: Mapping[str, Any]) -> str:
        return "test " + (percent(result["test_accuracy"]) if "test_accuracy" in result else "no test split")

    def _say(self, text: str) -> None:
        if self._bar:
            self._bar.console.print(text, markup=False)
            self._bar.update(self._id, completed=self._done)
        elif not self._quiet:
            note(text)

    def _show(self, text: str) -> None:
        if self._bar:
            self._bar.update(self._id, completed=self._done, description=self._what + text)
        elif not self._quiet and time.monotonic() - self._logged >= LOG_EVERY and self._here:
            self._logged = time.monotonic()
            left = self._seconds / self._here * (self._total - self._done)
            note(f"{self._what}{text}; {self._done}/{self._total} epochs, {duration(left)} left")
