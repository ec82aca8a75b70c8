"""A database opened to read only: no write, no lock that a search could wait for, and no file made.

On SQLite the connection itself is read-only (`mode=ro`); with the write-ahead log a reader and the writer never wait
for each other. On PostgreSQL every transaction is declared read-only.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sqlalchemy import Connection, text

from nas.errors import StoreError
from nas.store import address, schema
from nas.store.database import connect
from nas.store.store import Store


def open_reader(url: str | os.PathLike[str]) -> Store | None:
    """A store that can only be read; None while there is no database yet, or no table of ours in it.

    Raises StoreError for an address that cannot be read, and for a schema that must be migrated first.
    """
    where = address.parse(url)
    if address.in_memory(where):
        raise StoreError("a database in memory cannot be read from outside; name a file or a server")
    if (
        where.get_backend_name() == "sqlite"
        and where.database is not None
        and not address.is_file(Path(where.database))
    ):
        return None
    database = connect(where, read_only=True)
    try:
        with database.read() as connection:
            found = schema.version(connection)
        if found is not None and found != schema.REVISIONS[-1]:
            raise StoreError(
                f"database {database.label!r} has schema version {found!r}, not {schema.REVISIONS[-1]!r}; "
                "`nas studies` brings an older one up to date, a newer one needs a newer nas"
            )
    except BaseException:
        database.close()
        raise
    if found is None:
        database.close()
        return None
    return Store(database)


class ChangeSign:
    """Whether anything was written since the last look; on databases that cannot say, it may have been. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._version: int | None = None

    def changed(self) -> bool:
        """True at the first call, and whenever another connection has committed since the last one."""
        engine = self._store.database.engine
        if engine.dialect.name != "sqlite":
            return True
        with self._turn:
            # The number that SQLite gives is that of one connection, so this one is kept.
            if self._connection is None:
                self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            version = int(self._connection.execute(text("PRAGMA data_version")).scalar_one())
            self._connection.rollback()
            changed, self._version = version != self._version, version
            return changed

    def close(self) -> None:
        """Give the connection back."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
