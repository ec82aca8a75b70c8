"""An autoregressive policy: an LSTM that chooses axis by axis, each choice in view of those before (Zoph & Le 2017).

The gradient is backpropagation through time, by hand. The LSTM is that of Hochreiter & Schmidhuber 1997 with a forget
gate (Gers et al. 2000).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.controllers.policy import Adam, Codes, Layout, Vector, draw, log_softmax, uniforms

if TYPE_CHECKING:
    from searchspaces import Point, Space


@dataclass
class Step:
    """One axis, for the rows that have it: what the backward pass needs of the forward pass."""

    column: int
    rows: npt.NDArray[np.int64]
    inputs: Vector  # (rows, embedding + hidden): the previous choice, and the state before
    gates: Vector  # (rows, 4 * hidden): input, forget and output gate, candidate
    memory: tuple[Vector, Vector]  # the cell before and after
    hidden: Vector
    log_p: Vector  # (rows, choices)
    previous: npt.NDArray[np.int64]  # (rows,) which embedding was the input


class RecurrentPolicy:
    """An LSTM reads the choices so far, as embeddings, and a softmax layer for each axis makes the next choice.

    Axes come in the space's order, parents first. An axis that is not active is skipped: it neither reads nor writes
    the state. The softmax layers start at zero, so that the first points are uniform. Their biases have a learning
    rate of their own: alone they are `CategoricalPolicy`, whose rate is far too high for the rest.
    """

    def __init__(
        self,
        space: Space,
        learning_rate: float,
        bias_rate: float,
        seed: int,
        hidden: int = 32,
        embedding: int = 16,
    ) -> None:
        self._layout = layout = Layout(space)
        self._hidden, self._embedding = hidden, embedding
        axes, choices = len(layout.axes), layout.choices
        shapes = {
            "embedding": (axes * choices + 1, embedding),  # the last is what the first axis reads
            "cell": (embedding + hidden, 4 * hidden),
            "cell_bias": (4 * hidden,),
            "head": (axes, hidden, choices),
            "head_bias": (axes, choices),
        }
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())]).tolist()
        self._slices = {name: (slice(a, b), shapes[name]) for name, a, b in zip(shapes, ends, ends[1:], strict=False)}
        self._parameters = np.zeros(ends[-1])
        numbers = np.random.default_rng(seed)
        at = self._views(self._parameters)
        at["embedding"][:] = numbers.normal(size=shapes["embedding"])
        at["cell"][:] = numbers.uniform(-1, 1, size=shapes["cell"]) / np.sqrt(hidden)
        at["cell_bias"][hidden : 2 * hidden] = 1.0  # remember, to begin with (Jozefowicz et al. 2015)
        rates = np.full(ends[-1], learning_rate)
        self._views(rates)["head_bias"][:] = bias_rate
        self._adam = Adam(ends[-1], rates)

    def sample(self, rng: random.Random, count: int) -> list[Point]:
        """Points drawn axis by axis, parents first."""
        codes = np.full((count, len(self._layout.axes)), -1)
        self._forward(codes, rng)
        return self._layout.points(codes)

    def log_probabilities(self, points: Sequence[Point]) -> Vector:
        """The sum of the logarithms of the choices' conditional probabilities."""
        codes = self._layout.codes(points)
        return _logs(codes, self._forward(codes))

    def entropies(self, points: Sequence[Point]) -> Vector:
        """The sum of the entropies of the choices on the way to the point, in nats."""
        found = np.zeros(len(points))
        for step in self._forward(self._layout.codes(points)):
            found[step.rows] -= (np.exp(step.log_p) * step.log_p).sum(axis=1)
        return found

    def step(self, points: Sequence[Point], weigh: Callable[[Vector], Vector], entropy_bonus: float) -> None:
        """One Adam step along the gradient."""
        codes = self._layout.codes(points)
        steps = self._forward(codes)
        gradient = self._backward(codes, steps, weigh(_logs(codes, steps)), entropy_bonus)
        self._parameters += self._adam.direction(gradient)

    def _views(self, vector: Vector) -> dict[str, Vector]:
        return {name: vector[part].reshape(shape) for name, (part, shape) in self._slices.items()}

    def _forward(self, codes: Codes, rng: random.Random | None = None) -> list[Step]:
        """Reads the codes; with `rng` it writes them, from its own choices."""
        at, hidden_size = self._views(self._parameters), self._hidden
        hidden, cell = np.zeros((len(codes), hidden_size)), np.zeros((len(codes), hidden_size))
        previous = np.full(len(codes), len(at["embedding"]) - 1)
        steps = []
        for column in range(codes.shape[1]):
            active = codes[:, column] >= 0 if rng is None else self._layout.active(column, codes)
            rows = np.flatnonzero(active)
            if not len(rows):
                continue
            read = previous[rows]
            inputs = np.concatenate([at["embedding"][read], hidden[rows]], axis=1)
            gates = inputs @ at["cell"] + at["cell_bias"]
            gates[:, : 3 * hidden_size] = 0.5 * (1 + np.tanh(0.5 * gates[:, : 3 * hidden_size]))  # logistic
            gates[:, 3 * hidden_size :] = np.tanh(gates[:, 3 * hidden_size :])
            let_in, keep, let_out, candidate = np.split(gates, 4, axis=1)
            before = cell[rows]
            after = keep * before + let_in * candidate
            out = let_out * np.tanh(after)
            log_p = log_softmax(out @ at["head"][column] + at["head_bias"][column] + self._layout.allowed[column])
            if rng is not None:
                codes[rows, column] = draw(np.exp(log_p), uniforms(rng, len(rows)))
            hidden[rows], cell[rows] = out, after
            previous[rows] = column * self._layout.choices + codes[rows, column]
            steps.append(Step(column, rows, inputs, gates, (before, after), out, log_p, read))
        return steps

    def _backward(self, codes: Codes, steps: Sequence[Step], weights: Vector, entropy_bonus: float) -> Vector:
        """The gradient of the mean over rows of weight * log-probability + entropy_bonus * entropy."""
        gradient = np.zeros_like(self._parameters)
        at, to = self._views(self._parameters), self._views(gradient)
        d_hidden, d_cell = np.zeros((len(codes), self._hidden)), np.zeros((len(codes), self._hidden))
        for step in reversed(steps):
            p = np.exp(step.log_p)
            entropy = -(p * step.log_p).sum(axis=1, keepdims=True)
            d_logits = -weights[step.rows, None] * p - entropy_bonus * p * (step.log_p + entropy)
            d_logits[np.arange(len(p)), codes[step.rows, step.column]] += weights[step.rows]
            d_logits /= len(codes)
            to["head"][step.column] = step.hidden.T @ d_logits
            to["head_bias"][step.column] = d_logits.sum(axis=0)
            let_in, keep, let_out, candidate = np.split(step.gates, 4, axis=1)
            before, after = step.memory
            d_out = d_hidden[step.rows] + d_logits @ at["head"][step.column].T
            squashed = np.tanh(after)
            d_after = d_cell[step.rows] + d_out * let_out * (1 - squashed**2)
            d_gates = np.concatenate(
                [d_after * candidate, d_after * before, d_out * squashed, d_after * let_in], axis=1
            )
            logistic = step.gates[:, : 3 * self._hidden]
            d_gates[:, : 3 * self._hidden] *= logistic * (1 - logistic)
            d_gates[:, 3 * self._hidden :] *= 1 - candidate**2
            to["cell"] += step.inputs.T @ d_gates
            to["cell_bias"] += d_gates.sum(axis=0)
            d_inputs = d_gates @ at["cell"].T
            np.add.at(to["embedding"], step.previous, d_inputs[:, : self._embedding])
            d_hidden[step.rows] = d_inputs[:, self._embedding :]
            d_cell[step.rows] = d_after * keep
        return gradient


def _logs(codes: Codes, steps: Sequence[Step]) -> Vector:
    found = np.zeros(len(codes))
    for step in steps:
        found[step.rows] += step.log_p[np.arange(len(step.rows)), codes[step.rows, step.column]]
    return found
