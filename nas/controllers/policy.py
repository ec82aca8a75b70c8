"""Policies over a space's points, trained by policy gradient, in numpy.

A policy samples points, and climbs a gradient that weighs the log-probabilities of points. `CategoricalPolicy` is the
plainest one: each axis has its own distribution, independent of the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from searchspaces.point import Point

if TYPE_CHECKING:
    from searchspaces import Space

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]  # a row a point, a column an axis: the choice, or -1 where the axis is not active

NEVER = -1e30  # the logit of a choice that an axis does not have


class Policy(Protocol):
    """What a policy gradient needs of a distribution over points."""

    def sample(self, rng: random.Random, count: int) -> list[Point]:
        """Points drawn from the policy, independently of each other."""
        ...

    def log_probabilities(self, points: Sequence[Point]) -> Vector:
        """The logarithm of each point's probability."""
        ...

    def entropies(self, points: Sequence[Point]) -> Vector:
        """For each point the entropy, in nats, of the choices met on the way to it; the mean is the policy's."""
        ...

    def step(self, points: Sequence[Point], weigh: Callable[[Vector], Vector], entropy_bonus: float) -> None:
        """One ascent step on mean(weight * log-probability + entropy_bonus * entropy).

        `weigh` gives the weights, which count as constants, from the log-probabilities.
        """
        ...


class Layout:
    """The axes of a space as columns of `Codes`, and which of a column's choices exist."""

    def __init__(self, space: Space) -> None:
        self.axes = space.axes
        self.column = {axis.name: column for column, axis in enumerate(space.axes)}
        self.choices = max((len(axis) for axis in space.axes), default=1)
        exists = np.arange(self.choices) < np.array([len(axis) for axis in space.axes], dtype=np.int64)[:, None]
        self.allowed = np.where(exists, 0.0, NEVER)  # to add to logits

    def codes(self, points: Sequence[Point]) -> Codes:
        """The points as numbers."""
        found = np.full((len(points), len(self.axes)), -1)
        for row, point in enumerate(points):
            for name, choice in point.items():
                found[row, self.column[name]] = choice
        return found

    def points(self, codes: Codes) -> list[Point]:
        """The numbers as points."""
        names = list(self.column)
        return [
            Point({name: code for name, code in zip(names, row, strict=True) if code >= 0}) for row in codes.tolist()
        ]

    def active(self, column: int, codes: Codes) -> npt.NDArray[np.bool_]:
        """Which rows have this axis, once the columns before it are known."""
        found = np.zeros(len(codes), dtype=bool)
        for condition in self.axes[column].conditions:
            met = np.ones(len(codes), dtype=bool)
            for parent, choice in condition:
                met &= codes[:, self.column[parent]] == choice
            found |= met
        return found


def log_softmax(logits: Vector) -> Vector:
    """The logarithm of the softmax over the last dimension."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Vector = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def draw(probabilities: Vector, uniform: Vector) -> Codes:
    """A choice for each row of probabilities, from a number in [0, 1) for each."""
    below = probabilities.cumsum(axis=-1) <= (uniform * probabilities.sum(axis=-1))[:, None]
    found: Codes = below.sum(axis=-1)
    return found


def uniforms(rng: random.Random, count: int) -> Vector:
    """Numbers in [0, 1)."""
    return np.array([rng.random() for _ in range(count)])


class CategoricalPolicy:
    """A categorical distribution for each axis, from logits that start at zero, so uniform.

    An axis that is not active in a point takes no part in it: neither sampled nor trained by it.
    """

    def __init__(self, space: Space, learning_rate: float) -> None:
        self._layout = Layout(space)
        self._logits = np.zeros((len(space.axes), self._layout.choices))
        self._adam = Adam(self._logits.size, learning_rate)

    def probabilities(self, axis: str) -> Vector:
        """The distribution over the axis's choices."""
        column = self._layout.column[axis]
        found: Vector = np.exp(self._log_p()[column, : len(self._layout.axes[column])])
        return found

    def sample(self, rng: random.Random, count: int) -> list[Point]:
        """Points drawn axis by axis, parents first."""
        p = np.exp(self._log_p())
        codes = np.full((count, len(p)), -1)
        for column in range(len(p)):
            rows = np.flatnonzero(self._layout.active(column, codes))
            codes[rows, column] = draw(np.tile(p[column], (len(rows), 1)), uniforms(rng, len(rows)))
        return self._layout.points(codes)

    def log_probabilities(self, points: Sequence[Point]) -> Vector:
        """The sum of the logarithms of the point's choices' probabilities."""
        return self._logs(self._layout.codes(points))

    def entropies(self, points: Sequence[Point]) -> Vector:
        """The sum of the entropies of the point's axes, in nats."""
        log_p = self._log_p()
        found: Vector = (self._layout.codes(points) >= 0) @ -(np.exp(log_p) * log_p).sum(axis=1)
        return found

    def step(self, points: Sequence[Point], weigh: Callable[[Vector], Vector], entropy_bonus: float) -> None:
        """One Adam step along the gradient (Williams 1992, eq. 4, for softmax units)."""
        codes = self._layout.codes(points)
        weights = weigh(self._logs(codes))
        log_p = self._log_p()
        p = np.exp(log_p)
        active = codes >= 0
        gradient = -(weights @ active)[:, None] * p
        for column in range(codes.shape[1]):
            rows = np.flatnonzero(active[:, column])
            np.add.at(gradient[column], codes[rows, column], weights[rows])
        entropy = -(p * log_p).sum(axis=1, keepdims=True)
        gradient -= entropy_bonus * active.sum(axis=0)[:, None] * p * (log_p + entropy)
        self._logits += self._adam.direction(gradient.ravel() / len(points)).reshape(gradient.shape)

    def _log_p(self) -> Vector:
        return log_softmax(self._logits + self._layout.allowed)

    def _logs(self, codes: Codes) -> Vector:
        log_p = self._log_p()
        chosen = np.where(codes >= 0, log_p[np.arange(len(log_p)), codes], 0.0)  # -1 is some column, and masked
        found: Vector = chosen.sum(axis=1)
        return found


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) for one vector of parameters, at one rate or a rate each."""

    def __init__(self, size: int, learning_rate: float | Vector, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self._learning_rate, self._beta1, self._beta2 = learning_rate, beta1, beta2
        self._mean, self._square = np.zeros(size), np.zeros(size)
        self._steps = 0

    def direction(self, gradient: Vector) -> Vector:
        """What to add to the parameters to ascend along `gradient`."""
        self._steps += 1
        self._mean = self._beta1 * self._mean + (1 - self._beta1) * gradient
        self._square = self._beta2 * self._square + (1 - self._beta2) * gradient**2
        mean = self._mean / (1 - self._beta1**self._steps)
        square = self._square / (1 - self._beta2**self._steps)
        move: Vector = self._learning_rate * mean / (np.sqrt(square) + 1e-8)
        return move
