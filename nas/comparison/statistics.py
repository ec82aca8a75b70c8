"""Distributions of errors: weights that level cost, bootstrap intervals, and a test of two samples.

The empirical distribution function (EDF) of a space is F(e), the share of its networks whose error is at most e. Where
spaces differ in what their networks cost, each network is weighted so that the costs of all are spread alike:
1 / (k m) for one of the m networks of its space in one of k bins of cost (Radosavovic et al. 2019, On Network Design
Spaces for Visual Recognition, sections 3 and 4). Intervals are percentiles of the bootstrap (Efron & Tibshirani 1993).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nas.errors import ComparisonError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CHUNK = 2_000_000  # weights that are in memory at once
MOST_BINS = 10
PER_BIN = 10  # children of the smallest sample that one more bin asks for
LEAST = 3  # children of every space without which a bin counts for nothing
_SLACK = 1e-9  # of sums of weights


@dataclass(frozen=True)
class Bins:
    """Ranges of a cost, of equal width in its logarithm, in which every space has children."""

    edges: Floats
    places: tuple[Ints, ...]  # of each sample: the bin of each child, -1 for one that does not count

    @property
    def used(self) -> list[int]:
        """The bins that count, in order."""
        return sorted({int(place) for places in self.places for place in places if place >= 0})


def shared_bins(costs: Sequence[Floats]) -> Bins:
    """Bins over the range of cost that all samples share; children outside count for nothing.

    A bin where some sample has fewer than `LEAST` children counts for nothing either, as no weight could make up for
    what is not there. Raises `ComparisonError` where no bin is left.
    """
    low, high = max(float(own.min()) for own in costs), min(float(own.max()) for own in costs)
    inside = min(int(((own >= low) & (own <= high)).sum()) for own in costs)
    number = min(MOST_BINS, max(1, inside // PER_BIN))
    edges = np.geomspace(low, max(high, low), number + 1)
    edges[0], edges[-1] = low, high  # whatever rounding made of them
    places = [np.clip(np.searchsorted(edges, own, side="right") - 1, 0, number - 1) for own in costs]
    places = [np.where((own >= low) & (own <= high), place, -1) for own, place in zip(costs, places, strict=True)]
    counts = np.array([np.bincount(place[place >= 0], minlength=number) for place in places])
    kept = counts.min(axis=0) >= LEAST
    if low > high or not kept.any():
        ranges = "; ".join(f"{own.min():.3g} to {own.max():.3g}" for own in costs)
        raise ComparisonError(
            f"the samples share no range of cost in which each has {LEAST} children: {ranges}; "
            "give a band that all spaces have, as in --constraint 'flops=10M±10%'"
        )
    return Bins(edges, tuple(np.where((place >= 0) & kept[place], place, -1) for place in places))


@dataclass(frozen=True)
class Measures:
    """What is said of a distribution, for each of some sets of weights: arrays of one row a set."""

    least: Floats
    median: Floats
    mean: Floats  # of errors, those above the bound counted as the bound
    shares: Floats  # one column for each error asked for


class Distribution:
    """The errors of one sample, ascending, each with its weight; `bins` as `Bins.places`, None to count all alike.

    `errors` and `bins` are in the order of the children; those in bin -1 are left out.
    """

    def __init__(self, errors: Floats, bins: Ints | None = None) -> None:
        places = np.zeros(len(errors), dtype=np.int64) if bins is None else bins
        kept = places >= 0
        order = np.argsort(errors[kept], kind="stable")
        self.errors: Floats = errors[kept][order]
        self.bins: Ints = places[kept][order]

    @cached_property
    def weights(self) -> Floats:
        """One weight a child, together 1."""
        found: Floats = self._weigh(np.ones((1, len(self.errors))))[0]
        return found

    @property
    def effective(self) -> float:
        """How many children of equal weight would say as much (Kish 1965): 1 / sum of squared weights."""
        return float(1 / (self.weights**2).sum())

    def measures(self, at: Floats, bound: float) -> Measures:
        """The measures of the sample itself, as one row; `at`: errors of which the share is asked."""
        return self._measure(self.weights[None], at, bound)

    def resampled(self, at: Floats, bound: float, resamples: int, rng: np.random.Generator) -> Measures:
        """The measures of so many bootstrap samples: as many children, drawn with replacement, weighted anew."""
        rows = [self._measure(self._weigh(counts), at, bound) for counts in self._counts(resamples, rng)]
        return Measures(*(np.concatenate([getattr(row, name) for row in rows]) for name in Measures.__annotations__))

    def _counts(self, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
        """How often each child is in each bootstrap sample."""
        size = len(self.errors)
        step = max(1, CHUNK // size)
        for first in range(0, resamples, step):
            yield rng.multinomial(size, np.full(size, 1 / size), min(step, resamples - first)).astype(np.float64)

    def _weigh(self, counts: Floats) -> Floats:
        """The weights of children that are there so many times: every bin that has some counts alike."""
        one_hot = (self.bins[:, None] == np.unique(self.bins)).astype(np.float64)
        in_bin = counts @ one_hot
        each = np.divide(1.0, in_bin, out=np.zeros_like(in_bin), where=in_bin > 0)
        found: Floats = counts * (each @ one_hot.T) / (in_bin > 0).sum(axis=1, keepdims=True)
        return found

    def _measure(self, weights: Floats, at: Floats, bound: float) -> Measures:
        sums = np.cumsum(weights, axis=1)
        # Where the sum is one half just so, the median is half way to the next error, as of an even number of values.
        lower = (sums < 0.5 - _SLACK).sum(axis=1)
        upper = (sums <= 0.5 + _SLACK).sum(axis=1)
        padded = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
        return Measures(
            least=self.errors[(weights > 0).argmax(axis=1)],
            median=(self.errors[lower] + self.errors[np.minimum(upper, len(self.errors) - 1)]) / 2,
            mean=weights @ np.minimum(self.errors, bound),
            shares=np.minimum(padded[:, np.searchsorted(self.errors, at, side="right")], 1.0),
        )


def interval(values: Floats, level: float) -> tuple[float, float]:
    """The percentiles that leave out (1 - level) / 2 of the values at either end."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Test:
    """A statistic, how likely one as large is if the two distributions are one, and how that was found."""

    statistic: float
    p_value: float
    method: str


