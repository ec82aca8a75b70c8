"""Stratified, seeded choice of the training and the validation images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError


def choose(
    labels: NDArray[np.int64], classes: Sequence[str], *, fraction: float, validation: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the training and of the validation images, each in ascending order and disjoint.

    Of every class, `fraction` of its images are used (rounded, at least one), and `validation` of those are
    held out (rounded, at least one, never all; none when `validation` is 0). What a smaller fraction
    trains on, a larger one with the same seed trains on too, and likewise for validation: so no image changes
    sides between fidelities. Raises DataError when a class is too small to be split.
    """
    by_class = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[by_class], np.arange(len(classes) + 1))
    train, held = [], []
    for label, name in enumerate(classes):
        members = by_class[bounds[label] : bounds[label + 1]]
        used = max(1, _rounded(fraction * len(members)))
        if validation and used < 2:
            raise DataError(
                f"class {name!r} is too small: {used} of its {len(members)} training images in use (fraction "
                f"{fraction:g}), and holding out validation needs 2; add images or raise fraction"
            )
        # The legacy generator's stream is frozen, so that a split is the same under every NumPy.
        order = members[np.random.RandomState([seed, label]).permutation(len(members))]
        border = _held(len(members), validation)
        count = _held(used, validation)
        held.append(order[:count])
        train.append(order[border : border + used - count])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held))


def _held(images: int, share: float) -> int:
    return min(max(1, _rounded(share * images)), images - 1) if share else 0


def _rounded(value: float) -> int:
    return int(value + 0.5)
