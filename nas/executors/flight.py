"""The children in flight, and every call of the driver, while a scheduler that is not ours runs the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from nas.executors import Driver, Failure, Job
from nas.executors.children import Step, deliver
from nas.executors.limits import Limits

PAUSE = 0.05  # seconds between two questions to a driver that has nothing right now
GRACE = 5.0  # seconds that a worker has to find out by itself that its child is over a limit
# Seconds that may count between two looks at the clock: while this process slept, or the controller thought for long,
# results may have come in that nobody has looked at.
LONGEST_TICK = 1.0

T = TypeVar("T")


@dataclass
class _Sortie:
    """A child in flight; the clocks are those of `Flight.overdue`, None until its worker has it."""

    job: Job
    epochs: int = 0
    begun: float | None = None
    epoch_begun: float = 0.0
    worker: str = ""
    running: bool = False
    fate: Failure | None = None  # what its worker was killed for


class Flight:
    """Jobs by the scheduler's own key, and the first thing that ended the run early.

    The scheduler would take an exception in one of its hooks for a child's failure, so nothing here raises an
    Exception: what the driver raised is kept in `ended_by`, the driver is not called again, and the run raises it.
    """

    def __init__(self, driver: Driver, slots: int, limits: Limits | None = None) -> None:
        self.ended_by: BaseException | None = None
        self.interrupted_by: BaseException | None = None  # the run ends with this when the running epochs have ended
        self.slots = slots
        self._driver = driver
        self._limits = limits or Limits()
        self._sorties: dict[str, _Sortie] = {}
        self._awaited: set[str] = set()  # of the children in flight when the run was interrupted, those in an epoch
        self._clock = 0.0
        self._looked: float | None = None

    @property
    def done(self) -> bool:
        """Whether no job will come any more."""
        return self.interrupted_by is not None or self._call(lambda: self._driver.done, otherwise=True)

    def interrupt(self, by: BaseException) -> None:
        """End the run with this, when the epochs that run now are recorded."""
        if self.interrupted_by is None:
            self._awaited = {key for key, sortie in self._sorties.items() if sortie.running}
        self.interrupted_by = by
        self._end_if_landed()

    def lose(self, by: BaseException) -> None:
        """End the run with this now; with what it was interrupted by, if it was."""
        self.ended_by = self.ended_by or self.interrupted_by or by

    def over(self) -> None:
        """Raise what ended the run early, if anything did.

        A run that was interrupted has not come to its end, even where nothing more was heard of the running epochs.
        """
        by = self.ended_by or self.interrupted_by
        if by is not None:
            raise by

    def next(self) -> Job | None:
        """The driver's next job; it is asked only when a slot is free."""
        if len(self._sorties) >= self.slots or self.interrupted_by is not None:
            return None
        job = self._call(self._driver.next, otherwise=None)
        # With nothing in flight no result will wake the scheduler, so the waiting is done here.
        while job is None and not self._sorties and not self.done:
            time.sleep(PAUSE)
            job = self._call(self._driver.next, otherwise=None)
        return job

    def add(self, key: str, job: Job) -> None:
        """The scheduler has taken the job."""
        self._sorties[key] = _Sortie(job)

    def started(self, key: str, worker: str) -> None:
        """The child has a worker."""
        if key in self._sorties and self.interrupted_by is None:
            sortie = self._sorties[key]
            sortie.running, sortie.worker = True, worker
            self._call(lambda: self._driver.started(sortie.job.id, worker), otherwise=None)

    def step(self, key: str, step: Step) -> bool:
        """Pass a step on; whether the child goes on. A child that has ended before is not spoken of again."""
        if key not in self._sorties:
            return False
        sortie = self._sorties[key]
        sortie.epochs, sortie.epoch_begun = sortie.epochs + 1, self._clock
        if self.interrupted_by is not None and step.failed is not None:
            goes_on = False  # perhaps by the same signal: the child is none the worse for it
        else:
            goes_on = self._call(lambda: deliver(self._driver, sortie.job.id, step), otherwise=False)
            goes_on = goes_on and self.interrupted_by is None
        if not goes_on:
            del self._sorties[key]
        self._awaited.discard(key)
        self._end_if_landed()
        return goes_on

    def overdue(self, busy: Iterable[str]) -> Iterator[str]:
        """The children over a limit, each once: their workers are to be killed. `busy`: those that have a worker."""
        now = time.monotonic()
        if self._looked is not None:
            self._clock += min(now - self._looked, LONGEST_TICK)
        self._looked = now
        for key in busy:
            sortie = self._sorties.get(key)
            if sortie is None or sortie.fate is not None:
                continue
            if sortie.begun is None:
                sortie.begun = sortie.epoch_begun = self._clock
            spent = self._clock - sortie.epoch_begun, self._clock - sortie.begun
            late = self._limits.over(sortie.epochs + 1, *spent, GRACE)
            if late is not None:
                sortie.fate = Failure(f"{late}; its worker did not answer and was killed", again=late.again)
                yield key

    def fate(self, key: str) -> Failure | None:
        """Why the child's worker was killed; None if it was not, or not by us."""
        return self._sorties[key].fate if key in self._sorties else None

    def worker(self, key: str) -> str:
        """Where the child runs, host:pid; empty before it has started."""
        return self._sorties[key].worker if key in self._sorties else ""

    def _end_if_landed(self) -> None:
        if self.interrupted_by is not None and not self._awaited:
            self.ended_by = self.ended_by or self.interrupted_by

    def _call(self, function: Callable[[], T], otherwise: T) -> T:
        if self.ended_by is not None:
            return otherwise
        try:
            return function()
        except Exception as error:
            self.ended_by = error
            return otherwise
