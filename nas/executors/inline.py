"""Children one after the other in this process: no Ray, no second process, the simplest thing that searches."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from nas.executors import Driver
from nas.executors.children import Child, Decode, decode, deliver
from nas.executors.flight import PAUSE

if TYPE_CHECKING:
    from nas.evaluators import Evaluator


class InlineExecutor:
    """Runs each child in the calling process; what the evaluator raises fails that child and the search goes on."""

    slots = 1

    def __init__(self, evaluator: Evaluator, *, decode: Decode = decode) -> None:
        self._evaluator = evaluator
        self._decode = decode

    def run(self, driver: Driver) -> None:
        """Run children until the driver is done."""
        worker = f"{platform.node()}:{os.getpid()}"
        while not driver.done:
            job = driver.next()
            if job is None:
                if not driver.done:
                    time.sleep(PAUSE)
                continue
            driver.started(job.id, worker)
            child = Child(self._evaluator, job, self._decode)
            try:
                while deliver(driver, job.id, child.step()):
                    pass
            finally:
                child.abandon()
