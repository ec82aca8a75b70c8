"""This process while workers run: its environment, loggers, Ctrl-C and temporary folder, all put back afterwards."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from nas.errors import ExecutorError

SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new reporter prints to stdout even when verbose is 0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # workers stay where the search was started: data folders may be relative
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files for every child
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's own would return as if the search had come to its end
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # no snapshots on the way
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # the driver decides after every epoch
}
"""Environment variables that make Ray Tune quiet and light."""

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
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `stop` once, so that the work can end at a good moment; a second one is a KeyboardInterrupt.

    A program that handles SIGINT in its own way keeps doing so. Python handles signals in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)
    other = signal.getsignal(signal.SIGUSR1)  # Tune takes this signal and does not give it back

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        stop()

    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        signal.signal(signal.SIGUSR1, other)


def new_directory(temp_dir: str | os.PathLike[str] | None) -> str:
    """A new folder; the system's own when the usual place for temporary files is too deep for Ray's sockets."""
    place = os.fspath(temp_dir) if temp_dir is not None else tempfile.gettempdir()
    if len(os.fsencode(place)) > LONGEST_PLACE:
        if temp_dir is not None:
            raise ExecutorError(f"temp_dir may have {LONGEST_PLACE} bytes, for Ray's sockets; got {place!r}")
        place = "/tmp"
    return tempfile.mkdtemp(prefix="nas-", dir=place)
