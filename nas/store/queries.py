"""Read-only questions of the dashboard and the command line, answered in light rows.

None of them loads a study's trials whole: at 100,000 trials a page must still come at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, func, select

from nas.errors import StoreError, unknown
from nas.store.records import CurveRecord, Kind, State
from nas.store.store import Store
from nas.store.tables import architectures, curves, epochs, studies, trials

Order = Literal["number", "val_accuracy", "params", "flops", "activations", "memory", "epochs", "finished_at"]

_TOGETHER = 500  # parameters in one statement; databases limit them


class Candidate(NamedTuple):
    """A complete trial as a front sees it."""

    number: int
    kind: Kind
    name: str | None
    val_accuracy: float | None
    params: int
    flops: int
    activations: int
    memory: int


class Progress(NamedTuple):
    """A trial as a plot over time sees it."""

    number: int
    kind: Kind
    state: State
    val_accuracy: float | None
    reused: bool
    created_at: datetime
    finished_at: datetime | None


class Total(NamedTuple):
    """Trials of one kind and state that were trained for the same number of epochs: how many, and all their FLOPs."""

    kind: Kind
    state: State
    epochs: int
    trials: int
    flops: int


class Row(NamedTuple):
    """A trial as a table shows it."""

    number: int
    kind: Kind
    name: str | None
    state: State
    reason: str | None
    architecture_key: str
    val_accuracy: float | None
    params: int | None
    flops: int | None
    activations: int | None
    memory: int | None
    epochs: int
    reused: bool
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None


class CurvePoint(NamedTuple):
    """One epoch of a trial's learning curve."""

    number: int
    epoch: int
    val_accuracy: float | None


def _columns(names: tuple[str, ...]) -> list[ColumnElement[Any]]:
    return [trials.c.reused_from.is_not(None).label("reused") if name == "reused" else trials.c[name] for name in names]


def candidates(store: Store, study_id: int) -> list[Candidate]:
    """The complete trials of a study, children and baselines, in number order."""
    statement = (
        select(*_columns(Candidate._fields))
        .where(trials.c.study_id == study_id, trials.c.state == "complete")
        .order_by(trials.c.number)
    )
    with store.database.read() as connection:
        return [Candidate._make(row) for row in connection.execute(statement)]


def metric(store: Store, study_id: int, name: str) -> dict[int, float | None]:
    """One final metric of each complete trial, by number; None where it was not measured or not finite."""
    statement = (
        select(trials.c.number, trials.c.metrics[name].as_float())
        .where(trials.c.study_id == study_id, trials.c.state == "complete")
        .order_by(trials.c.number)
    )
    with store.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def progress(store: Store, study_id: int) -> list[Progress]:
    """Every trial of a study in number order, with its accuracy and times."""
    statement = select(*_columns(Progress._fields)).where(trials.c.study_id == study_id).order_by(trials.c.number)
    with store.database.read() as connection:
        return [Progress._make(row) for row in connection.execute(statement)]


def page(
    store: Store,
    study_id: int,
    *,
    state: State | None = None,
    kind: Kind | None = None,
    order: Order = "number",
    descending: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Row], int]:
    """One page of a study's trials, and how many there are on all pages; unknown values come last."""
    if order not in get_args(Order):
        raise StoreError(unknown("column to sort by", order, get_args(Order)))
    conditions: list[ColumnElement[bool]] = [trials.c.study_id == study_id]
    if state is not None:
        conditions.append(trials.c.state == state)
    if kind is not None:
        conditions.append(trials.c.kind == kind)
    column = trials.c[order]
    # "IS NULL" first: databases differ in where they sort NULL.
    by = [] if order == "number" else [column.is_(None), column.desc() if descending else column]
    by.append(trials.c.number.desc() if descending and order == "number" else trials.c.number)
    with store.database.read() as connection:
        total = connection.execute(select(func.count()).select_from(trials).where(*conditions)).scalar_one()
        found = connection.execute(
            select(*_columns(Row._fields)).where(*conditions).order_by(*by).limit(limit).offset(offset)
        )
        return [Row._make(row) for row in found], total


