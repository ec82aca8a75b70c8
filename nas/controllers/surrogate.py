"""What is expected of candidates: a Gaussian process for what is measured, the price for what is exact, and the gain.

Inside, every objective is maximised: costs are negated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.controllers.acquisition import expected_area, expected_improvement, expected_volume
from nas.controllers.gaussian import Columns, GaussianProcess, Posterior, worst_that_counts

Rows = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

WIDE = 20.0  # costs that span more than this ratio are compared on a logarithmic scale


@dataclass(frozen=True)
class Known:
    """Points as the model sees them: `rows` (points, features), `values` (points, objectives).

    Of points that are not trained yet, the values of measured objectives mean nothing.
    """

    rows: Rows
    values: Rows


class Surrogate:
    """Gaussian processes over the same columns, one for each of the `measured` objectives (their places)."""

    def __init__(self, columns: Columns, measured: Sequence[int]) -> None:
        self.measured = list(measured)
        self._processes = [GaussianProcess(columns) for _ in measured]
        self._fresh = True

    @property
    def noise(self) -> float:
        """The deviation of the first measured objective's noise, relative to its values' deviation."""
        return self._processes[0].noise if self._processes else 0.0

    def fit(self, results: Known) -> None:
        """Fit the hyperparameters."""
        for process, place in zip(self._processes, self.measured, strict=True):
            process.fit(results.rows, results.values[:, place], steps=40 if self._fresh else 15)
        self._fresh = False

    def judge(self, results: Known, flying: Known, pool: Known) -> Judgement:
        """What is expected of the pool. A child in flight is believed to come out as expected."""
        believed = flying.values.copy()
        posteriors: list[Posterior] = []
        for process, place in zip(self._processes, self.measured, strict=True):
            process.condition(results.rows, results.values[:, place])
            if len(believed):
                believed[:, place] = process.posterior(flying.rows).mean
                rows = np.vstack([results.rows, flying.rows])
                process.condition(rows, np.append(results.values[:, place], believed[:, place]))
            if len(pool.rows):
                posteriors.append(process.posterior(pool.rows))
        frame = Frame.around(results.values, pool.values, self.measured)
        return Judgement(posteriors, self.measured, pool.values, np.vstack([results.values, believed]), frame)


@dataclass(frozen=True)
class Frame:
    """How objectives become comparable gains: zero at the reference, about one at the best that is known."""

    origin: Vector
    scale: Vector
    wide: npt.NDArray[np.bool_]  # of costs over several powers of ten, the logarithm counts

    @classmethod
    def around(cls, results: Rows, pool: Rows, measured: Sequence[int]) -> Frame:
        """From the worst result that is no outlier for what is measured, the dearest candidate for what is exact."""
        count = results.shape[1]
        origin, scale, wide = np.zeros(count), np.ones(count), np.zeros(count, dtype=bool)
        for place in range(count):
            column = results[:, place]
            if place in measured:
                low, high = worst_that_counts(column), float(column.max())
            else:
                every = np.concatenate([column, pool[:, place]])
                near, far = np.quantile(every, (0.95, 0.05))  # costs are negative: the far end is the dearer one
                wide[place] = bool(near < 0 and far / near > WIDE)
                scaled = -np.log(np.maximum(-every, 1e-12)) if wide[place] else every
                low, high = float(scaled.min()), float(scaled.max())
            origin[place] = low
            scale[place] = high - low if high > low else 1.0
        return cls(origin, scale, wide)

    def __call__(self, values: Rows) -> Rows:
        """(points, objectives) as gains."""
        moved = np.where(self.wide, -np.log(np.maximum(-values, 1e-12)), values)
        framed: Rows = (moved - self.origin) / self.scale
        return framed


class Judgement:
    """Expected values and expected gains of a pool, changed by what is believed as candidates are taken."""

    def __init__(
        self, posteriors: list[Posterior], measured: Sequence[int], exact: Rows, known: Rows, frame: Frame
    ) -> None:
        self._posteriors, self._measured, self._exact, self._frame = posteriors, measured, exact, frame
        self._front = frame(known)
        self._taken = np.zeros(len(exact), dtype=bool)

    def means(self) -> Rows:
        """(candidates, objectives): the expected values, exact where they are known."""
        means = self._exact.copy()
        for posterior, place in zip(self._posteriors, self._measured, strict=True):
            means[:, place] = posterior.mean
        return means

    def gains(self) -> Vector:
        """The expected gain of each candidate; those that were taken have none."""
        means = self._frame(self.means())
        deviations = np.zeros_like(means)
        for posterior, place in zip(self._posteriors, self._measured, strict=True):
            deviations[:, place] = posterior.deviation / self._frame.scale[place]
        gains = self._gains(means, deviations)
        # Rounded, so that another machine's last digit does not decide between two that are as good.
        return np.where(self._taken, -np.inf, np.round(gains, 12))

    def take(self, index: int) -> None:
        """Believe that this candidate comes out as expected."""
        believed = self._frame(self.means()[index : index + 1])
        for posterior in self._posteriors:
            posterior.believe(index)
        self._front = np.vstack([self._front, believed])
        self._taken[index] = True

    def _gains(self, means: Rows, deviations: Rows) -> Vector:
        count = means.shape[1]
        if not self._measured:
            gain: Vector = means.min(axis=1)  # nothing is uncertain: the best compromise
            return gain
        if count == 1:
            return expected_improvement(means[:, 0], deviations[:, 0], float(self._front[:, 0].max()))
        if count == 2 and len(self._measured) == 1:
            first = self._measured[0]
            order = [first, 1 - first]
            return expected_area(means[:, first], deviations[:, first], means[:, 1 - first], self._front[:, order])
        return expected_volume(means, deviations, self._front, np.random.default_rng(0))
