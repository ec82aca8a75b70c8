"""A database that is gone for a while: which failures pass by themselves, and how a step waits until they have.

The driver of a search waits inside its step, so the results that arrive meanwhile wait in the executor, in their
order, and nothing is written twice or left out. See `Database.commit`.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import NoReturn

from sqlalchemy.exc import DBAPIError

from nas.errors import StoreError

PATIENCE_SECONDS = 600.0  # how long a search waits for its database
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between two tries: each pause is twice the one before

# Python's name for SQLite's primary codes; the rest of a code says more about the same failure.
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
# PostgreSQL: shut down, crashed, starting, too many connections, deadlock, serialization, a lock not to be had.
_STATES = ("57P01", "57P02", "57P03", "53300", "40P01", "40001", "55P03")

_log = logging.getLogger(__name__)


class Unreachable(Exception):
    """No connection was to be had; the cause says why."""


def cut_off(error: BaseException) -> bool:
    """Whether the connection broke: of a commit it is not known then whether it was done."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def passes(error: BaseException) -> bool:
    """Whether the same step may succeed a little later."""
    if isinstance(error, Unreachable) or cut_off(error):
        return True
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BUSY
    state = getattr(cause, "sqlstate", None) or ""
    return state in _STATES or state.startswith("08")


def disk_full(error: BaseException) -> bool:
    """Whether there is no room for what was to be written: on its disk, or on the server's."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == "53100"


class Outage:
    """One wait: says on the log that it begins, pauses longer and longer, and says when it is over."""

    def __init__(self, label: str, patience: float) -> None:
        self._label, self._patience = label, patience
        self._began = time.monotonic()
        self._pause = SHORTEST_PAUSE
        self._told = False

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def wait(self, detail: str) -> None:
        """Pause before the next try. Raises StoreError when the patience is at its end."""
        left = self._patience - self.seconds
        if left <= 0:
            self._give_up(detail)
        if not self._told:
            self._told = True
            _log.warning("database %s: %s; waiting up to %.0f s for it", self._label, detail, self._patience)
        time.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def over(self) -> None:
        """The step is in the database."""
        if self._told:
            _log.warning("database %s: there again after %.0f s", self._label, self.seconds)

    def _give_up(self, detail: str) -> NoReturn:
        waited = f" (waited {self.seconds:.0f} s)" if self._told else ""
        raise StoreError(f"cannot use database {self._label}: {detail}{waited}")
