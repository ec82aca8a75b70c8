"""Options of what is made by name, a controller or a scheduler: which there are, and what they may be.

On the command line they stand behind the name, in one word: `pareto+startup=12`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nas.errors import NasError, unknown


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


def of(factory: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only parameters of a factory, with their defaults."""
    parameters = inspect.signature(factory).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def check(owner: str, chosen: Iterable[str], known: Mapping[str, Any], error: type[NasError]) -> None:
    """Refuse an option that there is not; `owner` as in "controller 'pareto'"."""
    for option in chosen:
        if not known:
            raise error(f"{owner} takes no options; got {option!r}")
        if option not in known:
            raise error(unknown(f"option of {owner}", option, known))


def whole(owner: str, option: str, value: int, low: int, error: type[NasError]) -> int:
    """The option's value if it is a whole number of at least `low`; else an error that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise error(f"{owner}: {option} = {value!r}; a whole number, at least {low}")
    return value
