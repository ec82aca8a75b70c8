"""A name with options in one word, as on the command line: `pareto+startup=12`."""

from __future__ import annotations

import json
from typing import Any


def split(text: str) -> tuple[str, dict[str, Any]]:
    """The name and its options; numbers and true/false as such, anything else as text.

    Raises `ValueError` for a part that is not NAME=VALUE.
    """
    name, *pairs = text.split("+")
    options: dict[str, Any] = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not equals or not option:
            raise ValueError(f"{text!r}: options are written as in pareto+startup=12; got {pair!r}")
        try:
            options[option] = json.loads(value)
        except ValueError:
            options[option] = value
    return name, options
