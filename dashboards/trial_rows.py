"""Trials as rows: one page of the table, and the export of everything that a filter leaves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from dashboards.archive import Archive
from dashboards.columns import COSTS
from dashboards.filters import Filter
from dashboards.selection import Rows, axes_of, check_quantity, select
from dashboards.studies import StudyView
from nas.store.queries import Row, architecture_documents, rows_of
from nas.store.records import KINDS, STATES
from searchspaces import Architecture, InvalidArchitecture
from searchspaces.summary import summarise

SORTS = ("number", "study", "state", "kind", "accuracy", *COSTS, "epochs", "finished")
TOGETHER = 500  # trials in one piece of an export
MOST = 1000  # trials on one page

FIELDS = (
    *("study", "number", "kind", "name", "state", "reason", "accuracy", "flops", "params", "activations", "memory"),
    *("epochs", "reused", "architecture", "worker", "started", "finished"),
)


def page(archive: Archive, wanted: Filter, sort: str, descending: bool, limit: int, offset: int) -> dict[str, Any]:
    """One page of the trials that pass, and how many pass; `sort` is one of `SORTS` or a metric.

    What is not known comes last; equal values are in the order of studies and numbers. Raises `BadParameter`.
    """
    if sort not in SORTS:
        check_quantity(archive, archive.chosen(wanted), "sort", sort)
    found = list(select(archive, wanted, default=STATES))
    total = sum(len(rows.trials) for rows in found)
    of_study = np.repeat(np.arange(len(found)), [len(rows.trials) for rows in found])
    within = np.concatenate([np.empty(0, dtype=np.int64), *(np.arange(len(rows.trials)) for rows in found)])
    keys = np.concatenate([np.empty(0), *(_key(rows, sort, place) for place, rows in enumerate(found))])
    order = np.argsort(-keys if descending else keys, kind="stable")[offset : offset + limit]
    shown: dict[tuple[int, int], dict[str, Any]] = {}
    for place in np.unique(of_study[order]).tolist():
        rows = found[place]
        numbers = rows.trials["number"][within[order[of_study[order] == place]]].tolist()
        for number, document in documents(archive, rows.study, numbers).items():
            shown[place, number] = document
    ordered = (
        (place, int(found[place].trials["number"][within[row]]))
        for place, row in zip(of_study[order].tolist(), order.tolist(), strict=True)
    )
    return {"total": total, "offset": offset, "rows": [shown[key] for key in ordered]}


def export_json(archive: Archive, wanted: Filter) -> Iterator[str]:
    """All trials that pass, as a JSON array, piece by piece."""
    yield "["
    first = True
    for row in _everything(archive, wanted):
        text = json.dumps(row, allow_nan=False, ensure_ascii=False)
        yield text if first else ",\n" + text
        first = False
    yield "]\n"


def export_csv(archive: Archive, wanted: Filter) -> Iterator[str]:
    """All trials that pass, as CSV: `FIELDS`, then `axis:NAME` for each axis, empty where it does not apply."""
    names = list(dict.fromkeys(name for study in archive.chosen(wanted) for name in axes_of(archive, study).names))
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*FIELDS, *(f"axis:{name}" for name in names)])
    for row in _everything(archive, wanted):
        axes = row["axes"]
        writer.writerow(
            [_cell(value) for value in (*(row[name] for name in FIELDS), *(axes.get(name) for name in names))]
        )
        if buffer.tell() > 2**16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def row_json(study: StudyView, row: Row) -> dict[str, Any]:
    """One trial, with its exact values."""
    return {
        "study": study.name,
        "number": row.number,
        "kind": row.kind,
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "accuracy": row.val_accuracy,
        **{name: getattr(row, name) for name in COSTS},
        "epochs": row.epochs,
        "reused": row.reused,
        "architecture": row.architecture_key,
        "worker": row.worker,
        "started": iso(row.started_at),
        "finished": iso(row.finished_at),
    }


def iso(moment: datetime | None) -> str | None:
    """A moment as text."""
    return None if moment is None else moment.isoformat()


def _everything(archive: Archive, wanted: Filter) -> Iterator[dict[str, Any]]:
    for rows in select(archive, wanted, default=STATES):
        axes = axes_of(archive, rows.study)
        choices = rows.columns.choices(axes.names, rows.trials)
        numbers = rows.trials["number"].tolist()
        for start in range(0, len(numbers), TOGETHER):
            found = rows_of(archive.store, rows.study.record.id, numbers[start : start + TOGETHER])
            for place in range(start, min(start + TOGETHER, len(numbers))):
                chosen = {
                    name: axes.labels[axis][choice]
                    for axis, (name, choice) in enumerate(zip(axes.names, choices[place].tolist(), strict=True))
                    if 0 <= choice < len(axes.labels[axis])
                }
                yield {**row_json(rows.study, found[numbers[place]]), "axes": chosen}


def documents(archive: Archive, study: StudyView, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Some trials of a study as rows with a `summary`, by number."""
    found = rows_of(archive.store, study.record.id, numbers)
    networks = architecture_documents(archive.store, [row.architecture_key for row in found.values()])
    return {
        number: {**row_json(study, row), "summary": summary(json.dumps(networks.get(row.architecture_key)))}
        for number, row in found.items()
    }


@lru_cache(maxsize=1024)
def summary(text: str) -> str:
    """The architecture in one line, from its JSON text."""
    try:
        return summarise(Architecture.from_json(json.loads(text)))
    except InvalidArchitecture as error:
        return f"cannot be read here: {error.problem.partition(';')[0]}"


def _key(rows: Rows, sort: str, place: int) -> Any:
    """Numbers that sort as the column does; NaN for what is not known, which numpy sorts last."""
    if sort == "study":
        return np.full(len(rows.trials), float(place))
    if sort in ("state", "kind"):
        words = STATES if sort == "state" else KINDS
        ranks = np.argsort(np.argsort(words))
        return ranks[rows.trials[sort]].astype(float)
    if sort == "finished":
        return np.asarray(rows.trials["finished"])
    return rows.quantity(sort)


def _cell(value: Any) -> Any:
    """A cell that a spreadsheet shows as text: one that begins like a formula would be run."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
