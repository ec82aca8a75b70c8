"""Statements that a search runs many times for each child: compiled once, then given to the driver.

SQLAlchemy writes the SQL and converts the values; its way from a statement to a cursor, which takes several times as
long as SQLite does, is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

_Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Compiled:
    text: str
    binds: tuple[tuple[str, Any, _Convert | None], ...]  # name, value where none is given, conversion
    positional: bool


class Prepared:
    """One statement; its SQL for each dialect and set of values is kept."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self._statement = statement
        self._compiled: dict[tuple[str, tuple[str, ...]], _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor. Raises SQLAlchemy's errors, as `connection.execute` does."""
        names = (connection.dialect.name, tuple(values))
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = self._compile(connection.dialect, names[1])
        bound = {name: values.get(name, value) for name, value, _ in compiled.binds}
        for name, _, convert in compiled.binds:
            if convert is not None:
                bound[name] = convert(bound[name])
        raw = connection.connection.driver_connection
        if not isinstance(raw, sqlite3.Connection):
            return connection.exec_driver_sql(compiled.text, bound)
        given = tuple(bound[name] for name, *_ in compiled.binds) if compiled.positional else bound
        try:
            return raw.execute(compiled.text, given)
        except sqlite3.Error as error:
            raise DBAPIError.instance(compiled.text, given, error, sqlite3.Error) from error

    def _compile(self, dialect: Dialect, names: tuple[str, ...]) -> _Compiled:
        made = self._statement.compile(dialect=dialect, column_keys=list(names))
        order = made.positiontup if made.positional else list(made.binds)
        binds = []
        for name in order or ():
            bind = made.binds[name]
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            binds.append((name, bind.value, convert))
        return _Compiled(str(made), tuple(binds), bool(made.positional))
