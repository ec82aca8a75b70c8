"""The statements behind the store: what each step checks, reads and writes on an open connection."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError, unknown
from nas.store.records import KINDS, STATES, NewTrial, State, StudyRecord, TrialRecord
from nas.store.tables import epochs, studies, trials

FIELDS = tuple(field.name for field in dataclasses.fields(TrialRecord))
COPIED = tuple(field.name for field in dataclasses.fields(NewTrial) if field.name in FIELDS)
NAME_LENGTH = 255
REASON_LENGTH = 2000

_COLUMNS = tuple(trials.c[name] for name in FIELDS)

# The statements of every step are built once: building them takes longer than SQLite takes to run them.
_LOCK_STUDY = select(studies.c.id).where(studies.c.id == bindparam("of_study")).with_for_update()
_LAST_NUMBER = (
    select(trials.c.number).where(trials.c.study_id == bindparam("of_study")).order_by(trials.c.number.desc()).limit(1)
)
_STEP = update(trials).where(
    trials.c.id == bindparam("of_trial"), trials.c.state.in_(bindparam("allowed", expanding=True))
)
_EPOCH = update(trials).where(
    trials.c.id == bindparam("of_trial"), trials.c.state == "running", trials.c.epochs < bindparam("later")
)
_KNOWN = (
    select(*_COLUMNS)
    .where(*(trials.c[name] == bindparam(name) for name in ("graph_key", "evaluator_key", "recipe_key", "seed")))
    .where(trials.c.state == "complete", trials.c.reused_from.is_(None))
    .order_by(trials.c.id)
    .limit(1)
)
_INSERT_TRIAL = insert(trials)
_INSERT_EPOCH = insert(epochs)


def check_name(name: str) -> None:
    """Refuse a study name that could not be typed or shown."""
    if not name.strip() or not name.isprintable() or len(name) > NAME_LENGTH:
        raise StoreError(f"study name {name!r} cannot be used; give 1 to {NAME_LENGTH} printable characters")


def check_new(new: NewTrial) -> None:
    """Refuse a new trial that contradicts itself."""
    if new.kind not in KINDS:
        raise StoreError(unknown("trial kind", new.kind, KINDS))
    if new.state not in ("waiting", "infeasible", "complete"):
        raise StoreError(f"a trial cannot be added as {new.state!r}; choose one of: waiting, infeasible, complete")
    if (new.state == "complete") != (new.reused_from is not None):
        raise StoreError(f"a trial added as {new.state!r} cannot have reused_from {new.reused_from!r}")
    if new.state == "waiting" and None in (new.graph_key, new.params, new.flops, new.activations, new.memory):
        raise StoreError(f"architecture {new.architecture_key!r} must be drawn and priced before it can be trained")


def line(text: str | None) -> str | None:
    """A reason as the store keeps it: one line, of bounded length, that every database can encode."""
    if text is None:
        return None
    one = " ".join(text.replace("\0", " ").split())
    return one[:REASON_LENGTH].encode("utf-8", "replace").decode("utf-8")


def studies_where(connection: Connection, *conditions: ColumnElement[bool]) -> list[StudyRecord]:
    """Studies with their tallies, oldest first, in one query that reads an index and no trial."""
    complete = trials.c.state == "complete"
    tally = select(
        trials.c.study_id,
        *(func.count(case((trials.c.state == state, 1))).label(state) for state in STATES),
        func.count(trials.c.reused_from).label("reused"),
        func.max(case((complete & (trials.c.kind == "child"), trials.c.val_accuracy))).label("child"),
        func.max(case((complete & (trials.c.kind == "baseline"), trials.c.val_accuracy))).label("baseline"),
    ).group_by(trials.c.study_id)
    if conditions:
        tally = tally.where(trials.c.study_id.in_(select(studies.c.id).where(*conditions)))
    counted = tally.subquery()
    found = connection.execute(
        select(studies, counted)
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
            counts={state: row[counted.c[state]] or 0 for state in STATES},
            reused=row[counted.c.reused] or 0,
            best_accuracy=row[counted.c.child],
            baseline_accuracy=row[counted.c.baseline],
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


def known(connection: Connection, graph_key: str, evaluator_key: str, recipe_key: str, seed: int) -> TrialRecord | None:
    """The first trial that was trained to its end on just this."""
    wanted = {"graph_key": graph_key, "evaluator_key": evaluator_key, "recipe_key": recipe_key, "seed": seed}
    row = connection.execute(_KNOWN, wanted).first()
    return None if row is None else TrialRecord(*row)


def next_number(connection: Connection, study_id: int) -> int:
    """The number of the study's next trial; the study stays locked, so that no other process takes it."""
    if connection.execute(_LOCK_STUDY, {"of_study": study_id}).first() is None:
        raise StoreError(f"there is no study with id {study_id}")
    number = connection.execute(_LAST_NUMBER, {"of_study": study_id}).scalar()
    return 0 if number is None else int(number) + 1


