"""What a search is for: objectives to maximise or minimise, constraints that reject a child before it is trained.

An objective or constraint is written as text and gives that text back: `accuracy`, `flops`, `latency`, `score:max`,
`flops<=300M`, `flops=300M±10%`, `latency<=5ms`. Values are in natural units everywhere: accuracies are fractions, FLOPs
are multiply-adds, memory is bytes, latency is seconds.

`latency` without a direction is measured by nas on this machine (`nas.latency`), and so known before training.
`latency:min` is a metric of that name that the evaluator reports, in whatever unit it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from nas.errors import ObjectiveError, unknown

EXACT = ("flops", "params", "activations", "memory")  # in the price of a network, known before training
LATENCY = "latency"  # the sum of its measured blocks: seconds a batch
BOUNDED = (*EXACT, LATENCY)  # what a constraint may be on
MAXIMISED = {"accuracy": True, **dict.fromkeys(EXACT, False)}  # the objectives that need no direction
METRICS = {"accuracy": "val_accuracy"}  # where an objective is not named as the metric that it reads

_NAME = re.compile(r"[A-Za-z_][\w.\-/]*", re.ASCII)
_BOUND = re.compile(
    r"\s*(?P<name>.*?)\s*(?P<relation><=|>=|=)\s*(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(?P<suffix>[kKMGB]|[muµ]?s|)\s*"
    r"(?:(?:±|\+/?-)\s*(?P<percent>\d+(?:\.\d+)?)\s*%\s*)?",
    re.ASCII,
)
_SUFFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6")}

_COST_WEIGHT = 0.07
_SMALLEST = 1e-12  # a minimised value of zero or less counts as this share of its reference


@dataclass(frozen=True)
class Objective:
    """One number to make large or small.

    `accuracy` reads the metric `val_accuracy`; flops, params, activations and memory are exact and come from
    the price; `latency`, if `timed`, is measured by nas, and recorded among the metrics under its name; any other
    name is a metric that the evaluator reports. Raises `ObjectiveError` for a name that cannot be a metric's, or a
    direction that contradicts a known name.
    """

    name: str
    maximise: bool
    timed: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ObjectiveError(f"objective name {self.name!r}; a name is letters, digits and any of _ . - /")
        if MAXIMISED.get(self.name, self.maximise) != self.maximise:
            known, asked = (("maximised", "min"), ("minimised", "max"))[self.maximise]
            raise ObjectiveError(f"objective '{self.name}:{asked}': {self.name} is always {known}")
        if self.timed and (self.name != LATENCY or self.maximise):
            raise ObjectiveError(f"objective {self.name!r}: only {LATENCY} is measured by nas, and is minimised")

    @classmethod
    def parse(cls, text: str) -> Objective:
        """The objective that `text` says: `accuracy`, `flops`, `latency`, `score:max`. Raises `ObjectiveError`."""
        name, colon, direction = text.strip().partition(":")
        if not colon:
            if name == LATENCY:
                return cls(name, False, timed=True)
            if name not in MAXIMISED:
                problem = unknown("objective", name, (*MAXIMISED, LATENCY))
                raise ObjectiveError(f"{problem}; any other metric needs a direction, as in 'score:max'")
            return cls(name, MAXIMISED[name])
        if direction not in ("min", "max"):
            raise ObjectiveError(f"objective {text!r}: direction {direction!r}; choose 'min' or 'max'")
        return cls(name, direction == "max")

    def __str__(self) -> str:
        if self.name in MAXIMISED or self.timed:
            return self.name
        return f"{self.name}:{'max' if self.maximise else 'min'}"

    @property
    def exact(self) -> bool:
        """Whether the value is known before training: from the price, or from its blocks' latencies."""
        return self.name in EXACT or self.timed

    def value(self, metrics: Mapping[str, float], cost: Mapping[str, float]) -> float:
        """The child's value in natural units, from its metrics or from its price.

        Raises `ObjectiveError` naming the metrics that exist.
        """
        source = cost if self.name in EXACT else metrics
        key = METRICS.get(self.name, self.name)
        if key not in source:
            had = ", ".join(sorted(source)) or "nothing"
            kind = "cost" if self.name in EXACT else "metric"
            raise ObjectiveError(f"objective '{self}' reads the {kind} {key!r}; the child has: {had}")
        return float(source[key])


def values_of(
    objectives: Sequence[Objective], metrics: Mapping[str, float | None], cost: Mapping[str, float]
) -> list[float]:
    """The values of all objectives, in their order and in natural units.

    Raises `ObjectiveError` for one that is missing (None is missing: the store's word for NaN) or not finite.
    """
    numbers = {name: number for name, number in metrics.items() if number is not None}
    values = [objective.value(numbers, cost) for objective in objectives]
    for objective, value in zip(objectives, values, strict=True):
        if not math.isfinite(value):
            raise ObjectiveError(f"objective {objective.name!r} is {value}")
    return values


