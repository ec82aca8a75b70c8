"""The query parameters that all endpoints with trials share, checked word by word."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from dashboards.errors import BadParameter
from nas.errors import unknown
from nas.store.records import KINDS, STATES

QUANTITIES = ("accuracy", "flops", "params", "activations", "memory", "epochs", "number")
NAMES = ("study", "dataset", "state", "kind", "axis", *(f"{q}_{end}" for q in QUANTITIES for end in ("min", "max")))

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Filter:
    """Which trials are meant. Empty `studies`, `datasets` and `states` stand for all, and for the default states.

    `ranges`: quantity to its (least, most). `axes`: axis name to the labels of which one must be chosen.
    """

    studies: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    kind: str | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    axes: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameters:
    """The query of a request: each name with its values. Raises `BadParameter` for a name that is not `allowed`."""

    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, pairs: Pairs, allowed: Collection[str]) -> Parameters:
        """The parameters of a query string's pairs."""
        found: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            if name not in allowed:
                raise BadParameter(unknown("parameter", name, allowed))
            found[name] = (*found.get(name, ()), value)
        return cls(found)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may repeat."""
        return self.values.get(name, ())

    def one(self, name: str, default: str = "") -> str:
        """The value of a parameter that may not repeat."""
        given = self.all(name)
        if len(given) > 1:
            raise BadParameter(f"parameter {name!r} is given {len(given)} times; once is allowed")
        return given[0] if given else default

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of these words."""
        value = self.one(name, default)
        if value not in allowed:
            raise BadParameter(unknown(f"value of {name!r}", value, allowed))
        return value

    def flag(self, name: str) -> bool:
        """Whether it is "true" or "1"; absent, "false" and "0" are not."""
        return self.choice(name, ("true", "1", "false", "0"), "false") in ("true", "1")

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        text = self.one(name, str(default))
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        if not least <= value <= most:
            raise BadParameter(f"{name}={text!r}; a whole number from {least} to {most}")
        return value

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        text = self.one(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise BadParameter(f"{name}={text!r}; a finite number")
        return value


def read_filter(given: Parameters) -> Filter:
    """The filter of a request. Raises `BadParameter`; whether its studies and datasets exist is `Archive.chosen`'s."""
    for state in given.all("state"):
        if state not in STATES:
            raise BadParameter(unknown("state", state, STATES))
    ranges = {}
    for name in QUANTITIES:
        least, most = given.number(f"{name}_min", -math.inf), given.number(f"{name}_max", math.inf)
        if (least, most) != (-math.inf, math.inf):
            ranges[name] = (least, most)
    axes: dict[str, frozenset[str]] = {}
    for text in given.all("axis"):
        name, colon, label = text.partition(":")
        if not (name and colon):
            raise BadParameter(f"axis={text!r}; write NAME:LABEL, as in axis=cardinality:32")
        axes[name] = axes.get(name, frozenset()) | {label}
    kind = given.choice("kind", KINDS, "child") if given.one("kind") else None
    return Filter(given.all("study"), given.all("dataset"), given.all("state"), kind, ranges, axes)
