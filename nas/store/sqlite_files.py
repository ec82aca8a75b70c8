"""What SQLite needs: its settings, its transactions, the write-ahead log, and files opened to read only."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from sqlalchemy import Connection
from sqlalchemy.engine import URL, ExceptionContext


def reading(url: URL) -> URL:
    """The URL under which SQLite opens a file to read only; others stay as they are."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return url
    return url.set(database=f"file:{quote(url.database)}").update_query_dict({"mode": "ro", "uri": "true"})


def prepare(connection: sqlite3.Connection, record: object) -> None:
    """Set up each new connection."""
    # The driver would begin transactions late and by itself; `begin` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    # With the write-ahead log this survives a killed process whole; a power cut may cost the last steps.
    connection.execute("PRAGMA synchronous=NORMAL")


def begin(connection: Connection) -> None:
    """Begin a transaction, of a reader or of a writer."""
    # A writer takes its lock at once and waits for its turn. Were it to read first and ask for the lock
    # then, SQLite could only answer "database is locked", without waiting.
    writes = connection.get_execution_options().get("nas_write", False)
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def keep_connection(context: ExceptionContext) -> None:
    """Let an in-memory database outlive Ctrl-C."""
    # SQLAlchemy drops the connection on Ctrl-C; in memory the whole database would go with it. A rollback is
    # enough: the driver is never left between two statements.
    context.is_disconnect = False


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Leave references unchecked in here; nothing on other databases."""
    # Dropping a table deletes its rows, and with foreign keys on that reaches into other tables.
    # SQLite takes the switch outside a transaction only, so it goes around SQLAlchemy.
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def use_write_ahead_log(connection: Connection, patience: float) -> None:
    """Switch the file to the write-ahead log, once and for all who open it."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        return
    deadline = time.monotonic() + patience
    while raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            # A file system without shared memory answers with the old mode: then that one serves.
            raw.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself when two processes switch a new file at once.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
