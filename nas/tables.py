"""Reading tables of results: a JSON or CSV file as a mapping from a key to numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nas.errors import TableError, shown

ACCURACY = "val_accuracy"
LONGEST = 60  # characters of a value that an error shows

Row: TypeAlias = Mapping[str, Any]
Metrics: TypeAlias = dict[str, float]

_FORMULA = re.compile(r"(?P<column>.+?)\s*(?P<sign>[*/])\s*(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


def read_json(path: Path) -> dict[str, Row]:
    """The rows of a JSON file: an object of key to an object. Raises `TableError`."""
    try:
        document = json.loads(_text(path), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise TableError(f"table {path.name}: cannot be read as JSON: {error}") from None
    if not isinstance(document, dict) or not document:
        raise TableError(f"table {path.name}: must be a JSON object of at least one network's key to its metrics")
    for key, row in document.items():
        if not isinstance(row, dict):
            raise TableError(f"table {path.name}: {key!r} is {shown(row, LONGEST)}; must be an object of metrics")
    return document


def read_csv(path: Path, axes: Sequence[tuple[str, Sequence[str]]] = ()) -> dict[str, Row]:
    """The rows of a CSV file with a header.

    The key is the text of the first column; or, given `axes` (names and labels), the columns of these names, joined as
    `joined` does. Raises `TableError`.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rows: dict[str, Row] = {}
    try:
        header = [name.strip() for name in next(lines, [])]
        columns = [name for name, _ in axes] or header[:1]
        _check_header(path, header, columns)
        for cells in lines:
            if not cells:
                continue
            where = f"table {path.name}, line {lines.line_num}"
            if len(cells) != len(header):
                raise TableError(f"{where}: {len(cells)} cells, the header has {len(header)}")
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            key = _labelled(row, axes, where) if axes else row[header[0]]
            if key in rows:
                raise TableError(f"{where}: {key!r} is there twice")
            rows[key] = {name: cell for name, cell in row.items() if name not in columns}
    except csv.Error as error:
        raise TableError(f"table {path.name}, line {lines.line_num}: cannot be read as CSV: {error}") from None
    if not rows:
        raise TableError(f"table {path.name}: has no rows")
    return rows


def joined(labels: Mapping[str, Any]) -> str:
    """A key of several columns, in their order, as in "depth=3, width=0.5"; numbers in one form, 3.0 as 3."""
    return ", ".join(f"{name}={_plain(label)}" for name, label in labels.items())


def _labelled(row: Row, axes: Sequence[tuple[str, Sequence[str]]], where: str) -> str:
    for name, labels in axes:
        if row[name] and _plain(row[name]) not in map(_plain, labels):
            raise TableError(f"{where}: axis {name!r} has no choice {row[name]!r}; it has: {', '.join(labels)}")
    return joined({name: row[name] for name, _ in axes if row[name]})


def metrics_of(row: Row, wanted: Mapping[str, str], where: str) -> Metrics:
    """The metrics of one row: those that are wanted, or else every column.

    Each is a finite number, or a list of numbers, whose mean is taken. Raises `TableError`.
    """
    found: Metrics = {}
    for name, formula in (wanted or {column: column for column in row}).items():
        column, factor, divisor = _parsed(formula, row)
        if column not in row:
            raise TableError(f"{where}: no column {column!r}; it has: {', '.join(row) or 'none'}")
        value = _number(row[column])
        if value is None:
            hint = "" if wanted else "; name the columns to read, as in val_accuracy=acc"
            raise TableError(f"{where}: {column!r} is {shown(row[column], LONGEST)}, which is no finite number{hint}")
        found[ACCURACY if name == "accuracy" else name] = value * factor / divisor
    accuracy = found.get(ACCURACY, 0.0)
    if not 0 <= accuracy <= 1:
        raise TableError(
            f"{where}: accuracy {accuracy:g}, which must be a fraction in [0, 1]; "
            "if it is in percent, divide it, as in val_accuracy=acc/100"
        )
    if not found:
        raise TableError(f"{where}: no metrics")
    return found


def _parsed(formula: str, row: Row) -> tuple[str, float, float]:
    """The column, what to multiply it by and what to divide it by."""
    found = None if formula in row else _FORMULA.fullmatch(formula.strip())
    if found is None:
        return formula.strip(), 1.0, 1.0
    number = float(found["number"])
    if not number or not math.isfinite(number):
        raise TableError(f"metric {formula!r}: {found['sign']}{found['number']}; the number must be above 0")
    return (found["column"], number, 1.0) if found["sign"] == "*" else (found["column"], 1.0, number)


def _number(value: object) -> float | None:
    """A finite number; the mean of a list of them; else None."""
    if isinstance(value, list):
        numbers = [_number(each) for each in value if not isinstance(each, list)]
        known = [number for number in numbers if number is not None]
        return math.fsum(known) / len(known) if known and len(known) == len(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"table {path}: is no text in UTF-8") from None
    except OSError as error:
        raise TableError(f"table {path}: {error.strerror}") from None


def _check_header(path: Path, header: Sequence[str], keys: Sequence[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if not header or not all(header) or twice:
        what = f"column {twice[0]!r} twice" if twice else "a column without a name" if header else "no header"
        raise TableError(f"table {path.name}: has {what}")
    missing = [key for key in keys if key not in header]
    if missing:
        raise TableError(f"table {path.name}: no column for axis {missing[0]!r}; it has: {', '.join(header)}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, which names nothing twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made


def _plain(label: object) -> str:
    text = str(label)
    try:
        number = float(text)
    except ValueError:
        return text
    return repr(int(number)) if number.is_integer() else repr(number)
