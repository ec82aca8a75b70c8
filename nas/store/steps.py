"""The statements behind a trial's steps: what each one checks and writes on an open connection."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError, unknown
from nas.store.prepared import Prepared
from nas.store.records import KINDS, NewTrial, State, TrialRecord
from nas.store.rows import FIELDS, trials_where
from nas.store.tables import epochs, studies, trials

COPIED = tuple(field.name for field in dataclasses.fields(NewTrial) if field.name in FIELDS)
REASON_LENGTH = 2000
TRACEBACK_LENGTH = 8000
# What a running trial loses when it goes back to waiting.
UNTRIED: dict[str, Any] = {
    "state": "waiting",
    "worker": None,
    "started_at": None,
    "metrics": None,
    "val_accuracy": None,
    "epochs": 0,
}

_LOCK_STUDY = select(studies.c.id).where(studies.c.id == bindparam("of_study")).with_for_update()
_MOVE = update(trials).where(
    trials.c.id == bindparam("of_trial"), trials.c.state.in_((bindparam("from_one"), bindparam("or_other")))
)
_STEP = Prepared(_MOVE)
_RETRY = Prepared(_MOVE.values(failures=trials.c.failures + 1))
_FORGET_EPOCHS = delete(epochs).where(epochs.c.trial_id == bindparam("of_trial"))
_EPOCH = Prepared(
    update(trials).where(
        trials.c.id == bindparam("of_trial"), trials.c.state == "running", trials.c.epochs < bindparam("later")
    )
)
_LATER = trials.alias("later")
_NEXT_NUMBER = select(func.coalesce(func.max(_LATER.c.number) + 1, 0)).where(_LATER.c.study_id == bindparam("of_study"))
_INSERT_TRIAL = Prepared(
    insert(trials).values(number=_NEXT_NUMBER.scalar_subquery()).returning(trials.c.id, trials.c.number)
)
_INSERT_EPOCH = Prepared(insert(epochs))


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


def tail(text: str | None) -> str | None:
    """The end of a traceback, of bounded length, that every database can encode."""
    if text is None:
        return None
    return text.replace("\0", " ").rstrip()[-TRACEBACK_LENGTH:].encode("utf-8", "replace").decode("utf-8")


def lock(connection: Connection, study_id: int) -> None:
    """Hold a study, so that no other process takes its next number. On SQLite the transaction does."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK_STUDY, {"of_study": study_id})


def added(connection: Connection, values: dict[str, Any]) -> TrialRecord | None:
    """The trial that these values made, if it is there."""
    lock(connection, values["study_id"])
    there = (trials.c[name] == values[name] for name in ("study_id", "created_at", "architecture_key"))
    found = trials_where(connection, *there)
    return found[0] if found else None


def add(connection: Connection, values: dict[str, Any]) -> TrialRecord:
    """Insert a trial under the study's next number; columns that are not given are NULL."""
    try:
        key, number = _INSERT_TRIAL.run(connection, {"of_study": values["study_id"], **values}).fetchone()
    except IntegrityError as error:
        raise refused(error, values["study_id"]) from error
    return TrialRecord(**{**dict.fromkeys(FIELDS), "failures": 0, **values, "id": key, "number": number})


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
    connection: Connection,
    trial_id: int,
    action: str,
    allowed: tuple[State, ...],
    values: dict[str, Any],
    statement: Prepared = _STEP,
) -> bool:
    """Move a trial on from one of the allowed states: True, or StoreError. One statement: no race."""
    try:
        states = {"from_one": allowed[0], "or_other": allowed[-1]}
        changed = statement.run(connection, {"of_trial": trial_id, **states, **values})
    except IntegrityError as error:
        raise refused(error) from error
    if changed.rowcount != 1:
        raise out_of_order(connection, trial_id, action)
    return True


def requeue(connection: Connection, trial_id: int) -> bool:
    """Send a running trial back to waiting, and drop its epochs."""
    step(connection, trial_id, "requeue", ("running",), UNTRIED)
    connection.execute(_FORGET_EPOCHS, {"of_trial": trial_id})
    return True


def retry(connection: Connection, trial_id: int, values: dict[str, Any]) -> bool:
    """The same, counted as a failure; the values also say why."""
    step(connection, trial_id, "retry", ("running",), values, _RETRY)
    connection.execute(_FORGET_EPOCHS, {"of_trial": trial_id})
    return True


def add_epoch(connection: Connection, trial_id: int, last: dict[str, Any]) -> bool:
    """Insert an epoch of a running trial; the trial's own columns follow it: these are `last`."""
    epoch, metrics = last["epochs"], last["metrics"]
    # The update comes first: it is the guard, and it holds the row until the epoch is in.
    changed = _EPOCH.run(connection, {"of_trial": trial_id, "later": epoch, **last})
    if changed.rowcount != 1:
        raise out_of_order(connection, trial_id, f"record epoch {epoch} of")
    row = {"trial_id": trial_id, "epoch": epoch, "metrics": metrics, "val_accuracy": last["val_accuracy"]}
    _INSERT_EPOCH.run(connection, {**row, "seconds": metrics.get("seconds")})
    return True


def holds(connection: Connection, trial_id: int, values: dict[str, Any]) -> bool | None:
    """True if a step left just these values; else None. Waits for a step that is still being committed."""
    wanted = select(*(trials.c[name] for name in values)).where(trials.c.id == trial_id).with_for_update()
    found = connection.execute(wanted).first()
    return True if found is not None and tuple(found) == tuple(values.values()) else None


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


def refused(error: IntegrityError, study_id: int | None = None) -> StoreError:
    """The error for a trial that the database's own constraints refuse."""
    cause = " ".join(str(error.orig).split())
    if study_id is not None and "foreign key" in cause.lower():  # the rows of the other references were just written
        return StoreError(f"there is no study with id {study_id}")
    if "asked" in cause or "told" in cause:
        return StoreError(
            "the study has this position of its controller's sequence already; "
            f"another process may be running the same study: stop one of them ({cause})"
        )
    return StoreError(f"the database refused the trial: {cause}")