def kolmogorov_smirnov(one: Distribution, other: Distribution, resamples: int, rng: np.random.Generator) -> Test:
    """The largest gap between two EDFs, and its p-value.

    Without bins from its exact or asymptotic distribution (scipy). With bins the EDFs are weighted, for which there is
    no table: children change sides at random within their bin, `resamples` times (a permutation test, exact
    under the hypothesis that networks of equal cost err alike in both spaces).
    """
    if not one.bins.any() and not other.bins.any():
        from scipy.stats import ks_2samp

        found = ks_2samp(one.errors, other.errors)
        return Test(float(found.statistic), float(found.pvalue), "two-sample Kolmogorov-Smirnov")
    errors, bins = np.concatenate([one.errors, other.errors]), np.concatenate([one.bins, other.bins])
    order = np.argsort(errors, kind="stable")
    last = np.append(np.diff(errors[order]) > 0, True)  # of children with one error
    signed = np.concatenate([one.weights, -other.weights])

    def gap(weights: Floats) -> float:
        return float(np.abs(np.cumsum(weights[order])[last]).max())

    found_gap = gap(signed)
    groups = [np.flatnonzero(bins == place) for place in np.unique(bins)]
    reached = 0
    for _ in range(resamples):
        shuffled = signed.copy()
        for group in groups:
            shuffled[group] = rng.permutation(signed[group])
        reached += gap(shuffled) >= found_gap - _SLACK
    return Test(found_gap, (reached + 1) / (resamples + 1), "permutation within bins of cost")


def round_errors(errors: Floats, shares: Sequence[float]) -> Floats:
    """Errors at most which these shares of all are, rounded up to a tenth of a point, or finer where they are close."""
    found = np.quantile(errors, shares, method="higher")
    spread = float(found.max() - found.min()) or float(found.max()) or 1.0
    digits = max(3, 1 - math.floor(math.log10(spread)))
    return np.unique(np.round(np.ceil(found * 10**digits - _SLACK) / 10**digits, digits))
