"""The errors that nas raises on purpose: each message is one line that says what was wrong and what is allowed.

NasError
├── DataError          a dataset that cannot be had or read
├── RecipeError        a training hyperparameter out of range
├── TrainingError      a child that cannot be trained to its end (NaN loss, out of memory)
├── ObjectiveError     an objective or constraint that cannot be understood
├── ControllerError    a controller that is unknown or cannot go on
│   └── SpaceExhausted     every point of the space was proposed (nas.controllers)
├── ExecutorError      no place to run children
├── StoreError         a database that cannot be opened, or a study that is not there
└── StudyError         a search that cannot start or go on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NasError(Exception):
    """Something a user can mend; the message is one line."""


class DataError(NasError):
    """A dataset that cannot be had or read."""


class RecipeError(NasError):
    """A training hyperparameter out of range."""


class TrainingError(NasError):
    """A child that cannot be trained to its end (NaN loss, out of memory)."""


class ObjectiveError(NasError):
    """An objective or constraint that cannot be understood."""


class ControllerError(NasError):
    """A controller that is unknown or cannot go on."""


class ExecutorError(NasError):
    """No place to run children."""


class StoreError(NasError):
    """A database that cannot be opened, or a study that is not there."""


class StudyError(NasError):
    """A search that cannot start or go on."""


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """One line for a name that does not exist: the nearest matches if there are any, else all that are allowed."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"choose one of: {', '.join(names)}"
    return f"unknown {what} {name!r}; {hint}"
