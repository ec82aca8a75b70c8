"""How the command line prints: JSON, tables on stdout, and numbers as people read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")]
Storage = Annotated[
    str,
    typer.Option(
        "--storage", envvar="NAS_STORAGE", help="The database: a file, or a URL of SQLite or PostgreSQL.", metavar="URL"
    ),
]
DEFAULT_STORAGE = "nas.db"
PIPED_WIDTH = 160  # columns where stdout is no terminal: wide enough that no cell is cut


class _Console(Console):
    """Prints a text without what would move a terminal's cursor: a reason may come from anybody's code."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does."""
        super().print(*(_shown(each) if isinstance(each, str) else each for each in objects), **options)


def console(*, stderr: bool = False) -> Console:
    """A console without colour or cut-off cells when its stream is not a terminal; [brackets] stay as they are."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return _Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True, width=width)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


def note(text: str) -> None:
    """One line for the person, on stderr."""
    typer.echo(text, err=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", left: Sequence[str] = ()) -> Table:
    """A plain table; numbers to the right, the columns named in `left` to the left."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column, justify="left" if column in left else "right", no_wrap=column not in left, overflow="fold"
        )
    for row in rows:
        made.add_row(*map(_shown, row))
    return made


def _shown(cell: str) -> str:
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in cell)


def count(number: float | None) -> str:
    """A number with a K, M, G, T, P or E, to three digits: 4.09 G."""
    if number is None:
        return "-"
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g} {unit}" if abs(number) < 999.5 * size else f"{number / size:.0f} {unit}"
    return f"{number:.4g}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage: 96.3 %."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def seconds(number: float | None) -> str:
    """A short time with its unit, to three digits: 4.09 ms."""
    if number is None:
        return "-"
    unit, size = next(
        ((unit, size) for unit, size in (("s", 1.0), ("ms", 1e-3)) if number >= 0.9995 * size), ("µs", 1e-6)
    )
    return f"{number / size:.3g} {unit}" if number < 999.5 * size else f"{number / size:.0f} {unit}"


def value(name: str, number: float | None) -> str:
    """An objective's value: accuracies in percent, the rest as counts."""
    return percent(number) if name == "accuracy" else count(number)


def duration(seconds: float) -> str:
    """Seconds as 45 s, 3 min 20 s or 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
