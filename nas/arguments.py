"""The arguments of a search as Python gives them: of the right type and range, before anything is loaded."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nas.data.spec import SEEDS, DataSpec
from nas.errors import StudyError, unknown
from nas.recipe import Recipe
from nas.store import Store
from searchspaces import Space
from searchspaces.documents import short


class _Rule(NamedTuple):
    accepts: Callable[[Any], bool]
    allowed: str


def _whole(value: object, low: int, below: float = float("inf")) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < below


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _options(value: object) -> bool:
    return value is None or (isinstance(value, Mapping) and all(isinstance(name, str) for name in value))


def _image(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 3 and all(_whole(side, 1) for side in value)


_NAME = _Rule(lambda value: isinstance(value, str), "a name")
_OPTIONS = _Rule(_options, "a dict of options by name")

RULES: Mapping[str, _Rule] = {
    "space": _Rule(lambda value: isinstance(value, str | Space), "a name, module:attribute, or a Space"),
    "dataset": _Rule(lambda value: isinstance(value, str | DataSpec), "a name, folder:PATH, or a DataSpec"),
    "image": _Rule(_image, "three numbers of at least 1: channels, height, width"),
    "classes": _Rule(lambda value: _whole(value, 1), "a whole number of at least 1"),
    "controller": _NAME,
    "scheduler": _NAME,
    "executor": _NAME,
    "controller_options": _OPTIONS,
    "scheduler_options": _OPTIONS,
    "executor_options": _OPTIONS,
    "evaluator_options": _OPTIONS,
    "budget": _Rule(lambda value: _whole(value, 0), "a number of children, 0 for the baselines alone"),
    "max_failures": _Rule(lambda value: _whole(value, 0), "a number of further tries, 0 for none"),
    "objectives": _Rule(_texts, "a list of texts, as in ['accuracy', 'flops']"),
    "constraints": _Rule(_texts, "a list of texts, as in ['flops<=300M']"),
    "recipe": _Rule(lambda value: isinstance(value, Recipe) or _options(value), "a Recipe, or a dict of its fields"),
    "baselines": _Rule(lambda value: isinstance(value, str) or _texts(value), "auto, all, none, or a list of names"),
    "seed": _Rule(lambda value: _whole(value, 0, SEEDS), f"a whole number from 0 to {SEEDS - 1}"),
    "name": _Rule(lambda value: value is None or isinstance(value, str), "a text"),
    "storage": _Rule(
        lambda value: value is None or isinstance(value, str | os.PathLike | Store), "a path, a database URL or a Store"
    ),
}


def check(arguments: Mapping[str, Any]) -> None:
    """Refuse an argument of a wrong type or out of range; one without a rule passes. Raises `StudyError`."""
    for name, value in arguments.items():
        rule = RULES.get(name)
        if rule is not None and not rule.accepts(value):
            raise StudyError(f"{name} {short(value)}; allowed is {rule.allowed}")


def check_names(options: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Refuse an option that the function does not take. Raises `StudyError` with the nearest name."""
    known = inspect.signature(function).parameters
    for name in options:
        if name not in known:
            raise StudyError(unknown("option of a search", name, known))
