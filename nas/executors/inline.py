"""Children one after the other in this process: no Ray, no second process, the simplest thing that searches."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from nas.executors import Driver
from nas.executors.children import Child, Decode, decode, deliver
from nas.executors.flight import PAUSE
from nas.executors.limits import Limits
from nas.executors.process import interruptible
from nas.executors.resources import Share

if TYPE_CHECKING:
    from nas.evaluators import Evaluator


class InlineExecutor:
    """Runs each child in the calling process; what the evaluator raises fails that child and the search goes on.

    A child over a limit is ended at its next step of Python code. What ends or blocks the process itself (SIGKILL, a
    fault or an endless loop in compiled code) ends or blocks the search, which is then to be resumed.
    """

    slots = 1

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        epoch_timeout: float | None = None,
        trial_timeout: float | None = None,
        decode: Decode = decode,
    ) -> None:
        self._evaluator = evaluator
        self._limits = Limits(epoch_timeout, trial_timeout)
        self._decode = decode

    @property
    def share(self) -> Share:
        """The cores or the GPU that the evaluator computes on, as it says by `cores` and `gpus`; else one core."""
        return Share(getattr(self._evaluator, "cores", 1), getattr(self._evaluator, "gpus", 0))

    def run(self, driver: Driver) -> None:
        """Run children until the driver is done."""
        worker = f"{platform.node()}:{os.getpid()}"
        stopped: list[BaseException] = []
        with interruptible(stopped.append):
            while not (stopped or driver.done):
                job = driver.next()
                if job is None:
                    if not driver.done:
                        time.sleep(PAUSE)
                    continue
                driver.started(job.id, worker)
                child = Child(self._evaluator, job, self._decode, self._limits)
                try:
                    goes_on = True
                    while goes_on:
                        step = child.step()
                        if stopped and step.failed is not None:
                            break  # perhaps by the same signal: the child is none the worse for it
                        goes_on = deliver(driver, job.id, step) and not stopped
                finally:
                    child.abandon()
        if stopped:
            raise stopped[-1]
