"""The errors that nas raises on purpose: each message is one line that says what was wrong and what is allowed.

NasError
├── BenchmarkError     a comparison of controllers that cannot be made
├── CheckpointError    a trained network that cannot be read, written or used
├── ComparisonError    spaces or studies that cannot be compared
├── DataError          a dataset that cannot be had or read
├── EvaluationError    a trained network that cannot be evaluated as asked
├── RecipeError        a training hyperparameter out of range
├── TrainingError      a child that cannot be trained to its end (NaN loss, out of memory)
├── LatencyError       a latency that cannot be measured, or is of another machine
├── ObjectiveError     an objective or constraint that cannot be understood
├── ControllerError    a controller that is unknown or cannot go on
│   └── SpaceExhausted     every point of the space was proposed (nas.controllers)
├── ExecutorError      no place to run children
│   └── ClusterLost        the head of Ray is gone in the middle of a search
├── ExportError        a network that cannot be exported, or whose export does not give its outputs
├── PretrainedError    weights that cannot be had, or do not fit
├── ReproductionError  published results that cannot be trained again as asked
├── RetrainingError    a final training that cannot start or go on
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


class ComparisonError(NasError):
    """Spaces or studies that cannot be compared."""


class DataError(NasError):
    """A dataset that cannot be had or read."""


class EvaluationError(NasError):
    """A trained network that cannot be evaluated as asked."""


class RecipeError(NasError):
    """A training hyperparameter out of range."""


class TrainingError(NasError):
    """A child that cannot be trained to its end (NaN loss, out of memory)."""


class LatencyError(NasError):
    """A latency that cannot be measured, or is of another machine."""


class ObjectiveError(NasError):
    """An objective or constraint that cannot be understood."""


class ControllerError(NasError):
    """A controller that is unknown or cannot go on."""


class ExecutorError(NasError):
    """No place to run children."""


class ClusterLost(ExecutorError):
    """The head of Ray is gone in the middle of a search, which can go on with another."""


class ExportError(NasError):
    """A network that cannot be exported, or whose export does not give its outputs."""


class PretrainedError(NasError):
    """Weights that cannot be had, or do not fit the network."""


class ReproductionError(NasError):
    """Published results that cannot be trained again as asked."""


class RetrainingError(NasError):
    """A final training that cannot start or go on."""


class SchedulerError(NasError):
    """A scheduler that is unknown, or a bad option of it."""


class StoreError(NasError):
    """A database that cannot be opened, or a study that is not there."""


class StudyError(NasError):
    """A search that cannot start or go on."""


class TableError(NasError):
    """A table of results that cannot be read, or lacks a network."""


LONGEST = 80  # characters of a value that an error shows, unless it says otherwise


def shown(value: object, most: int = LONGEST) -> str:
    """A value as an error shows it: on one line of so many characters, whatever its own `repr` does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[: most - 1] + "…"


def unknown(what: str, name: object, allowed: Iterable[str]) -> str:
    """One line for a name that does not exist: the nearest matches, or all that are allowed unless they are many."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6) if isinstance(name, str) else []
    few = f"choose one of: {', '.join(names)}" if len(names) <= FEW else f"none of the {len(names)} names is near it"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else few
    return f"unknown {what} {name!r}; {hint}"
