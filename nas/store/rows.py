"""Whole records read on an open connection: studies with their tallies, trials, documents."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, select

from nas.errors import StoreError, unknown
from nas.store.prepared import Prepared
from nas.store.records import KINDS, STATES, StudyRecord, TrialRecord
from nas.store.tables import studies, trials

FIELDS = tuple(field.name for field in dataclasses.fields(TrialRecord))
NAME_LENGTH = 255
MOST_TRIALS = 2**31
_TOGETHER = 500  # parameters in one statement; databases limit them

_COLUMNS = tuple(trials.c[name] for name in FIELDS)

# Asked for every child, and mostly in vain.
_KNOWN = Prepared(
    select(trials.c.id)
    .where(*(trials.c[name] == bindparam(name) for name in ("graph_key", "evaluator_key", "recipe_key", "seed")))
    .where(trials.c.state == "complete", trials.c.reused_from.is_(None))
    .order_by(trials.c.id)
    .limit(1)
)


def check_name(name: str) -> None:
    """Refuse a study name that could not be typed or shown."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > NAME_LENGTH:
        raise StoreError(f"study name {name!r:.80} cannot be used; give 1 to {NAME_LENGTH} printable characters")
    if re.search(r":\d+$", name):
        raise StoreError(f"study name {name!r} cannot be used; NAME:NUMBER is how a trial is named")


def studies_where(connection: Connection, *conditions: ColumnElement[bool]) -> list[StudyRecord]:
    """Studies with their tallies, oldest first, in one query that reads an index and no trial."""
    # Counted by state in the order of the index, then put together: half the time of counting each state by itself.
    tally = select(
        trials.c.study_id,
        trials.c.state,
        func.count().label("trials"),
        func.count(trials.c.reused_from).label("reused"),
    ).group_by(trials.c.study_id, trials.c.state)
    if conditions:
        tally = tally.where(trials.c.study_id.in_(select(studies.c.id).where(*conditions)))
    by_state = tally.subquery()
    counted = (
        select(
            by_state.c.study_id,
            *(func.sum(case((by_state.c.state == state, by_state.c.trials), else_=0)).label(state) for state in STATES),
            func.sum(by_state.c.reused).label("reused"),
        )
        .group_by(by_state.c.study_id)
        .subquery()
    )
    best = [  # each is the end of one range of an index
        select(func.max(trials.c.val_accuracy))
        .where(trials.c.study_id == studies.c.id, trials.c.state == "complete", trials.c.kind == kind)
        .scalar_subquery()
        .label(kind)
        for kind in KINDS
    ]
    if not conditions and connection.dialect.name == "postgresql":
        # By its default cost of a page PostgreSQL would read a million whole trials rather than the index.
        connection.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
    found = connection.execute(
        select(studies, counted, *best)
        .outerjoin_from(studies, counted, counted.c.study_id == studies.c.id)
        .where(*conditions)
        .order_by(studies.c.id)
    )
    return [
        StudyRecord(
            id=row[studies.c.id],
            name=row[studies.c.name],
            created_at=row[studies.c.created_at],
            finished_at=row[studies.c.finished_at],
            spec=row[studies.c.spec],
            counts={state: int(row[counted.c[state]] or 0) for state in STATES},
            reused=int(row[counted.c.reused] or 0),
            best_accuracy=row[best[0]],
            baseline_accuracy=row[best[1]],
            spent=row[studies.c.spent],
        )
        for row in found.mappings()
    ]


def study(connection: Connection, name: str) -> StudyRecord:
    """The study of this name, or StoreError with the nearest name."""
    found = studies_where(connection, studies.c.name == name)
    if found:
        return found[0]
    names = connection.execute(select(studies.c.name)).scalars().all()
    raise StoreError(unknown("study", name, names) if names else f"unknown study {name!r}; the store has no studies")


def taken(record: StudyRecord) -> str:
    """One line for a name that a study has already."""
    status = "finished" if record.finished else "not finished"
    return (
        f"study {record.name!r} exists already ({record.trials} trials, {status}, created "
        f"{record.created_at:%Y-%m-%d %H:%M} UTC); resume it with `nas resume {record.name}`, "
        f"or choose another name"
    )


def trials_where(
    connection: Connection, *conditions: ColumnElement[bool], order: ColumnElement[int] | None = None
) -> list[TrialRecord]:
    """Whole trial records."""
    statement = select(*_COLUMNS).where(*conditions)
    if order is not None:
        statement = statement.order_by(order)
    return [TrialRecord(*row) for row in connection.execute(statement)]


def numbered(connection: Connection, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
    """Trials of a study by their numbers, in the order of these."""
    found: dict[int, TrialRecord] = {}
    for first in range(0, len(numbers), _TOGETHER):
        chosen = trials.c.number.in_(numbers[first : first + _TOGETHER])
        found.update((row.number, row) for row in trials_where(connection, trials.c.study_id == study_id, chosen))
    return [found[number] for number in numbers if number in found]


def trial(connection: Connection, study_name: str, number: int) -> TrialRecord:
    """One trial by the name of its study and its number, or StoreError saying which there are."""
    named = select(studies.c.id).where(studies.c.name == study_name).scalar_subquery()
    if isinstance(number, int) and 0 <= number < MOST_TRIALS:  # beyond it databases have no integers
        found = trials_where(connection, trials.c.study_id == named, trials.c.number == number)
        if found:
            return found[0]
    last = study(connection, study_name).trials - 1
    there = f"it has 0 to {last}" if last >= 0 else "it has none yet"
    raise StoreError(f"study {study_name!r} has no trial {number}; {there}")


def known(connection: Connection, graph_key: str, evaluator_key: str, recipe_key: str, seed: int) -> TrialRecord | None:
    """The first trial that was trained to its end on just this."""
    wanted = {"graph_key": graph_key, "evaluator_key": evaluator_key, "recipe_key": recipe_key, "seed": seed}
    found = _KNOWN.run(connection, wanted).fetchone()
    return trials_where(connection, trials.c.id == found[0])[0] if found else None


def document(connection: Connection, table: Table, what: str, key: str) -> dict[str, Any]:
    """A stored JSON document by its key."""
    found = connection.execute(select(table.c.document).where(table.c.key == key)).scalar()
    if found is None:
        raise StoreError(f"there is no {what} with key {key!r}")
    return dict(found)
