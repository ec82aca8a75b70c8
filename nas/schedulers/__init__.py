"""Schedulers decide how long a child trains: to its last epoch, or only until others are seen to do better.

Each is made by name with `make`. A scheduler is a function of (objectives, epochs, what was reported, in order), so
that a search is resumed by reporting again what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import nas.options
from nas.errors import SchedulerError, unknown

if TYPE_CHECKING:
    from nas.objectives import Objective

__all__ = ["SCHEDULERS", "Scheduler", "ToTheEnd", "make", "options"]


class Scheduler(Protocol):
    """Sees every epoch of every child, and stops those that do not deserve more."""

    def report(self, id: int, epoch: int, values: Sequence[float]) -> str:
        """After this epoch (from 1) child `id` has these values of the objectives; why it stops here, or empty.

        Epochs of one child come in order, those of different children in any. At its last epoch no child is stopped.
        """
        ...


Factory = Callable[..., Scheduler]  # (objectives, epochs, **options)


def _none(objectives: Sequence[Objective], epochs: int) -> Scheduler:
    return ToTheEnd()


def _asha(objectives: Sequence[Objective], epochs: int, *, reduction: int = 3, first: int = 1) -> Scheduler:
    from nas.schedulers.halving import Halving

    return Halving("asha", objectives, epochs, reduction, first, brackets=1)


def _hyperband(
    objectives: Sequence[Objective], epochs: int, *, reduction: int = 3, first: int = 1, brackets: int = 3
) -> Scheduler:
    from nas.schedulers.halving import Halving

    return Halving("hyperband", objectives, epochs, reduction, first, brackets)


def _median(objectives: Sequence[Objective], epochs: int, *, first: int = 2, children: int = 5) -> Scheduler:
    from nas.schedulers.median import Median

    return Median(objectives, epochs, first, children)


SCHEDULERS: dict[str, Factory] = {"none": _none, "asha": _asha, "hyperband": _hyperband, "median": _median}


class ToTheEnd:
    """Stops nothing."""

    def report(self, id: int, epoch: int, values: Sequence[float]) -> str:
        """The child goes on."""
        return ""


def options(name: str) -> dict[str, Any]:
    """The options of a scheduler, with their defaults. Raises `SchedulerError` for an unknown name."""
    if name not in SCHEDULERS:
        raise SchedulerError(unknown("scheduler", name, SCHEDULERS))
    return nas.options.of(SCHEDULERS[name])


def make(name: str, objectives: Sequence[Objective], epochs: int, **chosen: Any) -> Scheduler:
    """A fresh scheduler of children that train `epochs` epochs.

    Raises `SchedulerError` for an unknown name or option, or a bad option value.
    """
    nas.options.check(f"scheduler {name!r}", chosen, options(name), SchedulerError)
    return SCHEDULERS[name](objectives, epochs, **chosen)


def whole(scheduler: str, option: str, value: int, low: int) -> int:
    """The option's value if it is a whole number of at least `low`; else a `SchedulerError` that says so."""
    return nas.options.whole(f"scheduler {scheduler!r}", option, value, low, SchedulerError)
