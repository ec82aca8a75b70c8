"""What a search is for: objectives to maximise or minimise, constraints that reject a child before it is trained.

An objective or constraint is written as text and gives that text back: `accuracy`, `flops`, `latency:min`,
`flops<=300M`. Values are in natural units everywhere: accuracies are fractions, FLOPs are multiply-adds,
memory is bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from nas.errors import ObjectiveError, unknown

EXACT = ("flops", "params", "activations", "memory")  # in the price of a network, known before training
MAXIMISED = {"accuracy": True, **dict.fromkeys(EXACT, False)}  # the objectives that need no direction
METRICS = {"accuracy": "val_accuracy"}  # where an objective is not named as the metric that it reads

_NAME = re.compile(r"[A-Za-z_][\w.\-/]*", re.ASCII)
_BOUND = re.compile(
    r"\s*(?P<name>.*?)\s*(?P<relation><=|>=)\s*(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<suffix>[kKMGB]?)\s*"
)
_SUFFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}

_COST_WEIGHT = 0.07
_SMALLEST = 1e-12  # a minimised value of zero or less counts as this share of its reference


@dataclass(frozen=True)
class Objective:
    """One number to make large or small.

    `accuracy` reads the metric `val_accuracy`; flops, params, activations and memory are exact and come from
    the price; any other name is a metric that the evaluator reports. Raises `ObjectiveError` for a name that
    cannot be a metric's, or a direction that contradicts a known name.
    """

    name: str
    maximise: bool

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ObjectiveError(f"objective name {self.name!r}; a name is letters, digits and any of _ . - /")
        if MAXIMISED.get(self.name, self.maximise) != self.maximise:
            known, asked = (("maximised", "min"), ("minimised", "max"))[self.maximise]
            raise ObjectiveError(f"objective '{self.name}:{asked}': {self.name} is always {known}")

    @classmethod
    def parse(cls, text: str) -> Objective:
        """The objective that `text` says: `accuracy`, `flops`, `latency:min`. Raises `ObjectiveError`."""
        name, colon, direction = text.strip().partition(":")
        if not colon:
            if name not in MAXIMISED:
                raise ObjectiveError(
                    f"{unknown('objective', name, MAXIMISED)}; any other metric needs a direction, as in 'latency:min'"
                )
            return cls(name, MAXIMISED[name])
        if direction not in ("min", "max"):
            raise ObjectiveError(f"objective {text!r}: direction {direction!r}; choose 'min' or 'max'")
        return cls(name, direction == "max")

    def __str__(self) -> str:
        if self.name in MAXIMISED:
            return self.name
        return f"{self.name}:{'max' if self.maximise else 'min'}"

    @property
    def exact(self) -> bool:
        """Whether the value is known before training, from the price."""
        return self.name in EXACT

    def value(self, metrics: Mapping[str, float], cost: Mapping[str, float]) -> float:
        """The child's value in natural units, from its metrics or, if exact, from its price.

        Raises `ObjectiveError` naming the metrics that exist.
        """
        source = cost if self.exact else metrics
        key = METRICS.get(self.name, self.name)
        if key not in source:
            had = ", ".join(sorted(source)) or "nothing"
            kind = "cost" if self.exact else "metric"
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
    """A bound on an exact quantity, checked before a child is trained; `relation` is "<=" or ">=".

    Raises `ObjectiveError` for a quantity that is only known by training, or a bound that is not a finite
    number of at least zero.
    """

    name: str
    bound: float
    relation: str = "<="

    def __post_init__(self) -> None:
        if self.name not in EXACT:
            measured = self.name in MAXIMISED
            problem = f"{self.name!r} is only known after training" if measured else ""
            raise ObjectiveError(
                f"constraint: {problem or unknown('quantity', self.name, EXACT)}; "
                f"what can be constrained is known before training: {', '.join(EXACT)}"
            )
        if self.relation not in ("<=", ">="):
            raise ObjectiveError(f"constraint on {self.name}: relation {self.relation!r}; choose '<=' or '>='")
        if not (math.isfinite(self.bound) and self.bound >= 0):
            raise ObjectiveError(f"constraint on {self.name}: bound {self.bound}; a finite number, 0 or more")

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """The constraint that `text` says, such as `flops<=300M`; k or K is 10^3, M 10^6, G or B 10^9.

        Raises `ObjectiveError`.
        """
        found = _BOUND.fullmatch(text)
        if found is None:
            raise ObjectiveError(
                f"constraint {text!r}; write a quantity, <= or >=, and a number that may end in k, M, G or B, "
                "as in 'flops<=300M'"
            )
        bound = Decimal(found["number"]) * _SUFFIXES[found["suffix"]]
        return cls(found["name"], float(bound), found["relation"])

    def __str__(self) -> str:
        exact = Decimal(repr(float(self.bound)))
        suffix = next((s for s in ("G", "M", "k") if exact >= _SUFFIXES[s]), "")
        number = f"{exact / _SUFFIXES[suffix]:f}"
        if "." in number:
            number = number.rstrip("0").rstrip(".")
        return f"{self.name}{self.relation}{number}{suffix}"

    def holds(self, cost: Mapping[str, float]) -> bool:
        """Whether a network of this price satisfies it."""
        value = cost[self.name]
        return value <= self.bound if self.relation == "<=" else value >= self.bound


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
