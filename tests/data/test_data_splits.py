from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.data.splits import choose
from nas.errors import DataError

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=120).map(
    lambda drawn: np.array([*drawn, *[0, 1, 2, 3] * 12], np.int64)
)
NAMES = ("a", "b", "c", "d")
SHARES = st.floats(0.2, 1)
HELD = st.floats(0, 0.95)


@given(LABELS, SHARES, HELD, st.integers(0, 2**32 - 1))
def test_splits_are_disjoint_and_in_proportion(
    labels: np.ndarray, fraction: float, validation: float, seed: int
) -> None:
    train, held = choose(labels, NAMES, fraction=fraction, validation=validation, seed=seed)
    assert not set(train) & set(held)
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    for label in range(4):
        total = (labels == label).sum()
        used = (labels[train] == label).sum() + (labels[held] == label).sum()
        out = (labels[held] == label).sum()
        assert abs(used - fraction * total) <= 0.5
        assert (labels[train] == label).any()
        if validation == 0:
            assert out == 0
        else:
            assert out == np.clip(np.floor(used * validation + 0.5), 1, used - 1)


@given(LABELS, SHARES, SHARES, HELD, st.integers(0, 9))
def test_no_image_changes_sides_between_fractions(
    labels: np.ndarray, one: float, other: float, validation: float, seed: int
) -> None:
    small, large = sorted((one, other))
    train, held = choose(labels, NAMES, fraction=small, validation=validation, seed=seed)
    more_train, more_held = choose(labels, NAMES, fraction=large, validation=validation, seed=seed)
    assert set(train) <= set(more_train)
    assert set(held) <= set(more_held)


def test_the_split_of_a_seed_is_what_it_always_was() -> None:
    train, held = choose(np.arange(20) % 2, ("a", "b"), fraction=0.5, validation=0.4, seed=7)
    assert (train.tolist(), held.tolist()) == ([5, 7, 8, 12, 15, 18], [0, 2, 17, 19])


def test_seeds_differ() -> None:
    labels = np.arange(200) % 2
    first, second = (choose(labels, ("a", "b"), fraction=1, validation=0.1, seed=seed)[1] for seed in (0, 1))
    assert first.tolist() != second.tolist()


def test_a_tiny_fraction_keeps_one_of_each_class() -> None:
    train, held = choose(np.arange(200) % 4, NAMES, fraction=1e-6, validation=0, seed=0)
    assert sorted(train % 4) == [0, 1, 2, 3]
    assert len(held) == 0


@pytest.mark.parametrize(("count", "fraction"), [(1, 1.0), (10, 0.1)])
def test_too_few_images_to_hold_one_out(count: int, fraction: float) -> None:
    labels = np.array([0] * 50 + [1] * count)
    with pytest.raises(
        DataError, match=rf"class 'dog' is too small: 1 of its {count} training images .*raise fraction"
    ):
        choose(labels, ("cat", "dog"), fraction=fraction, validation=0.1, seed=0)
