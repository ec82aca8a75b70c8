"""The trials of a study as numpy columns, read in bulk past the record classes.

Every reader takes `after` and `again`: rows with a number above `after`, and those of the numbers in `again`. A trial
that has ended never changes, so that a later look asks only for what is new and for what was still open.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from nas.store.records import ENDS, KINDS, STATES
from nas.store.store import Store
from nas.store.tables import trials

Table = npt.NDArray[Any]  # structured, ascending in `number`

TRIALS = np.dtype(
    [
        ("number", "i4"),
        ("state", "u1"),  # index into STATES
        ("kind", "u1"),  # index into KINDS
        ("reused", "u1"),
        ("epochs", "i4"),
        ("accuracy", "f8"),  # NaN where there is none
        ("flops", "i8"),  # -1 where it was never priced, as the next three
        ("params", "i8"),
        ("activations", "i8"),
        ("memory", "i8"),
        ("finished", "f8"),  # seconds since 1970, UTC; NaN while it goes on
    ]
)
METRIC = np.dtype([("number", "i4"), ("value", "f8")])

_TOGETHER = 500  # numbers in one statement; databases limit them
_COSTS = ("flops", "params", "activations", "memory")
ENDED = np.array([state in ENDS for state in STATES])  # by index into STATES


def read_trials(store: Store, study_id: int, after: int = -1, again: Collection[int] = ()) -> Table:
    """The columns of `TRIALS`."""
    with store.database.read() as connection:
        wanted = (
            trials.c.number,
            _index(trials.c.state, STATES),
            _index(trials.c.kind, KINDS),
            case((trials.c.reused_from.is_not(None), 1), else_=0),
            trials.c.epochs,
            trials.c.val_accuracy,
            *(func.coalesce(trials.c[name], -1) for name in _COSTS),
            _seconds(connection, trials.c.finished_at),
        )
        return _table(connection, select(*wanted), TRIALS, study_id, after, again)


def read_complete(store: Store, study_id: int, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """A row for each complete trial, in number order: its number, whether it is a child, and the named values.

    A name is `accuracy` (the metric `val_accuracy`), a cost, or a final metric; NaN where it was not measured.
    """
    columns = {"accuracy": trials.c.val_accuracy, **{name: trials.c[name] for name in _COSTS}}
    values = [columns[name] if name in columns else trials.c.metrics[name].as_float() for name in names]
    wanted = select(trials.c.number, case((trials.c.kind == "child", 1), else_=0), *values)
    complete = wanted.where(trials.c.study_id == study_id, trials.c.state == "complete").order_by(trials.c.number)
    with store.database.read() as connection:
        # A list of rows becomes an array at once; None becomes NaN.
        found: Any = connection.execute(complete).cursor
        return np.array(found.fetchall(), dtype=np.float64).reshape(-1, 2 + len(names))


def read_metric(store: Store, study_id: int, name: str, after: int = -1, again: Collection[int] = ()) -> Table:
    """One final metric of each trial, as `METRIC`; NaN where it was not measured or not finite."""
    with store.database.read() as connection:
        wanted = select(trials.c.number, trials.c.metrics[name].as_float())
        return _table(connection, wanted, METRIC, study_id, after, again)


def read_choices(
    store: Store, study_id: int, axes: Sequence[str], after: int = -1, again: Collection[int] = ()
) -> Table:
    """The choice of each trial on each axis: `number`, and `choices` of one int16 an axis, -1 where it has none."""
    kind = np.dtype([("number", "i4"), ("choices", "i2", (len(axes),))])
    with store.database.read() as connection:
        rows = _rows(connection, select(trials.c.number, trials.c.point), study_id, after, again)
        table = np.fromiter(((number, _choices(point, axes)) for number, point in rows), dtype=kind)
    return table[np.argsort(table["number"])]


def axis_names(store: Store, study_id: int, sample: int = 200) -> list[str]:
    """The axes of a study's first points, in order of appearance: what is known of a space that cannot be loaded."""
    with store.database.read() as connection:
        statement = select(trials.c.point).where(trials.c.study_id == study_id, trials.c.point.is_not(None))
        points = connection.execute(statement.order_by(trials.c.number).limit(sample)).scalars()
        return list(dict.fromkeys(name for point in points for name in point))


def metric_names(store: Store, study_id: int) -> list[str]:
    """The metrics of the first complete trial of a study, sorted; none while there is no such trial."""
    with store.database.read() as connection:
        statement = select(trials.c.metrics).where(trials.c.study_id == study_id, trials.c.state == "complete")
        found = connection.execute(statement.order_by(trials.c.number).limit(1)).scalar()
    return sorted(found or {})


def names(store: Store, study_id: int, numbers: Sequence[int]) -> dict[int, str]:
    """The names of those of these trials that have one: baselines."""
    found: dict[int, str] = {}
    with store.database.read() as connection:
        for first in range(0, len(numbers), _TOGETHER):
            chosen = trials.c.number.in_(numbers[first : first + _TOGETHER])
            statement = select(trials.c.number, trials.c.name).where(trials.c.study_id == study_id, chosen)
            found.update((number, name) for number, name in connection.execute(statement) if name is not None)
    return found


def _choices(point: Any, axes: Sequence[str]) -> tuple[int, ...]:
    # SQLite's driver gives the text, PostgreSQL's the document.
    document: Mapping[str, int] = json.loads(point) if isinstance(point, str) else (point or {})
    return tuple(document.get(name, -1) for name in axes)


def _index(column: ColumnElement[str], words: Sequence[str]) -> ColumnElement[int]:
    return case({word: index for index, word in enumerate(words)}, value=column)


def _seconds(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    if connection.dialect.name == "sqlite":
        return (func.julianday(column) - 2440587.5) * 86400.0  # the Julian day of 1970-01-01
    return func.extract("epoch", column)


def _table(
    connection: Connection, wanted: Select[Any], kind: np.dtype[Any], study_id: int, after: int, again: Collection[int]
) -> Table:
    table = np.fromiter(_rows(connection, wanted, study_id, after, again), dtype=kind)
    return table[np.argsort(table["number"])]


def _rows(
    connection: Connection, wanted: Select[Any], study_id: int, after: int, again: Collection[int]
) -> Iterator[Any]:
    """The rows as the driver gives them: SQLAlchemy's own would cost more than all the rest."""
    later: ColumnElement[bool] = trials.c.number > after
    parts = [sorted(again)[first : first + _TOGETHER] for first in range(0, len(again), _TOGETHER)]
    first = or_(later, trials.c.number.in_(parts[0])) if parts else later
    for condition in (first, *(trials.c.number.in_(part) for part in parts[1:])):
        cursor: Any = connection.execute(wanted.where(trials.c.study_id == study_id, condition)).cursor
        yield from cursor