def add(connection: Connection, values: dict[str, Any]) -> TrialRecord:
    """Insert a trial; columns that are not given are NULL."""
    try:
        result = connection.execute(_INSERT_TRIAL, values)
    except IntegrityError as error:
        raise refused(error) from error
    key = result.inserted_primary_key
    row: dict[str, Any] = {**dict.fromkeys(FIELDS), **values, "id": None if key is None else key[0]}
    return TrialRecord(**row)


def add_epoch(connection: Connection, trial_id: int, epoch: int, metrics: dict[str, float | None]) -> None:
    """Insert an epoch of a running trial and let the trial's own columns follow it."""
    accuracy = metrics.get("val_accuracy")
    last = {"metrics": metrics, "val_accuracy": accuracy, "epochs": epoch}
    # The update comes first: it is the guard, and it holds the row until the epoch is in.
    changed = connection.execute(_EPOCH, {"of_trial": trial_id, "later": epoch, **last})
    if changed.rowcount != 1:
        raise out_of_order(connection, trial_id, f"record epoch {epoch} of")
    row = {"trial_id": trial_id, "epoch": epoch, "metrics": metrics, "val_accuracy": accuracy}
    connection.execute(_INSERT_EPOCH, {**row, "seconds": metrics.get("seconds")})


def known_result(connection: Connection, new: NewTrial) -> dict[str, Any]:
    """What a reused trial takes over from the complete trial that answers it."""
    found = trials_where(connection, trials.c.id == new.reused_from)
    if not found or found[0].state != "complete" or found[0].reused_from is not None:
        raise StoreError(f"trial id {new.reused_from} cannot answer another one; only a trained, complete trial can")
    source = found[0]
    for name in ("graph_key", "evaluator_key", "recipe_key", "seed"):
        if getattr(source, name) != getattr(new, name):
            raise StoreError(
                f"trial id {source.id} cannot answer this one: its {name} is {getattr(source, name)!r}, "
                f"not {getattr(new, name)!r}"
            )
    return {"metrics": source.metrics, "val_accuracy": source.val_accuracy, "epochs": source.epochs}


def step(
    connection: Connection, trial_id: int, action: str, allowed: tuple[State, ...], values: dict[str, Any]
) -> None:
    """Move a trial on from one of the allowed states, or raise StoreError. One statement: no race."""
    try:
        changed = connection.execute(_STEP, {"of_trial": trial_id, "allowed": allowed, **values})
    except IntegrityError as error:
        raise refused(error) from error
    if changed.rowcount != 1:
        raise out_of_order(connection, trial_id, action)


def out_of_order(connection: Connection, trial_id: int, action: str) -> StoreError:
    """The error for a step that the trial's state does not allow."""
    found = connection.execute(
        select(trials.c.number, trials.c.state, trials.c.epochs, studies.c.name)
        .join_from(trials, studies)
        .where(trials.c.id == trial_id)
    ).first()
    if found is None:
        return StoreError(f"cannot {action} trial id {trial_id}: there is no such trial")
    number, state, epoch, name = found
    return StoreError(f"cannot {action} trial {number} of study {name!r}: it is {state} (last epoch {epoch})")


def refused(error: IntegrityError) -> StoreError:
    """The error for a trial that the database's own constraints refuse."""
    cause = " ".join(str(error.orig).split())
    if "asked" in cause or "told" in cause:
        return StoreError(
            "the study has this position of its controller's sequence already; "
            f"another process may be running the same study: stop one of them ({cause})"
        )
    return StoreError(f"the database refused the trial: {cause}")


def document(connection: Connection, table: Table, what: str, key: str) -> dict[str, Any]:
    """A stored JSON document by its key."""
    found = connection.execute(select(table.c.document).where(table.c.key == key)).scalar()
    if found is None:
        raise StoreError(f"there is no {what} with key {key!r}")
    return dict(found)
