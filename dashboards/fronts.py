"""The front of each dataset and its hypervolume, by nas.pareto: the code that the command line prints them with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas import pareto

Values = npt.NDArray[np.float64]  # one row a trial: (y, x) in natural units


def values_of(y: Values, x: Values) -> Values:
    """The rows of the pareto functions: y first, x last, so that a front ascends in x."""
    return np.column_stack([y, x])


def reference(values: Values, maximise: Sequence[bool], accuracy: bool) -> list[float]:
    """The worst values that still count: the worst x among the rows, and of y the same, but 0 for an accuracy.

    With a fixed 0 one poor child more or less does not move every other hypervolume.
    """
    if not len(values):
        return [0.0, 0.0]
    worst = [float(column.min() if more else column.max()) for column, more in zip(values.T, maximise, strict=True)]
    return [0.0 if accuracy else worst[0], worst[1]]


def front_of(values: Values, maximise: Sequence[bool], accuracy: bool) -> tuple[list[int], float, list[float]]:
    """The indices of the front ascending in x, its hypervolume, and the reference (y, x) that bounds it."""
    bound = reference(values, maximise, accuracy)
    best = pareto.front(values, maximise)
    return best, pareto.hypervolume(values[best], maximise, bound), bound
