"""A Gaussian process over feature rows: hyperparameters by evidence, and a posterior over a pool of candidates.

Matérn 5/2 kernel with one relevance a group of features (Rasmussen & Williams 2006, chapters 2 and 5). Targets are
standardised inside; what comes out is in their own units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Rows = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

# Log-normal priors (mean, deviation of the logarithm). Relevances are inverse squared length scales; features lie in
# [0, 1] or have unit deviation, so at 0.3 a function changes over about two of their ranges.
RELEVANCE, AMPLITUDE, NOISE = (np.log(0.3), 1.5), (0.0, 1.0), (np.log(0.02), 1.0)
# From so many axes on, each is expected to matter less (Hvarfner et al. 2024): or else, in a space of many, every
# candidate would be far from all that is known.
FEW = 4
REACH = 4.0  # deviations of the prior within which a hyperparameter stays
RIDGE = 1.0  # results, of unit spread, that hold the trend level
JITTER = 1e-6
FITTED = 160  # rows that hyperparameters are fitted on: the evidence costs their cube
OUTLIER = 3.0  # interquartile ranges below the median at which a target is cut: failures say "bad", not how bad


@dataclass(frozen=True)
class Columns:
    """What the columns of the rows are: `axes` and `costs` list the columns that share a relevance.

    `trend`: the column along which a straight line is expected before anything is known; None for none. Accuracy
    grows with the logarithm of the FLOPs, whatever the space (Tan & Le 2019, figure 3).
    """

    axes: tuple[tuple[int, ...], ...]
    costs: tuple[tuple[int, ...], ...] = ()
    trend: int | None = None

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """All that have a relevance of their own."""
        return (*self.axes, *self.costs)


class GaussianProcess:
    """A regression from rows of features to a number: a line along the trend, and what departs from it."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        relevance, width = RELEVANCE
        less = np.log(max(1.0, len(columns.axes) / FEW))
        relevances = [relevance - less] * len(columns.axes) + [relevance] * len(columns.costs)
        count = len(relevances)
        self._centres = np.array([*relevances, AMPLITUDE[0], NOISE[0]])
        self._widths = np.array([*[width] * count, AMPLITUDE[1], NOISE[1]])
        self._theta = self._centres.copy()
        self.rows: Rows = np.empty((0, 0))

    @property
    def noise(self) -> float:
        """The fitted deviation of the noise, in units of the targets' deviation."""
        return float(np.exp(self._theta[-1] / 2))

    def fit(self, rows: Rows, targets: Vector, steps: int = 15) -> None:
        """Refit the hyperparameters: up to `steps` of L-BFGS on the evidence times the priors, from where they are."""
        if len(rows) > FITTED:  # the newest lie where the search is; the others are taken evenly
            late = len(rows) - FITTED // 2
            chosen = np.r_[np.linspace(0, late - 1, FITTED - FITTED // 2).astype(int), late : len(rows)]
            rows, targets = rows[chosen], targets[chosen]
        parts = [rows[:, group] for group in map(list, self._columns.groups)]
        distances = np.stack([_squared(part, part) for part in parts])
        goal = _standardised(targets)[0]
        goal = goal - self._line(rows, goal)(rows)
        reach = REACH * self._widths
        found = minimize(
            _evidence,
            self._theta,
            (distances, goal, self._centres, self._widths),
            "L-BFGS-B",
            jac=True,
            bounds=np.stack([self._centres - reach, self._centres + reach], axis=1),  # beyond, exponentials overflow
            options={"maxiter": steps},
        )
        if np.isfinite(found.x).all():
            self._theta = found.x

    def condition(self, rows: Rows, targets: Vector) -> None:
        """Take these rows as what is known."""
        self.rows = rows
        goal, self._mean, self._scale = _standardised(targets)
        self._trend = self._line(rows, goal)
        weights, amplitude, noise = self._parameters()
        scaled = rows * weights
        kernel = amplitude * _matern(_squared(scaled, scaled)) + noise * np.eye(len(rows))
        self._factor = cholesky(kernel, lower=True)
        self._solved = solve_triangular(self._factor, goal - self._trend(rows), lower=True)

    def posterior(self, candidates: Rows) -> Posterior:
        """Mean and deviation at each candidate, ready to be told what to believe about some."""
        weights, amplitude, noise = self._parameters()
        cross = amplitude * _matern(_squared(self.rows * weights, candidates * weights))
        half = solve_triangular(self._factor, cross, lower=True)
        mean = half.T @ self._solved + self._trend(candidates)
        variance = np.maximum(amplitude - np.einsum("ij,ij->j", half, half), 1e-9)
        return Posterior(candidates * weights, half, mean, variance, amplitude, noise, self._mean, self._scale)

    def _line(self, rows: Rows, goal: Vector) -> Callable[[Rows], Vector]:
        """The trend of standardised targets, by ridge regression."""
        column = self._columns.trend
        if column is None:
            return lambda wanted: np.zeros(len(wanted))
        centre = float(rows[:, column].mean())
        along = rows[:, column] - centre
        slope = float(along @ goal) / (float(along @ along) + RIDGE)
        return lambda wanted: slope * (wanted[:, column] - centre)

    def _parameters(self) -> tuple[Vector, float, float]:
        """The square roots of the relevances for each column, the amplitude and the noise."""
        groups = self._columns.groups
        weights = np.empty(sum(map(len, groups)))
        roots: list[float] = np.exp(0.5 * self._theta).tolist()
        for group, weight in zip(groups, roots, strict=False):
            weights[list(group)] = weight
        return weights, float(np.exp(self._theta[-2])), float(np.exp(self._theta[-1])) + JITTER


class Posterior:
    """What is believed of a pool of candidates."""

    def __init__(
        self,
        scaled: Rows,
        half: Rows,
        mean: Vector,
        variance: Vector,
        amplitude: float,
        noise: float,
        shift: float,
        scale: float,
    ) -> None:
        self._scaled, self._half, self._mean, self._variance = scaled, half, mean, variance
        self._amplitude, self._noise, self._shift, self._scale = amplitude, noise, shift, scale

    @property
    def mean(self) -> Vector:
        """The expected value of each candidate."""
        return self._shift + self._scale * self._mean

    @property
    def deviation(self) -> Vector:
        """The standard deviation of each candidate's value, without noise."""
        return self._scale * np.sqrt(self._variance)

    def believe(self, index: int) -> None:
        """Take one candidate's mean as its value (a child in flight): the others' deviations shrink near it.

        The rank-one step of a Cholesky factor, O(rows × candidates), (Ginsbourger et al. 2010, kriging believer).
        """
        cross = self._amplitude * _matern(_squared(self._scaled[index : index + 1], self._scaled))[0]
        column = self._half[:, index]
        pivot = np.sqrt(max(float(self._amplitude + self._noise - column @ column), 1e-9))
        row = (cross - column @ self._half) / pivot
        self._half = np.vstack([self._half, row])
        self._variance = np.maximum(self._variance - row * row, 1e-9)


def worst_that_counts(targets: Vector) -> float:
    """The least target, or where the low outliers begin."""
    low, middle, high = np.percentile(targets, (25, 50, 75))
    least = float(targets.min())
    return max(least, float(middle - OUTLIER * (high - low))) if high > low else least


def _standardised(targets: Vector) -> tuple[Vector, float, float]:
    """Targets without low outliers, with mean 0 and deviation 1; the mean and deviation that they had."""
    kept = np.maximum(targets, worst_that_counts(targets))
    deviation = float(kept.std())
    scale = deviation if deviation > 1e-12 * max(1.0, abs(float(kept.mean()))) else 1.0
    return (kept - kept.mean()) / scale, float(kept.mean()), scale


def _squared(first: Rows, second: Rows) -> Rows:
    """Squared distances between rows."""
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
    positive: Rows = np.maximum(squares, 0.0)
    return positive


def _matern(squares: Rows) -> Rows:
    root = np.sqrt(5 * squares + 1e-12)
    kernel: Rows = (1 + root + root * root / 3) * np.exp(-root)
    return kernel


def _evidence(theta: Vector, distances: Rows, goal: Vector, centres: Vector, widths: Vector) -> tuple[float, Vector]:
    """The negative log evidence plus that of the priors, and its gradient (Rasmussen & Williams 2006, eq. 5.9)."""
    groups = len(distances)
    relevances, amplitude, noise = np.exp(theta[:groups]), np.exp(theta[-2]), np.exp(theta[-1])
    root = np.sqrt(5 * np.tensordot(relevances, distances, 1) + 1e-12)
    fading = np.exp(-root)
    shape = (1 + root + root * root / 3) * fading
    try:
        factor = cholesky(amplitude * shape + (noise + JITTER) * np.eye(len(goal)), lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse = cho_solve((factor, True), np.eye(len(goal)))
    solved = inverse @ goal
    pull = inverse - np.outer(solved, solved)
    slope = pull * (-5 / 6) * (1 + root) * fading
    gradient = np.empty_like(theta)
    gradient[:groups] = 0.5 * amplitude * relevances * np.tensordot(distances, slope, 2)
    gradient[-2] = 0.5 * amplitude * (pull * shape).sum()
    gradient[-1] = 0.5 * noise * np.trace(pull)
    value = 0.5 * goal @ solved + np.log(np.diag(factor)).sum()
    offset = (theta - centres) / widths
    return float(value + 0.5 * offset @ offset), gradient + offset / widths
