"""What a person sees while a search runs: one live line on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from nas.cli.output import console, duration, percent
from nas.errors import NasError
from nas.pareto import front
from nas.results import values_of
from nas.store import TrialRecord
from nas.study import Loop

LOG_EVERY = 10.0  # seconds between lines where stderr is no terminal


class Progress:
    """An observer that shows done / budget, best accuracy, size of the front, rate, time left and what runs."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._live = (
            None if quiet or not sys.stderr.isatty() else Live(console=console(stderr=True), refresh_per_second=4)
        )
        self._log = None if quiet or self._live else console(stderr=True)
        self._begun = self._logged = time.monotonic()
        self._first: int | None = None  # children that were trained before this run
        self._complete: dict[int, TrialRecord] = {}
        self._running: dict[int, TrialRecord] = {}
        self._failed = 0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def changed(self, loop: Loop, trial: TrialRecord) -> None:
        """Take in what happened and show it."""
        if self._first is None:
            self._first = loop.trained
        self._running.pop(trial.number, None)
        if trial.state == "running":
            self._running[trial.number] = trial
        elif trial.state == "complete":
            self._complete[trial.number] = trial
        elif trial.state == "failed":
            self._failed += 1
            console(stderr=True).print(f"trial {trial.number} failed: {trial.reason}", markup=False)
        if self._live:
            self._live.update(self._text(loop))
        elif self._log and time.monotonic() - self._logged >= LOG_EVERY:
            self._logged = time.monotonic()
            self._log.print(self._text(loop, short=True), markup=False)

    def _text(self, loop: Loop, *, short: bool = False) -> Text:
        terms = loop.terms
        rows = []
        for trial in self._complete.values():
            try:
                rows.append(values_of(trial, terms.objectives))
            except NasError:  # a reused baseline without these metrics
                continue
        accuracies = [
            t.val_accuracy for t in self._complete.values() if t.kind == "child" and t.val_accuracy is not None
        ]
        parts = [f"{loop.trained}/{terms.budget} children"]
        if accuracies:
            parts.append(f"best {percent(max(accuracies))}")
        if rows:
            parts.append(f"front {len(front(rows, [objective.maximise for objective in terms.objectives]))}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        here = loop.trained - (self._first or 0)
        elapsed = time.monotonic() - self._begun
        if here:
            parts.append(f"{60 * here / elapsed:.1f} a minute")
            parts.append(f"{duration(elapsed / here * (terms.budget - loop.trained))} left")
        text = Text(" · ".join(parts))
        if not short:
            for trial in self._running.values():
                name = trial.name or f"trial {trial.number}"
                seen = (
                    f"epoch {trial.epochs}/{terms.recipe.epochs} {percent(trial.val_accuracy)}"
                    if trial.epochs
                    else "starting"
                )
                text.append(f"\n  {name}: {seen}", style="dim")
        return text
