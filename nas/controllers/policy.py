"""Policies over a space's points, trained by policy gradient, in numpy.

A policy samples points and takes one gradient step on points with advantages. `CategoricalPolicy` is the plainest
one: each axis has its own distribution, independent of the others.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from searchspaces import Point, Space

Vector = npt.NDArray[np.float64]


class Policy(Protocol):
    """What REINFORCE needs of a distribution over points."""

    def sample(self, rng: random.Random) -> Point:
        """A point drawn from the policy."""
        ...

    def entropy(self, point: Point) -> float:
        """The entropy, in nats, of the choices met on the way to this point; its mean over points is the policy's."""
        ...

    def step(self, points: Sequence[Point], advantages: Sequence[float], entropy_bonus: float) -> None:
        """One ascent step on mean(advantage * log-probability + entropy_bonus * entropy)."""
        ...


class CategoricalPolicy:
    """A categorical distribution for each axis, from logits that start at zero, so uniform.

    An axis that is not active in a point takes no part in it: neither sampled nor trained by it.
    """

    def __init__(self, space: Space, learning_rate: float) -> None:
        self._space = space
        ends = np.cumsum([0, *(len(axis) for axis in space.axes)]).tolist()
        self._slices = {axis.name: slice(ends[i], ends[i + 1]) for i, axis in enumerate(space.axes)}
        self._logits = np.zeros(ends[-1])
        self._adam = Adam(ends[-1], learning_rate)

    def probabilities(self, axis: str) -> Vector:
        """The distribution over the axis's choices."""
        logits = self._logits[self._slices[axis]]
        weights = np.exp(logits - logits.max())
        normalised: Vector = weights / weights.sum()
        return normalised

    def sample(self, rng: random.Random) -> Point:
        """A point drawn axis by axis, parents first."""
        choices: dict[str, int] = {}
        while axis := self._space.next_axis(choices):
            weights = self.probabilities(axis.name).tolist()
            choices[axis.name] = rng.choices(range(len(axis)), weights)[0]
        return self._space.point(choices)

    def entropy(self, point: Point) -> float:
        """The sum of the entropies of the point's axes, in nats."""
        return sum(_entropy(self.probabilities(axis)) for axis in point)

    def step(self, points: Sequence[Point], advantages: Sequence[float], entropy_bonus: float) -> None:
        """One Adam step along the gradient (Williams 1992, eq. 4, for softmax units)."""
        gradient = np.zeros_like(self._logits)
        for point, advantage in zip(points, advantages, strict=True):
            for axis, choice in point.items():
                p = self.probabilities(axis)
                part = gradient[self._slices[axis]]  # a view
                part -= advantage * p
                part[choice] += advantage
                part -= entropy_bonus * p * (np.log(p + 1e-300) + _entropy(p))
        self._logits += self._adam.direction(gradient / len(points))


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) for one vector of parameters."""

    def __init__(self, size: int, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
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


def _entropy(p: Vector) -> float:
    return float(-(p * np.log(p + 1e-300)).sum())
