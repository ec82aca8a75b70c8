"""The schema of a database: made when it is new, migrated when it is old, refused when it is too new.

Alembic is imported only when an old database is met: a new one is made from the tables and stamped,
which gives the same schema as running all migrations (a test compares them).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, select

from nas.errors import StoreError
from nas.store.database import Database
from nas.store.tables import VERSION_TABLE, metadata, studies, versions

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS: tuple[str, ...] = ("0001", "0002", "0003")  # every revision in migrations/versions, oldest first
MIGRATIONS = Path(__file__).parent / "migrations"


def version(connection: Connection) -> str | None:
    """The revision that the database is at; None if it has none of our tables. Raises StoreError."""
    tables = inspect(connection)
    found = None
    if tables.has_table(VERSION_TABLE):
        found = connection.execute(select(versions.c.version_num)).scalar()
    if found is None and tables.has_table(studies.name):
        raise StoreError(f"the database has a table {studies.name!r} but no schema version; choose another database")
    return found


def prepare(database: Database, *, create: bool) -> None:
    """Bring the database to the newest revision. Raises StoreError; without `create` also if it is empty."""
    found = _version(database)
    if found is None:
        if not create:
            raise StoreError(f"database {database.label!r} holds no studies; check the address, or start a search")
        found = _create(database)
    if found in REVISIONS[:-1]:
        upgrade(database)
    elif found != REVISIONS[-1]:
        raise StoreError(
            f"database {database.label!r} has schema version {found!r}, newer than this program knows "
            f"(up to {REVISIONS[-1]!r}); update nas"
        )


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations up to a revision, all in one transaction."""
    from alembic import command

    with database.rebuild() as connection:
        command.upgrade(config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Run the migrations back down to a revision ("base": none of our tables), all in one transaction."""
    from alembic import command

    with database.rebuild() as connection:
        command.downgrade(config(connection), revision)


def config(connection: Connection) -> Config:
    """Alembic's configuration for a connection; to write a new migration, see migrations/env.py."""
    from alembic.config import Config

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def _version(database: Database) -> str | None:
    with database.read() as connection:
        return version(connection)


def _create(database: Database) -> str | None:
    """Make the tables, unless another process is quicker; the revision that the database is at then."""
    try:
        with database.write() as connection:
            found = version(connection)
            if found is None:
                found = REVISIONS[-1]
                metadata.create_all(connection)
                versions.create(connection, checkfirst=True)
                connection.execute(insert(versions).values(version_num=found))
            return found
    except StoreError:
        # PostgreSQL lets two processes begin to create the same table, and fails the second of them.
        found = _version(database)
        if found is None:
            raise
        return found
