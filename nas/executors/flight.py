"""The children in flight, and every call of the driver, while a scheduler that is not ours runs the workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from nas.executors import Driver, Job
from nas.executors.children import Step, deliver

PAUSE = 0.05  # seconds between two questions to a driver that has nothing right now

T = TypeVar("T")


class Flight:
    """Jobs by the scheduler's own key, and the first thing that ended the run early.

    The scheduler would take an exception in one of its hooks for a child's failure, so nothing here raises an
    Exception: what the driver raised is kept in `ended_by`, the driver is not called again, and the run raises it.
    """

    def __init__(self, driver: Driver, slots: int) -> None:
        self.ended_by: BaseException | None = None
        self.slots = slots
        self._driver = driver
        self._jobs: dict[str, Job] = {}

    @property
    def done(self) -> bool:
        """Whether no job will come any more."""
        return self._call(lambda: self._driver.done, otherwise=True)

    def interrupt(self) -> None:
        """End the run with a KeyboardInterrupt."""
        self.ended_by = self.ended_by or KeyboardInterrupt()

    def next(self) -> Job | None:
        """The driver's next job; it is asked only when a slot is free."""
        if len(self._jobs) >= self.slots:
            return None
        job = self._call(self._driver.next, otherwise=None)
        # With nothing in flight no result will wake the scheduler, so the waiting is done here.
        while job is None and not self._jobs and not self.done:
            time.sleep(PAUSE)
            job = self._call(self._driver.next, otherwise=None)
        return job

    def add(self, key: str, job: Job) -> None:
        """The scheduler has taken the job."""
        self._jobs[key] = job

    def started(self, key: str, worker: str) -> None:
        """The child has a worker."""
        if key in self._jobs:
            self._call(lambda: self._driver.started(self._jobs[key].id, worker), otherwise=None)

    def step(self, key: str, step: Step) -> bool:
        """Pass a step on; whether the child goes on. A child that has ended before is not spoken of again."""
        if key not in self._jobs:
            return False
        goes_on = self._call(lambda: deliver(self._driver, self._jobs[key].id, step), otherwise=False)
        if not goes_on:
            del self._jobs[key]
        return goes_on

    def _call(self, function: Callable[[], T], otherwise: T) -> T:
        if self.ended_by is not None:
            return otherwise
        try:
            return function()
        except Exception as error:
            self.ended_by = error
            return otherwise
