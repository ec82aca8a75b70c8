"""One database: its engine, its transactions, and its failures as one-line StoreErrors."""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from nas.errors import StoreError
from nas.store import address, outages, sqlite_files
from nas.store.outages import Outage, Unreachable, cut_off, disk_full, passes
from nas.store.prepared import Prepared

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]

_FAILURES = (SQLAlchemyError, sqlite3.Error, Unreachable)
BUSY_SECONDS = 30.0  # how long a writer waits for another process's transaction


def _dumps(document: object) -> str:
    """Strict JSON on every database: PostgreSQL refuses NaN, so a document with one must fail on SQLite too."""
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:  # which not every driver passes on as an error of the database
        raise StoreError(f"cannot write a document: {error}") from None


class Database:
    """An engine and its transactions. Safe for threads; forget it after a fork.

    `read` and `write` are tried once, `ask` and `commit` outlast an outage.
    """

    def __init__(self, engine: Engine, label: str, *, read_only: bool = False) -> None:
        self.engine = engine
        self.label = label  # names the database in messages; holds no password
        self._writer = engine.execution_options(nas_write=True)
        # An in-memory database is one connection, so its transactions must not interleave.
        memory = address.in_memory(engine.url)
        self._turn: AbstractContextManager[Any] = threading.Lock() if memory else nullcontext()
        self._closed = False
        # How long `commit` and `ask` wait for a database that is gone: as long as a search can, if it may write.
        self.patience = 0.0 if memory or read_only else outages.PATIENCE_SECONDS
        # Asked before the first step after an outage: whether this process may still do it.
        self.guards: list[Work[None]] = []
        self.was_gone = False

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

    def commit(self, work: Work[T], done: Work[T | None] | None = None) -> T:
        """Do `work` in a write transaction; while the database is gone, wait and do it again. Its result.

        When the connection breaks during the commit, nobody says whether it was done. `done` then looks in the
        database for what `work` would have written, and gives its result, or None. Without `done`, work must be such
        that doing it twice comes to the same.
        """
        outage: Outage | None = None
        unsure = False
        with self._failures("write"):
            while True:
                committing = False
                try:
                    with self._turn, self._reach(self._writer) as connection, connection.begin():
                        for guard in self.guards if self.was_gone else ():
                            guard(connection)
                        found = done(connection) if unsure and done is not None else None
                        result = work(connection) if found is None else found
                        committing = True
                    break
                except _FAILURES as error:
                    unsure = unsure or (committing and cut_off(error))
                    outage = self._wait(error, outage)
        self.was_gone = False
        if outage:
            outage.over()
        return result

    def ask(self, question: Work[T]) -> T:
        """What a question says in a reading transaction; while the database is gone, wait and ask it again."""
        outage: Outage | None = None
        with self._failures("read"):
            while True:
                try:
                    with self._turn, self._reach(self.engine) as connection:
                        result = question(connection)
                    break
                except _FAILURES as error:
                    outage = self._wait(error, outage)
        if outage:
            outage.over()
        return result

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A write transaction for migrations: tables may be rebuilt; references are checked at the end."""
        with (
            self._turn,
            self._failures("migrate"),
            self._open(self._writer) as connection,
            sqlite_files.without_foreign_keys(connection),
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

    def _reach(self, engine: Engine) -> Connection:
        try:
            return self._open(engine)
        except DBAPIError as error:
            raise Unreachable(self._detail(error)) from error

    def _wait(self, error: BaseException, outage: Outage | None) -> Outage:
        if not self.patience or not passes(error):
            raise error
        self.was_gone = True
        outage = outage or Outage(self.label, self.patience)
        outage.wait(self._detail(error))
        return outage

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        try:
            yield
        # OverflowError: an integer beyond 64 bits, which SQLite's driver raises bare.
        except (*_FAILURES, OverflowError) as error:
            raise StoreError(f"cannot {action} database {self.label}: {self._detail(error)}") from error

    def _detail(self, error: BaseException) -> str:
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split()) or type(cause).__name__
        if disk_full(error):
            text += "; free some space, then go on with `nas resume`: nothing that was stored is lost"
        for password in (self.engine.url.password, self.engine.url.query.get("password")):
            text = text.replace(str(password), "***") if password else text
        return address.masked(text)


def connect(url: URL, *, read_only: bool = False) -> Database:
    """Make the engine of a checked URL and try it; with `read_only` no statement can write. Raises StoreError."""
    memory = address.in_memory(url)
    options: dict[str, Any] = {"json_serializer": _dumps}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    if memory:
        options["poolclass"] = StaticPool
    try:
        engine = create_engine(sqlite_files.reading(url) if read_only else url, **options)
        if read_only and engine.dialect.name == "postgresql":
            engine = engine.execution_options(postgresql_readonly=True)
    except ModuleNotFoundError as error:
        hint = "pip install 'nas[postgres]'" if url.get_backend_name() == "postgresql" else "install it"
        raise StoreError(f"database {address.label(url)!r} needs the package {error.name!r}: {hint}") from error
    except (ArgumentError, TypeError, ValueError) as error:
        raise StoreError(f"cannot use the database address {address.label(url)!r}; give {address.FORMS}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", sqlite_files.prepare)
        event.listen(engine, "begin", sqlite_files.begin)
    if memory:
        event.listen(engine, "handle_error", sqlite_files.keep_connection)
    database = Database(engine, address.label(url), read_only=read_only)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite" and not memory and not read_only:
                sqlite_files.use_write_ahead_log(connection, BUSY_SECONDS)
    except (DBAPIError, sqlite3.Error) as error:
        detail = database._detail(error)
        database.close()
        if "not a database" in detail:
            detail = "the file exists and is not an SQLite database; choose another path"
        raise StoreError(f"cannot open database {database.label!r}: {detail}") from error
    return database


def insert_missing(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row unless its key is there; also when another process inserts it at the same moment."""
    _insert_missing(connection.dialect.name, table).run(connection, row)


@functools.cache
def _insert_missing(dialect: str, table: Table) -> Prepared:
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return Prepared(made.on_conflict_do_nothing())
