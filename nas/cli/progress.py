"""What a person sees while a search runs: one live line on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from nas.cli.output import console, duration, percent
from nas.pareto import front
from nas.results import trial_values
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
        self._logged = time.monotonic()
        self._begun: float | None = None  # when the first child started; the baselines come before
        self._first: int | None = None  # children that were trained before this run
        self._best: float | None = None
        self._front: list[list[float]] = []
        self._running: dict[int, TrialRecord] = {}
        self._failed = 0
        self._tried: dict[int, int] = {}  # by trial: further tries

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
            if trial.kind == "child" and self._begun is None:
                self._begun = time.monotonic()
        elif trial.state == "complete":
            self._take_in(loop, trial)
        elif trial.state == "failed":
            self._failed += 1
            console(stderr=True).print(f"trial {trial.number} failed: {trial.reason}", markup=False)
        elif trial.failures > self._tried.get(trial.number, 0):
            self._tried[trial.number] = trial.failures
            console(stderr=True).print(f"trial {trial.number} is tried again: {trial.reason}", markup=False)
        if self._live:
            self._live.update(self._text(loop))
        elif self._log and time.monotonic() - self._logged >= LOG_EVERY:
            self._logged = time.monotonic()
            self._log.print(self._text(loop, short=True), markup=False)

    def _take_in(self, loop: Loop, trial: TrialRecord) -> None:
        objectives = loop.terms.problem.objectives
        values = trial_values(trial, objectives)
        if trial.kind == "child" and trial.val_accuracy is not None:
            self._best = max(trial.val_accuracy, self._best or 0.0)
        # Only the front is kept, so that a long search stays as cheap to watch as a short one.
        rows = [*self._front, values]
        self._front = [rows[index] for index in front(rows, [objective.maximise for objective in objectives])]

    def _text(self, loop: Loop, *, short: bool = False) -> Text:
        budget = loop.terms.budget
        parts = [f"{loop.trained}/{budget} children" if budget else "baselines"]
        if self._best is not None:
            parts.append(f"best {percent(self._best)}")
        if self._front:
            parts.append(f"front {len(self._front)}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        here = loop.trained - (self._first or 0)
        if here and self._begun is not None:
            elapsed = time.monotonic() - self._begun
            parts.append(f"{60 * here / elapsed:.1f} a minute")
            parts.append(f"{duration(elapsed / here * (budget - loop.trained))} left")
        text = Text(" · ".join(parts))
        if not short:
            for trial in self._running.values():
                name = trial.name or f"trial {trial.number}"
                seen = f"epoch {trial.epochs}/{loop.terms.recipe.epochs} {percent(trial.val_accuracy)}"
                text.append(f"\n  {name}: {seen if trial.epochs else 'starting'}", style="dim")
        return text
