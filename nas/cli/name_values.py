"""Options that are given as NAME=VALUE any number of times, or with commas between their parts."""

from __future__ import annotations

from typing import Annotated

import typer

TableOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--table-option",
        help="How to read the table: METRIC=COLUMN/100, code=graph|axes|module:function, image=C,H,W, classes=N.",
        metavar="NAME=VALUE",
    ),
]


def name_values(pairs: list[str] | None, option: str = "--recipe", example: str = "epochs=5") -> dict[str, str]:
    """The options of a repeated NAME=VALUE."""
    options = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r}; give NAME=VALUE, as in {example}", param_hint=option)
        options[key.strip()] = text.strip()
    return options


def parts_of(text: str) -> list[str]:
    """The parts of a text with commas between them."""
    return [part.strip() for part in text.split(",")]
