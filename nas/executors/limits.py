"""How long a child may take, and the alarm that ends what takes longer while Python code runs."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

from nas.errors import ExecutorError

LIMITS = ("epoch_timeout", "trial_timeout")  # the options of every executor
AGAIN = 5.0  # seconds until the alarm rings again for code that has swallowed it


class Overtime(BaseException):
    """A child took too long. No Exception: code that goes on after any error must not swallow it.

    `again`: whether a second try makes sense; the message is one line.
    """

    def __init__(self, message: str, again: bool) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True)
class Limits:
    """Seconds that one epoch, and one try of a child, may take; None is for ever. A bad one is an ExecutorError."""

    epoch: float | None = None
    trial: float | None = None

    def __post_init__(self) -> None:
        for name, value in zip(LIMITS, (self.epoch, self.trial), strict=True):
            if value is not None and not 0 < value < math.inf:
                raise ExecutorError(f"{name} must be a positive number of seconds, got {value!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Limits:
        """Those among the options of an executor."""
        return cls(*map(options.get, LIMITS))

    def over(self, epoch: int, in_epoch: float, in_trial: float, grace: float = 0.0) -> Overtime | None:
        """What to raise after so many seconds in this epoch (from 1) and in this try; None while both are within."""
        if self.trial is not None and in_trial >= self.trial + grace:
            # As long again would be waited in vain: whoever sets this bound says what a child may cost.
            return Overtime(f"it took longer than {self.trial:g} s, the trial_timeout (in epoch {epoch})", again=False)
        if self.epoch is not None and in_epoch >= self.epoch + grace:
            return Overtime(f"epoch {epoch} took longer than {self.epoch:g} s, the epoch_timeout", again=True)
        return None

    def left(self, in_trial: float) -> float | None:
        """Seconds until an epoch that begins now is over a limit; None if never."""
        ends = [self.epoch, None if self.trial is None else self.trial - in_trial]
        return min((max(end, 0.0) for end in ends if end is not None), default=None)


class Alarm:
    """Raises an `Overtime` in the block when its seconds are over: at the next step of Python code, not within C code.

    Signals reach the main thread only; in another it does nothing. A timer and a handler of others are put back.
    """

    def __init__(self, seconds: float | None, limits: Limits, epoch: int, begun: float) -> None:
        self._seconds = seconds if threading.current_thread() is threading.main_thread() else None
        self._limits, self._epoch, self._begun = limits, epoch, begun
        self._armed = False

    def __enter__(self) -> Self:
        self._entered = time.monotonic()
        if self._seconds is not None:
            self._handler: Any = signal.signal(signal.SIGALRM, self._ring)
            self._armed = True
            self._timer = signal.setitimer(signal.ITIMER_REAL, max(self._seconds, 1e-3))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disarm()
        if kind is None and (late := self._late()) is not None:
            raise late  # of C code, or in another thread: found out when it was over

    def disarm(self) -> None:
        """Ring no more; harmless when repeated."""
        if self._armed:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
            delay, interval = self._timer
            if delay:
                signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - self._entered), 1e-3), interval)

    def _late(self) -> Overtime | None:
        now = time.monotonic()
        return self._limits.over(self._epoch, now - self._entered, now - self._begun)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self._armed:
            return
        late = self._late()
        signal.setitimer(signal.ITIMER_REAL, AGAIN if late is not None else 1e-2)
        if late is not None:
            raise late