@dataclass(frozen=True)
class Constraint:
    """A bound on what is known before training, checked then; `relation` is "<=", ">=" or "=".

    The bound is in natural units: seconds for `latency`, which is always the one that nas measures.
    "=" is a band about the bound: `tolerance` is how far a value may lie from it, as a share of it, ends included.
    Raises `ObjectiveError` for a quantity that is only known by training, a bound that is not a finite number of at
    least zero, or a tolerance that does not go with the relation.
    """

    name: str
    bound: float
    relation: str = "<="
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in BOUNDED:
            measured = self.name in MAXIMISED
            problem = f"{self.name!r} is only known after training" if measured else ""
            raise ObjectiveError(
                f"constraint: {problem or unknown('quantity', self.name, BOUNDED)}; "
                f"what can be constrained is known before training: {', '.join(BOUNDED)}"
            )
        if self.relation not in ("<=", ">=", "="):
            raise ObjectiveError(f"constraint on {self.name}: relation {self.relation!r}; choose '<=', '>=' or '='")
        if not (math.isfinite(self.bound) and self.bound >= 0):
            raise ObjectiveError(f"constraint on {self.name}: bound {self.bound}; a finite number, 0 or more")
        if self.relation == "=" and not (0 < self.tolerance < 1 and self.bound > 0):
            raise ObjectiveError(
                f"constraint on {self.name}: a band of ±{100 * self.tolerance:g} % about {self.bound:g}; a band is "
                "more than 0 and less than 100 % of a number above 0, as in 'flops=300M±10%'"
            )
        if self.relation != "=" and self.tolerance:
            raise ObjectiveError(
                f"constraint on {self.name}: ± does not go with {self.relation!r}; a band is written with '=', "
                "as in 'flops=300M±10%'"
            )

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """The constraint that `text` says; k or K is 10^3, M 10^6, G or B 10^9.

        A bound as `flops<=300M`, or a band as `flops=300M±10%`, for which `flops=300M+-10%` may be written. A latency
        has a unit, s, ms or us, as in `latency<=5ms`. Raises `ObjectiveError`.
        """
        found = _BOUND.fullmatch(text)
        if found is None:
            raise ObjectiveError(
                f"constraint {text!r}; write a quantity, <= or >=, and a number that may end in k, M, G or B, "
                "as in 'flops<=300M'; or a band, as in 'flops=300M±10%'"
            )
        name, suffix = found["name"], found["suffix"]
        units: Mapping[str, Decimal | int] = _SECONDS if name == LATENCY else _SUFFIXES
        if name in BOUNDED and suffix not in units:
            latency = "a latency has a unit, s, ms or us, as in 'latency<=5ms'"
            problem = latency if name == LATENCY else f"{suffix!r} is a unit of latency only"
            raise ObjectiveError(f"constraint {text!r}: {problem}")
        bound = Decimal(found["number"]) * units.get(suffix, 1)
        tolerance = Decimal(found["percent"] or 0) / 100
        return cls(name, float(bound), found["relation"], float(tolerance))

    def __str__(self) -> str:
        exact = Decimal(repr(float(self.bound)))
        units: Mapping[str, Decimal | int] = _SECONDS if self.name == LATENCY else _SUFFIXES
        order = ("s", "ms", "us") if self.name == LATENCY else ("G", "M", "k", "")
        suffix = next((s for s in order if exact >= units[s]), order[-1])
        band = f"±{_plain(Decimal(repr(float(self.tolerance))) * 100)}%" if self.relation == "=" else ""
        return f"{self.name}{self.relation}{_plain(exact / units[suffix])}{suffix}{band}"

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value that satisfy it; 0 and infinity where there is none."""
        if self.relation == "<=":
            return 0.0, self.bound
        if self.relation == ">=":
            return self.bound, math.inf
        exact, share = Decimal(repr(float(self.bound))), Decimal(repr(float(self.tolerance)))
        return float(exact * (1 - share)), float(exact * (1 + share))

    def holds(self, cost: Mapping[str, float]) -> bool:
        """Whether a network of this price, with its latency if that is bounded, satisfies it."""
        low, high = self.limits
        return low <= cost[self.name] <= high


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scalarise(
    objectives: Sequence[Objective],
    values: Sequence[float],
    references: Sequence[float] | None = None,
    cost_weight: float = _COST_WEIGHT,
) -> float:
    """One reward to maximise, for controllers that learn from a single number.

    One objective: its value, negated if it is minimised. Several:

        reward = gain * product over minimised of (value / reference) ** -cost_weight

    where gain is the sum of the maximised values, or 1 if there are none: with accuracy and FLOPs this is
    accuracy * (flops / reference) ** -0.07, the soft constraint of MnasNet (Tan et al. 2019, eq. 2), under
    which twice the FLOPs must buy 5 % more accuracy. References (1 by default, one an objective, those of
    maximised ones unused) scale all rewards alike and leave their order as it is. A negative gain is divided
    by the product instead, so that a dearer child is never better; a minimised value below 1e-12 of its
    reference counts as that.
    """
    if len(objectives) == 1:
        return values[0] if objectives[0].maximise else -values[0]
    scales = references or [1.0] * len(objectives)
    gains = [value for objective, value in zip(objectives, values, strict=True) if objective.maximise]
    shares = [
        max(value / scale, _SMALLEST)
        for objective, value, scale in zip(objectives, values, scales, strict=True)
        if not objective.maximise
    ]
    factor = math.exp(-cost_weight * sum(map(math.log, shares)))
    gain = sum(gains) if gains else 1.0
    return gain * factor if gain >= 0 else gain / factor
