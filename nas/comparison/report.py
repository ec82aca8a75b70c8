"""Error distributions side by side, as one JSON document and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.comparison.children import Children, cautions
from nas.comparison.sampling import matched_cost
from nas.comparison.statistics import (
    Bins,
    Distribution,
    interval,
    kolmogorov_smirnov,
    round_errors,
    shared_bins,
)
from nas.errors import ComparisonError, unknown
from nas.objectives import EXACT, Constraint
from nas.spec import data_name

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
_LEVEL = f"{100 * LEVEL:.0f} %"
RESAMPLES = 2000
MARKS = (0.1, 0.25, 0.5, 0.75)  # of all errors together: where the distributions are told, unless errors are given
BOUND = 0.9  # of all errors together: what lies above the quantile counts as that in the mean, unless one is given
CURVE = 200  # points of a distribution that is drawn


def check(
    *, match: str = "auto", errors: Sequence[float] = (), bound: float | None = None, resamples: int = RESAMPLES
) -> None:
    """Say before the children are trained what `measure` would refuse after. Raises `ComparisonError`."""
    if match not in (allowed := ("auto", "none", *EXACT)):
        raise ComparisonError(unknown("cost to match", match, allowed))
    for name, value in [("error", error) for error in errors] + ([] if bound is None else [("bound", bound)]):
        if not 0 < value <= 1:
            raise ComparisonError(f"{name} {100 * value:g} %; allowed is more than 0 and at most 100 %")
    if resamples < 100:
        raise ComparisonError(f"{resamples} resamples; an interval of {100 * LEVEL:g} % needs at least 100")


def measure(
    samples: Sequence[Children],
    *,
    match: str = "auto",
    errors: Sequence[float] = (),
    bound: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """What is said of some samples, and of every pair of them, with intervals of 95 %. Errors are fractions.

    `match`: as `matched_cost` takes it. `errors`: where to tell the distributions. `bound`: what a larger error counts
    as in the mean. Raises `ComparisonError` for what is no fraction, too few resamples, or costs that do not meet.
    """
    check(match=match, errors=errors, bound=bound, resamples=resamples)
    cost = matched_cost(samples, match)
    bins = None if cost is None else shared_bins([sample.costs[cost] for sample in samples])
    places = [None] * len(samples) if bins is None else bins.places
    spread = [Distribution(sample.errors, place) for sample, place in zip(samples, places, strict=True)]
    together = np.concatenate([one.errors for one in spread])
    at = np.unique(np.asarray(errors, dtype=np.float64)) if errors else round_errors(together, MARKS)
    top = float(np.quantile(together, BOUND)) if bound is None else bound
    grid = np.unique(np.quantile(together, np.linspace(0, 1, CURVE), method="nearest"))
    asked = np.concatenate([at, grid])
    streams = np.random.default_rng(seed).spawn(len(samples) + 1)
    own = [one.measures(asked, top) for one in spread]
    drawn = [one.resampled(asked, top, resamples, rng) for one, rng in zip(spread, streams, strict=False)]
    names = _names(samples)
    spaces = [
        {
            "space": sample.spec.space,
            "study": sample.study,
            "name": name,
            "children": len(sample.errors),
            "failed": sample.failed,
            "counted": len(one.errors),
            "effective": round(one.effective, 1),
            "flops": _range(sample.costs["flops"]),
            "min": _told(value.least, again.least),
            "median": _told(value.median, again.median),
            "mean": _told(value.mean, again.mean),
            "edf": _curve(at, value.shares[:, : len(at)], again.shares[:, : len(at)]),
            "curve": _curve(grid, value.shares[:, len(at) :], again.shares[:, len(at) :]),
            "importance": [
                {"axis": axis, "importance": found}
                for axis, found in sorted(sample.importance.items(), key=lambda item: -(item[1] or -1.0))
            ],
        }
        for sample, name, one, value, again in zip(samples, names, spread, own, drawn, strict=True)
    ]
    pairs = [
        {
            "one": names[a],
            "other": names[b],
            "median": _told(own[b].median - own[a].median, drawn[b].median - drawn[a].median),
            "mean": _told(own[b].mean - own[a].mean, drawn[b].mean - drawn[a].mean),
            "ks": vars(kolmogorov_smirnov(spread[a], spread[b], resamples, streams[-1])).copy(),
        }
        for a, b in combinations(range(len(samples)), 2)
    ]
    document: dict[str, Any] = {
        "data": data_name(samples[0].spec.to_json()),
        "epochs": samples[0].spec.recipe.get("epochs"),
        "constraints": _shared_constraints(samples),
        "matched": None if bins is None or cost is None else _matched(cost, bins, names),
        "bound": top,
        "level": LEVEL,
        "resamples": resamples,
        "seed": seed,
        "spaces": spaces,
        "pairs": pairs,
    }
    for pair in pairs:
        pair["reading"] = reading(document, pair)
    return {**document, "cautions": [*cautions(samples), *_cautions(document)]}


def reading(document: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    """A pair in plain sentences: how far the medians and the means lie apart, and whether the distributions differ."""
    where = f"with {document['matched']['cost']} spread alike" if document["matched"] else "whatever they cost"
    if document["constraints"]:
        held = " and ".join(map(_held, map(Constraint.parse, document["constraints"])))
        where = f"{held}, {where}" if document["matched"] else held
    parts = [_difference(pair, "median", "median"), _difference(pair, "mean", "bounded mean")]
    test = pair["ks"]
    chance = "p < 0.001" if test["p_value"] < 0.001 else f"p = {test['p_value']:.3f}"
    return (
        f"{where[0].upper()}{where[1:]}, {parts[0]}; {parts[1]}. The largest gap between the two distributions is "
        f"{test['statistic']:.2f} ({chance}, {test['method']})."
    )


def told(value: Mapping[str, float], digits: int = 1) -> str:
    """A fraction with its interval, in per cent: 3.1 [2.8, 3.5]."""
    found, low, high = (f"{100 * value[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{found} [{low}, {high}]"


def _held(rule: Constraint) -> str:
    """A constraint in words: at 10 ± 1 MFLOPs."""
    if rule.name not in EXACT:
        return f"at {rule}"
    power, prefix = next(((p, s) for p, s in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if rule.bound >= p), (1.0, ""))
    word = {"params": "parameters"}.get(rule.name, rule.name)
    unit = f"{prefix}FLOPs" if rule.name == "flops" else f"{prefix} {word}".strip()
    number = f"{rule.bound / power:g}"
    if rule.relation == "=":
        return f"at {number} ± {rule.bound * rule.tolerance / power:g} {unit}"
    return f"{'at most' if rule.relation == '<=' else 'at least'} {number} {unit}"


def _difference(pair: Mapping[str, Any], measured: str, words: str) -> str:
    found = pair[measured]
    value, low, high = (100 * found[name] for name in ("value", "low", "high"))
    start = f"{pair['other']}'s {words} error is"
    if low > 0 or high < 0:
        direction = "higher" if value > 0 else "lower"
        near, far = sorted((abs(low), abs(high)))
        by = f"by {abs(value):.1f} points ({_LEVEL} interval {near:.1f} to {far:.1f})"
        return f"{start} {direction} than {pair['one']}'s {by}"
    direction = "higher than" if value > 0 else "lower than" if value < 0 else "equal to"
    by = f" by {abs(value):.1f} points" if value else ""
    return (
        f"{start} {direction} {pair['one']}'s{by}, which may be chance ({_LEVEL} interval from {abs(low):.1f} lower to "
        f"{abs(high):.1f} higher)"
    )


def _told(value: Floats, again: Floats) -> dict[str, float]:
    low, high = interval(again, LEVEL)
    return {"value": float(value[0]), "low": low, "high": high}


def _curve(at: Floats, shares: Floats, again: Floats) -> list[dict[str, float]]:
    return [{"error": float(error), **_told(shares[:, place], again[:, place])} for place, error in enumerate(at)]


def _range(costs: Floats) -> dict[str, float]:
    return {"min": float(costs.min()), "median": float(np.median(costs)), "max": float(costs.max())}


def _matched(cost: str, bins: Bins, names: Sequence[str]) -> dict[str, Any]:
    """The bins that count, with how many children each space has in them, and how many of all were left out."""
    return {
        "cost": cost,
        "bins": [
            {
                "low": float(bins.edges[place]),
                "high": float(bins.edges[place + 1]),
                "children": {name: int((own == place).sum()) for name, own in zip(names, bins.places, strict=True)},
            }
            for place in bins.used
        ],
        "left_out": {name: int((own < 0).sum()) for name, own in zip(names, bins.places, strict=True)},
    }


def _shared_constraints(samples: Sequence[Children]) -> list[str]:
    first, *others = (sample.spec.constraints for sample in samples)
    return list(first) if all(set(other) == set(first) for other in others) else []


def _names(samples: Sequence[Children]) -> list[str]:
    """What to call the samples: by their spaces, or by their studies where a space occurs twice."""
    spaces = [sample.spec.space for sample in samples]
    return spaces if len(set(spaces)) == len(spaces) else [sample.study for sample in samples]


def _cautions(document: Mapping[str, Any]) -> list[str]:
    found = []
    if len(document["pairs"]) > 1:
        found.append(f"{len(document['pairs'])} pairs are compared, and no interval or p-value is widened for that")
    if document["matched"]:
        out = ", ".join(f"{number} of {name}" for name, number in document["matched"]["left_out"].items())
        found.append(
            f"children outside the {document['matched']['cost']} that all spaces share count for nothing: {out}"
        )
    return found
