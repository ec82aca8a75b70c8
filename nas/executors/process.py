"""This process while workers run: its environment, loggers, Ctrl-C and temporary folder, all put back afterwards."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from nas.errors import ExecutorError
from nas.executors import Terminated

SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new reporter prints to stdout even when verbose is 0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # workers stay where the search was started: data folders may be relative
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files for every child
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's own would return as if the search had come to its end
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # no snapshots on the way
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # the driver decides after every epoch
    "TUNE_STATE_REFRESH_PERIOD": "inf",  # it asks for nothing but a table, and without a head waits for ever
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "inf",  # the same for a warning; Ray's spelling
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S_AUTOSCALER": "inf",
}
"""Environment variables that make Ray Tune quiet and light."""

TERM_SECONDS = 10.0  # from SIGTERM to the end of the running epochs at most; a node that is taken away waits 30 or so
LEAVE_SECONDS = 5.0  # more, for the end of Ray
LONGEST_PLACE = 30  # bytes; Ray puts sockets below it, and a socket's path may have 107


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables with these values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def quiet(printer: Any) -> Iterator[None]:
    """Nothing of Ray's on stdout and stderr. `printer` is its module that reports the deaths of workers on stdout."""
    logger = logging.getLogger("ray")
    level, printing = logger.level, printer._worker_logs_enabled
    logger.setLevel(logging.CRITICAL + 1)
    printer._worker_logs_enabled = False
    try:
        yield
    finally:
        logger.setLevel(level)
        printer._worker_logs_enabled = printing


@contextlib.contextmanager
def interruptible(stop: Callable[[BaseException], None], *, tell: bool = True) -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM call `stop`, so that the work can end at a good moment; a second one raises at once.

    `stop` is given what the work should raise in the end: KeyboardInterrupt or `Terminated`. Whoever sends SIGTERM
    waits seconds, not for an epoch, so the second one follows by itself, and soon after it the process ends whatever
    holds it: all that was recorded is in the store. `tell`: say so on stderr. A program that handles a signal in its
    own way keeps doing so. Python handles signals in the main thread only.

    Gives a function to call when the work has ended and only leaving is left: no second SIGTERM follows then.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main:
        yield lambda: None
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    other = signal.getsignal(signal.SIGUSR1)  # Tune takes this signal and does not give it back
    hurry = threading.Timer(TERM_SECONDS, lambda: signal.pthread_kill(main.ident or 0, signal.SIGTERM))
    # Where Ray's own processes were ended by the same signal, a call of Ray may not come back for a minute.
    leave = threading.Timer(TERM_SECONDS + LEAVE_SECONDS, lambda: os._exit(Terminated.CODE))
    hurry.daemon = leave.daemon = True
    seen: set[int] = set()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.add(number)
        if tell:
            _say("interrupted: the search ends when the running epochs are recorded; Ctrl-C again ends it at once")
        stop(KeyboardInterrupt())

    def terminated(number: int, frame: FrameType | None) -> None:
        if number in seen:
            raise Terminated
        seen.add(number)
        hurry.start()
        leave.start()
        if tell:
            _say(f"terminated: the search ends when the running epochs are recorded, in {TERM_SECONDS:g} s at most")
        stop(Terminated())

    if usual[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)
    if usual[signal.SIGTERM] is signal.SIG_DFL or _of_ray(usual[signal.SIGTERM]):
        signal.signal(signal.SIGTERM, terminated)
    try:
        yield hurry.cancel
    finally:
        hurry.cancel()
        leave.cancel()
        for number, handler in usual.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGUSR1, other)


def _of_ray(handler: object) -> bool:
    """Whether a handler is the one that Ray puts in when it starts, with which the process just ends."""
    return str(getattr(handler, "__module__", "")).startswith("ray.")


def _say(text: str) -> None:
    """A line for the person; in a handler of signals, where stderr may be in the middle of another, or be gone."""
    with contextlib.suppress(RuntimeError, OSError, ValueError, AttributeError):
        print(f"nas: {text}", file=sys.stderr, flush=True)


def new_directory(temp_dir: str | os.PathLike[str] | None) -> str:
    """A new folder; the system's own when the usual place for temporary files is too deep for Ray's sockets."""
    place = os.fspath(temp_dir) if temp_dir is not None else tempfile.gettempdir()
    if len(os.fsencode(place)) > LONGEST_PLACE:
        if temp_dir is not None:
            raise ExecutorError(f"temp_dir may have {LONGEST_PLACE} bytes, for Ray's sockets; got {place!r}")
        place = "/tmp"
    return tempfile.mkdtemp(prefix="nas-", dir=place)
