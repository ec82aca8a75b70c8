"""The errors that nas raises on purpose: each message is one line that says what was wrong and what is allowed.

NasError
├── BenchmarkError     a comparison of controllers that cannot be made
├── CheckpointError    a trained network that cannot be read, written or used
├── DataError          a dataset that cannot be had or read
├── RecipeError        a training hyperparameter out of range
├── TrainingError      a child that cannot be trained to its end (NaN loss, out of memory)
├── ObjectiveError     an objective or constraint that cannot be understood
├── ControllerError    a controller that is unknown or cannot go on
│   └── SpaceExhausted     every point of the space was proposed (nas.controllers)
├── ExecutorError      no place to run children
├── PretrainedError    weights that cannot be had, or do not fit
├── SchedulerError     a scheduler that is unknown, or a bad option of it
├── StoreError         a database that cannot be opened, or a study that is not there
├── StudyError         a search that cannot start or go on
└── TableError         a table of results that cannot be read, or lacks a network
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FEW = 50  # names that still make a readable line


class NasError(Exception):
    """Something a user can mend; the message is one line."""


class BenchmarkError(NasError):
    """A comparison of controllers that cannot be made."""


class CheckpointError(NasError):
    """A trained network that cannot be read, written or used."""


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


class PretrainedError(NasError):
    """Weights that cannot be had, or do not fit the network."""


class SchedulerError(NasError):
    """A scheduler that is unknown, or a bad option of it."""


class StoreError(NasError):
    """A database that cannot be opened, or a study that is not there."""


class StudyError(NasError):
    """A search that cannot start or go on."""


class TableError(NasError):
    """A table of results that cannot be read, or lacks a network."""


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """One line for a name that does not exist: the nearest matches, or all that are allowed unless they are many."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    few = f"choose one of: {', '.join(names)}" if len(names) <= FEW else f"none of the {len(names)} names is near it"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else few
    return f"unknown {what} {name!r}; {hint}"
