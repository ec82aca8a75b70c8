"""A warm worker process: it unpickles the evaluator for its first child and holds it for all that follow."""

from __future__ import annotations

import os
import pickle
import sys
from typing import TYPE_CHECKING

from nas.executors import Job
from nas.executors.children import Child, Decode, Step
from nas.executors.limits import Limits
from nas.executors.reasons import failure, spoils

if TYPE_CHECKING:
    from nas.evaluators import Evaluator


class WarmWorker:
    """Runs one child after the other; the payload is a pickled (classes, decode, evaluator)."""

    def __init__(self, payload: bytes, threads: int, gpus: bool, limits: Limits | None = None) -> None:
        """Prepare the process. Nothing of the user's runs yet: an error here would cost the process, not a child."""
        # Read when torch is imported, which is later.
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
        if not gpus:
            # Newer versions of Ray show every GPU to a worker that has reserved none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._threads = threads
        self._limits = limits
        self._payload = payload
        self._held: tuple[Evaluator, Decode] | None = None
        self._job: Job | None = None
        self._child: Child | None = None

    def take(self, job: Job) -> None:
        """The next job; a child that is still open is let go."""
        self.rest()
        self._job = job

    def step(self) -> Step:
        """Train one epoch of the job taken last; whatever goes wrong fails that child only."""
        if self._child is None:
            try:
                self._child = self._begin()
            except Exception as error:
                return Step(failed=failure(error), last=True, spoilt=spoils(error))
        return self._child.step()

    def rest(self) -> None:
        """Let go of the child, keep the evaluator."""
        if self._child is not None:
            self._child.abandon()
            self._child = None

    def _begin(self) -> Child:
        if self._job is None:
            raise RuntimeError("step before the first job")
        if self._held is None:
            # Classes come first: unpickling them registers what the evaluator and the jobs may name.
            _, decode, evaluator = pickle.loads(self._payload)
            self._held, self._payload = (evaluator, decode), b""
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(self._threads)
        return Child(self._held[0], self._job, self._held[1], self._limits)
