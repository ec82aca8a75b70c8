"""One database: its engine, its transactions, and its failures as one-line StoreErrors."""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from nas.errors import StoreError
from nas.store import address

BUSY_SECONDS = 30.0  # how long a writer waits for another process's transaction


def _dumps(document: object) -> str:
    """Strict JSON on every database: PostgreSQL refuses NaN, so a document with one must fail on SQLite too."""
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:  # which not every driver passes on as an error of the database
        raise StoreError(f"cannot write a document: {error}") from None


class Database:
    """An engine with two kinds of transactions. Safe for threads; forget it after a fork."""

    def __init__(self, engine: Engine, label: str) -> None:
        self.engine = engine
        self.label = label  # names the database in messages; holds no password
        self._writer = engine.execution_options(nas_write=True)
        # An in-memory database is one connection, so its transactions must not interleave.
        memory = address.in_memory(engine.url)
        self._turn: AbstractContextManager[Any] = threading.Lock() if memory else nullcontext()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent picture of the database."""
        with self._turn, self._failures("read"), self._open(self.engine) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed whole at the end, or rolled back whole on any exception."""
        with (
            self._turn,
            self._failures("write"),
            self._open(self._writer) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A write transaction for migrations: tables may be rebuilt; references are checked at the end."""
        with (
            self._turn,
            self._failures("migrate"),
            self._open(self._writer) as connection,
            _without_foreign_keys(connection),
            connection.begin(),
        ):
            yield connection
            if connection.dialect.name == "sqlite":
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise StoreError(f"migrating {self.label!r} would break the references of {broken[0]}")

    def close(self) -> None:
        """Close all connections; harmless when repeated."""
        self._closed = True
        self.engine.dispose()

    def _open(self, engine: Engine) -> Connection:
        if self._closed:
            raise StoreError(f"the store ({self.label}) is closed")
        return engine.connect()

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        try:
            yield
        # OverflowError: an integer beyond 64 bits, which SQLite's driver raises bare.
        except (SQLAlchemyError, OverflowError) as error:
            raise StoreError(f"cannot {action} database {self.label}: {self._detail(error)}") from error

    def _detail(self, error: BaseException) -> str:
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split()) or type(cause).__name__
        password = self.engine.url.password
        return address.masked(text.replace(str(password), "***") if password else text)


def connect(url: URL, *, read_only: bool = False) -> Database:
    """Make the engine of a checked URL and try it; with `read_only` no statement can write. Raises StoreError."""
    memory = address.in_memory(url)
    options: dict[str, Any] = {"json_serializer": _dumps}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    if memory:
        options["poolclass"] = StaticPool
    try:
        engine = create_engine(_reading(url) if read_only else url, **options)
        if read_only and engine.dialect.name == "postgresql":
            engine = engine.execution_options(postgresql_readonly=True)
    except NoSuchModuleError:
        name = url.drivername
        raise StoreError(f"unknown database driver {name!r} in {address.label(url)!r}; give {address.FORMS}") from None
    except ModuleNotFoundError as error:
        hint = "pip install 'nas[postgres]'" if url.get_backend_name() == "postgresql" else "install it"
        raise StoreError(f"database {address.label(url)!r} needs the package {error.name!r}: {hint}") from error
    except (ArgumentError, TypeError, ValueError) as error:
        raise StoreError(f"cannot use the database address {address.label(url)!r}; give {address.FORMS}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    if memory:
        event.listen(engine, "handle_error", _keep_connection)
    database = Database(engine, address.label(url))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite" and not memory and not read_only:
                _use_write_ahead_log(connection)
    except (DBAPIError, sqlite3.Error) as error:
        detail = database._detail(error)
        database.close()
        if "not a database" in detail:
            detail = "the file exists and is not an SQLite database; choose another path"
        raise StoreError(f"cannot open database {database.label!r}: {detail}") from error
    return database


def _reading(url: URL) -> URL:
    """The URL under which SQLite opens a file to read only; others stay as they are."""
    if url.get_backend_name() != "sqlite" or url.database is None or "uri" in url.query:
        return url
    return url.set(database=f"file:{quote(url.database)}").update_query_dict({"mode": "ro", "uri": "true"})


def insert_missing(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row unless its key is there; also when another process inserts it at the same moment."""
    statement = _insert_missing(connection.dialect.name, table)
    if statement is None:
        key = [column == row[column.name] for column in table.primary_key]
        if connection.execute(select(*table.primary_key).where(*key)).first() is not None:
            return
        statement = table.insert()
    connection.execute(statement, row)


@functools.cache
def _insert_missing(dialect: str, table: Table) -> Insert | None:
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return None


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    # The driver would begin transactions late and by itself; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    # With the write-ahead log this survives a killed process whole; a power cut may cost the last steps.
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once and waits for its turn. Were it to read first and ask for the lock
    # then, SQLite could only answer "database is locked", without waiting.
    writes = connection.get_execution_options().get("nas_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _keep_connection(context: ExceptionContext) -> None:
    # SQLAlchemy drops the connection on Ctrl-C; in memory the whole database would go with it. A rollback is
    # enough: the driver is never left between two statements.
    context.is_disconnect = False


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
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


def _use_write_ahead_log(connection: Connection) -> None:
    """Switch the file to the write-ahead log, once and for all who open it."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        return
    deadline = time.monotonic() + BUSY_SECONDS
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