def learning_curves(store: Store, study_id: int, numbers: Sequence[int]) -> list[CurvePoint]:
    """The learning curves of some trials of a study, by number and epoch; a reused trial has its source's."""
    found: list[CurvePoint] = []
    wanted = sorted(set(numbers))
    with store.database.read() as connection:
        for first in range(0, len(wanted), _TOGETHER):
            statement = (
                select(trials.c.number, epochs.c.epoch, epochs.c.val_accuracy)
                .join_from(trials, epochs, epochs.c.trial_id == func.coalesce(trials.c.reused_from, trials.c.id))
                .where(trials.c.study_id == study_id, trials.c.number.in_(wanted[first : first + _TOGETHER]))
                .order_by(trials.c.number, epochs.c.epoch)
            )
            found.extend(CurvePoint(*row) for row in connection.execute(statement))
    return found


def rows_of(store: Store, study_id: int, numbers: Sequence[int]) -> dict[int, Row]:
    """The rows of some trials of a study, by number; numbers that do not exist are left out."""
    found: dict[int, Row] = {}
    with store.database.read() as connection:
        for first in range(0, len(numbers), _TOGETHER):
            chosen = trials.c.number.in_(numbers[first : first + _TOGETHER])
            statement = select(*_columns(Row._fields)).where(trials.c.study_id == study_id, chosen)
            found.update((row.number, Row._make(row)) for row in connection.execute(statement))
    return found


def architecture_documents(store: Store, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The JSON documents of some architectures, by key."""
    found: dict[str, dict[str, Any]] = {}
    wanted = sorted(set(keys))
    with store.database.read() as connection:
        for first in range(0, len(wanted), _TOGETHER):
            chosen = architectures.c.key.in_(wanted[first : first + _TOGETHER])
            found.update(
                (key, dict(document))
                for key, document in connection.execute(
                    select(architectures.c.key, architectures.c.document).where(chosen)
                )
            )
    return found


def address_of(store: Store, trial_id: int) -> tuple[str, int] | None:
    """The study's name and the number of a trial that is known by its id only, such as `reused_from`."""
    with store.database.read() as connection:
        found = connection.execute(
            select(studies.c.name, trials.c.number).join_from(trials, studies).where(trials.c.id == trial_id)
        ).first()
    return None if found is None else (found[0], found[1])


def curve_sample(store: Store, study_id: int, most: int) -> list[CurveRecord]:
    """The controller's curves of a study, at no more than about `most` steps spread evenly, the last one included."""
    of_study = curves.c.study_id == study_id
    with store.database.read() as connection:
        total = connection.execute(select(func.count()).select_from(curves).where(of_study)).scalar_one()
        place = func.row_number().over(order_by=curves.c.step.desc()).label("place")
        placed = select(curves.c.step, curves.c["values"].label("numbers"), place).where(of_study).subquery()
        stride = max(1, -(-total // most))
        wanted = select(placed.c.step, placed.c.numbers).where((placed.c.place - 1) % stride == 0)
        return [CurveRecord(*row) for row in connection.execute(wanted.order_by(placed.c.step))]


def epochs_running(store: Store, study_ids: Sequence[int]) -> dict[int, int]:
    """For each of these studies with running trials, how many epochs those have recorded together."""
    found: dict[int, int] = {}
    with store.database.read() as connection:
        for study_id in study_ids:
            statement = select(func.sum(trials.c.epochs)).where(
                trials.c.study_id == study_id, trials.c.state == "running"
            )
            total = connection.execute(statement).scalar()
            if total is not None:
                found[study_id] = int(total)
    return found


def totals(store: Store, study_id: int) -> tuple[list[Total], float]:
    """What the study itself trained, or trains now, and the seconds that all its epochs took."""
    own = (trials.c.study_id == study_id, trials.c.reused_from.is_(None), trials.c.started_at.is_not(None))
    alike = (trials.c.kind, trials.c.state, trials.c.epochs)
    counted = select(*alike, func.count(), func.coalesce(func.sum(trials.c.flops), 0))
    took = select(func.coalesce(func.sum(epochs.c.seconds), 0.0)).join(trials, trials.c.id == epochs.c.trial_id)
    with store.database.read() as connection:
        rows = connection.execute(counted.where(*own).group_by(*alike))
        found = [Total(kind, state, done, count, int(flops)) for kind, state, done, count, flops in rows]
        return found, float(connection.execute(took.where(*own)).scalar_one())
