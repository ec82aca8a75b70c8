"""The upkeep of a database: migrated, checked, backed up while a search writes to it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select
from sqlalchemy.exc import DBAPIError

from nas.errors import StoreError
from nas.store import address, claims, schema
from nas.store.database import Database, connect
from nas.store.records import ENDS, STATES
from nas.store.tables import architectures, epochs, latencies, recipes, studies, trials

_COUNTED = {
    "studies": studies,
    "trials": trials,
    "epochs": epochs,
    "architectures": architectures,
    "recipes": recipes,
    "latencies": latencies,
}
_LINES = 20  # of what SQLite's own check finds


@dataclass(frozen=True)
class Finding:
    """Trials that no search writes: what is wrong with them, how many, and the first of them as STUDY:NUMBER."""

    what: str
    trials: int
    first: str


@dataclass(frozen=True)
class Report:
    """What a check found. `dead` are the studies whose process died: no damage, `nas resume` goes on with them."""

    database: str
    schema: str
    newest: str
    integrity: tuple[str, ...]  # empty: whole, or kept by the server
    references: int  # rows that refer to one which is not there
    findings: tuple[Finding, ...]
    dead: tuple[str, ...]
    counts: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether the database is whole and of the newest schema."""
        return not (self.integrity or self.references or self.findings) and self.schema == self.newest


def upgrade(url: str) -> tuple[str, str]:
    """Migrate a database; its revisions before and after. Raises StoreError."""
    where = address.parse(url)
    address.check_file(where, create=False)
    with closing(connect(where)) as database:
        before = _revision(database)
        schema.prepare(database, create=False)
        return before, _revision(database)


def check(url: str) -> Report:
    """Look for damage, without writing. Raises StoreError when there is no database of ours."""
    where = address.parse(url)
    address.check_file(where, create=False)
    with closing(connect(where, read_only=True)) as database:
        broken = _integrity(database)
        if broken:  # nothing else that it says can be believed
            return Report(database.label, "?", schema.REVISIONS[-1], broken, 0, (), (), {})
        found = _revision(database)
        known = found == schema.REVISIONS[-1]
        with database.read() as connection:
            return Report(
                database.label,
                found,
                schema.REVISIONS[-1],
                broken,
                _dangling(connection),
                tuple(_findings(connection)) if known else (),
                tuple(_dead(connection)) if known else (),
                _counts(connection) if known else {},
            )


def backup(url: str, target: Path) -> int:
    """Copy an SQLite database, as it is at one moment, into a new file; its size in bytes.

    A search may write meanwhile: neither waits for the other. Raises StoreError, also when the file exists.
    """
    where = address.parse(url)
    if where.get_backend_name() != "sqlite":
        raise StoreError(f"database {address.label(where)} is kept by a server; back it up with the server's pg_dump")
    if address.in_memory(where):
        raise StoreError("a database in memory has no file to back up")
    address.check_file(where, create=False)
    if target.exists() or target.is_symlink():
        raise StoreError(f"{str(target)!r} exists already; name a new file for the backup")
    if not target.parent.is_dir():
        raise StoreError(f"cannot write {str(target)!r}: directory {str(target.parent)!r} does not exist; create it")
    with closing(connect(where, read_only=True)) as database:
        _revision(database)
        try:
            # Under its name the backup appears whole or not at all.
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:40]}-") as folder:
                part = Path(folder) / "part"
                _copy(database, part)
                os.link(part, target)
        except FileExistsError:
            raise StoreError(f"{str(target)!r} exists already; name a new file for the backup") from None
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot write {str(target)!r}: {getattr(error, 'strerror', None) or error}") from error
    return target.stat().st_size


def _copy(database: Database, part: Path) -> None:
    with database.engine.connect() as connection, closing(sqlite3.connect(part)) as copy:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.backup(copy)  # all pages in one step: in several it would begin anew whenever a search writes
        found = copy.execute("PRAGMA quick_check").fetchall()
        if found != [("ok",)]:
            raise sqlite3.DatabaseError(f"the copy is not whole: {found[0][0]}; check the database with `nas db check`")


def _revision(database: Database) -> str:
    with database.read() as connection:
        found = schema.version(connection)
    if found is None:
        raise StoreError(f"database {database.label!r} holds no studies; check the address")
    return found


def _integrity(database: Database) -> tuple[str, ...]:
    if database.engine.dialect.name != "sqlite":
        return ()
    with suppress(StoreError), database.read() as connection:
        try:
            found = connection.exec_driver_sql(f"PRAGMA integrity_check({_LINES})").scalars().all()
        except DBAPIError as error:
            return (str(error.orig),)
        return () if found == ["ok"] else tuple(str(line) for line in found)
    return ("it cannot be read",)


def _dangling(connection: Connection) -> int:
    if connection.dialect.name != "sqlite":
        return 0  # the server holds to them
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def _counts(connection: Connection) -> dict[str, int]:
    return {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in _COUNTED.items()
    }


def _dead(connection: Connection) -> list[str]:
    found = connection.execute(select(studies.c.id, studies.c.name).order_by(studies.c.name)).all()
    held = [(name, claims.claim_of(connection, study)) for study, name in found]
    return [name for name, claim in held if claim is not None and not claim.alive]


def _findings(connection: Connection) -> list[Finding]:
    found = []
    for what, condition in _impossible():
        number = connection.execute(select(func.count()).select_from(trials).where(condition)).scalar_one()
        if number:
            rows = select(studies.c.name, trials.c.number).join_from(trials, studies).where(condition)
            study, first = connection.execute(rows.order_by(trials.c.id).limit(1)).one()
            found.append(Finding(what, number, f"{study}:{first}"))
    return found


def _impossible() -> list[tuple[str, ColumnElement[bool]]]:
    own = trials.c.reused_from.is_(None)
    ended = trials.c.state.in_(tuple(ENDS))
    source = trials.alias("source")
    answered = select(literal(1)).where(
        source.c.id == trials.c.reused_from, source.c.state == "complete", source.c.reused_from.is_(None)
    )
    last = select(func.coalesce(func.max(epochs.c.epoch), 0)).where(epochs.c.trial_id == trials.c.id).scalar_subquery()
    return [
        ("in a state that does not exist", trials.c.state.not_in(STATES)),
        ("ended without a time of the end", and_(ended, trials.c.finished_at.is_(None))),
        ("not ended, with a time of the end", and_(~ended, trials.c.finished_at.is_not(None))),
        ("running without a time of the start", and_(trials.c.state == "running", trials.c.started_at.is_(None))),
        ("waiting after a start", and_(trials.c.state == "waiting", trials.c.started_at.is_not(None))),
        ("complete without metrics", and_(trials.c.state == "complete", trials.c.metrics.is_(None))),
        ("reused without being complete", and_(~own, trials.c.state != "complete")),
        ("answered by a trial that was not trained", and_(~own, ~answered.exists())),
        ("with another number of epochs than its learning curve", and_(own, trials.c.epochs != last)),
        ("without costs, though trained", and_(trials.c.state.in_(("running", "complete")), trials.c.flops.is_(None))),
    ]
