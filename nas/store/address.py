"""Where a database is: from what the user wrote to a checked URL, and to a label without passwords."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from nas.errors import StoreError

FORMS = "a path, sqlite:///studies.db, or postgresql://user:password@host/database"

# What a person may write -> the driver that is used. Others were never tried.
DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
OPTIONS: Mapping[str, frozenset[str]] = {
    "sqlite": frozenset(),
    "postgresql+psycopg": frozenset(
        {"host", "port", "user", "password", "dbname", "application_name", "connect_timeout", "target_session_attrs"}
        | {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
        | {"sslmode", "sslcert", "sslkey", "sslrootcert"}
    ),
}


def parse(url: str | os.PathLike[str] | None) -> URL:
    """The URL that is meant; None is an in-memory database, and what has no scheme is the path of a file."""
    if url is None:
        return URL.create("sqlite", database=":memory:")
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else None
    if not isinstance(text, str):
        raise StoreError(f"the database address {url!r:.80} is no text; give {FORMS}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise StoreError(f"the database address {masked(ascii(text))} has a control character; give {FORMS}")
    if not text.strip():
        raise StoreError(f"the database has no address; give {FORMS}")
    if "://" not in text:
        return URL.create("sqlite", database=text if text == ":memory:" else os.path.expanduser(text))
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        # ValueError: a port that is no number.
        raise StoreError(f"cannot read the database address {masked(text)!r}; give {FORMS}") from None
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StoreError(f"unknown database driver {parsed.drivername!r} in {masked(text)!r}; give {FORMS}")
    # Options reach the driver and SQLAlchemy, and some of them load code or read other files.
    strange = sorted(set(parsed.query) - OPTIONS[driver])
    if strange:
        allowed = ", ".join(sorted(OPTIONS[driver])) or "none"
        raise StoreError(f"the database address {masked(text)!r} has an option {strange[0]!r}; allowed here: {allowed}")
    if driver == "sqlite":
        if parsed.host or parsed.username:
            raise StoreError(f"the address {masked(text)!r} of an SQLite file names a host; give {FORMS}")
        name = parsed.database
        return parsed.set(drivername=driver, database=os.path.expanduser(name) if name else ":memory:")
    return parsed.set(drivername=driver)


def in_memory(url: URL) -> bool:
    """Whether the database lives and dies with its one connection."""
    return url.get_backend_name() == "sqlite" and url.database == ":memory:"


def masked(text: str) -> str:
    """The text of an address with `***` in place of each password in it."""
    text = re.sub(r"(://[^:/@\s]*):.*@", r"\1:***@", text)
    return re.sub(r"(?i)(passw(?:or)?d=)[^&\s]*", r"\1***", text)


def label(url: URL) -> str:
    """How messages name the database: the path of a file, else the address without passwords."""
    if in_memory(url):
        return "in memory"
    if url.get_backend_name() == "sqlite" and url.database is not None:
        return url.database
    return masked(url.render_as_string(hide_password=True))


def check_file(url: URL, *, create: bool) -> None:
    """Refuse a file that cannot be used, in better words than SQLite's. Raises StoreError.

    The file is not opened for this: closing it again would drop the POSIX locks that another SQLite
    connection of this process holds on it.
    """
    if url.get_backend_name() != "sqlite" or url.database is None or in_memory(url):
        return
    path = Path(url.database)
    there = is_file(path)
    folder = path.parent
    effective = os.access in os.supports_effective_ids
    if not folder.is_dir():
        raise StoreError(f"cannot open database {str(path)!r}: directory {str(folder)!r} does not exist; create it")
    if not there and not create:
        raise StoreError(f"there is no database {str(path)!r}; check the path, or start a search to make it")
    if there and not os.access(path, os.R_OK | os.W_OK, effective_ids=effective):
        raise StoreError(f"cannot open database {str(path)!r}: no permission to write the file")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        # SQLite keeps its write-ahead log beside the file.
        raise StoreError(f"cannot open database {str(path)!r}: no permission to write in {str(folder)!r}")


def is_file(path: Path) -> bool:
    """Whether the file is there. Raises StoreError for what can be no database, such as a directory or a pipe."""
    try:
        if path.is_dir():
            raise StoreError(f"cannot open database {str(path)!r}: it is a directory; name a file in it")
        if path.exists() and not path.is_file():
            raise StoreError(f"cannot open database {str(path)!r}: it is a device or a pipe; name a file")
        return path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        why = (error.strerror or "it cannot be").lower()
        raise StoreError(f"cannot open database {str(path)[:80]!r}: {why}") from None
