"""How much the choices of an axis matter: epsilon squared, the share of variance between them, freed of its bias."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

METHOD = (
    "epsilon squared (Kelley 1935): the share of the variance that lies between the choices of the axis, corrected "
    "for what chance alone would give; a conditional axis explains only the trials to which it applies"
)


def importance(choices: npt.NDArray[np.int16], values: npt.NDArray[np.float64]) -> float | None:
    """The measure in [0, 1]; None where it has no meaning: one choice, no variance, or no repeated choice.

    `choices`: -1 where the axis does not apply. Between choices of the trials to which it applies, relative to the
    variance of all trials, so that a conditional axis takes no credit for what its parent explains.
    """
    known = np.isfinite(values)
    choices, values = choices[known], values[known]
    applies = choices >= 0
    inside, groups = values[applies], choices[applies]
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    kinds = np.unique(groups)
    freedom = len(inside) - len(kinds)
    if len(kinds) < 2 or freedom < 1 or total <= 0:
        return None
    counts = np.bincount(groups)[kinds]
    means = np.bincount(groups, weights=inside)[kinds] / counts
    between = float((counts * (means - inside.mean()) ** 2).sum())
    within = max(0.0, float(((inside - inside.mean()) ** 2).sum()) - between)
    chance = (len(kinds) - 1) * within / freedom
    return min(1.0, max(0.0, (between - chance) / total))
