"""Where a dataset comes from, before anything of it is read: `Source` and its `Part`s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nas.data.images import Images


@dataclass(frozen=True)
class Part:
    """One split as its publisher made it. `identity` changes when the content does, and is cheap to know.

    `listing`, of a folder only: a digest of the files' names below it and of their sizes. Unlike `identity` it
    is the same for a copy, whose files have other times.
    """

    identity: str
    open: Callable[[], Images]
    listing: str | None = None


@dataclass(frozen=True)
class Source:
    """The parts of a dataset; `validation` and `test` are None where its publisher made none."""

    train: Part
    validation: Part | None
    test: Callable[[], Part] | None
