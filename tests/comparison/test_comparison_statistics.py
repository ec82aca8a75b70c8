"""Distributions, weights, intervals and the test of two samples: by hand, against scipy, and in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.comparison.statistics import (
    LEAST,
    Distribution,
    interval,
    kolmogorov_smirnov,
    round_errors,
    shared_bins,
)
from nas.errors import ComparisonError

AT = np.array([0.1, 0.25, 1.0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_by_hand() -> None:
    one = Distribution(np.array([0.4, 0.1, 0.3, 0.2])).measures(AT, bound=0.3)
    assert one.least.tolist() == [0.1]
    assert one.median == pytest.approx([0.25])
    assert one.mean == pytest.approx([(0.1 + 0.2 + 0.3 + 0.3) / 4])
    assert one.shares == pytest.approx(np.array([[0.25, 0.5, 1.0]]))


def test_weighted_by_hand() -> None:
    """Three children in one bin, one in the other, one outside: weights 1/6, 1/6, 1/6 and 1/2."""
    errors, bins = np.array([0.3, 0.1, 0.4, 0.2, 0.01]), np.array([0, 0, 2, 0, -1])
    one = Distribution(errors, bins)
    assert one.errors.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert one.weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert one.effective == pytest.approx(3)
    found = one.measures(np.array([0.2, 0.35]), bound=1.0)
    assert found.shares == pytest.approx(np.array([[1 / 3, 1 / 2]]))
    assert found.median == pytest.approx([0.35])  # half of the weight lies below 0.3 and half above
    assert found.mean == pytest.approx([0.6 / 6 + 0.4 / 2])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_without_bins_it_is_what_numpy_says(errors: list[float]) -> None:
    values = np.array(errors)
    found = Distribution(values).measures(values[:1], bound=1.0)
    assert found.median[0] == pytest.approx(np.median(values))
    assert found.mean[0] == pytest.approx(values.mean())
    assert found.least[0] == values.min()
    assert found.shares[0, 0] == pytest.approx((values <= values[0]).mean())


def test_the_bootstrap_is_scipys() -> None:
    values = rng().gamma(2, 0.03, 60)
    drawn = Distribution(values).resampled(AT, 1.0, 5000, rng(1))
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        theirs = stats.bootstrap((values,), statistic, n_resamples=5000, method="percentile", rng=rng(2))
        ours = interval(getattr(drawn, name), 0.95)
        assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.002)
    share = (values <= 0.1).mean()
    assert drawn.shares[:, 0].std() == pytest.approx(np.sqrt(share * (1 - share) / 60), rel=0.1)


def test_the_same_seed_gives_the_same_intervals() -> None:
    one = Distribution(rng().random(30))
    first, second, third = (one.resampled(AT, 1.0, 200, rng(seed)).mean for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != third).any()


def test_many_children_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.comparison.statistics.CHUNK", 100)
    one = Distribution(rng().random(30))
    drawn = one.resampled(AT, 1.0, 200, rng())
    assert drawn.mean.shape == (200,)
    assert drawn.shares.shape == (200, 3)
    assert len(set(drawn.mean)) == 200


@pytest.mark.parametrize("matched", [False, True])
def test_intervals_cover_the_truth(matched: bool) -> None:
    """Of 300 samples about 95 % have the true median and mean within their interval; a percentile interval of few
    values covers a little less. Matched: two bins whose errors differ, and one of which is three times as full."""
    random, hits, truth = rng(3), {"median": 0, "mean": 0}, {}
    means = np.array([0.05, 0.1])

    def draw(size: int, one_in: int) -> tuple[np.ndarray, np.ndarray]:
        bins = (random.integers(0, one_in, size) == 0).astype(int) if matched else np.zeros(size, int)
        return random.gamma(4, means[bins] / 4), bins

    errors, bins = draw(400_000, 2)
    truth = {"median": np.median(errors), "mean": errors.mean()}  # of both bins alike
    for _ in range(300):
        errors, bins = draw(60, 4)
        drawn = Distribution(errors, bins).resampled(AT, 1.0, 400, random)
        for name in hits:
            low, high = interval(getattr(drawn, name), 0.95)
            hits[name] += low <= truth[name] <= high
    assert all(0.90 <= count / 300 <= 0.99 for count in hits.values()), hits


# --- bins of cost ---------------------------------------------------------------------------------------------------


def test_bins_lie_where_all_samples_have_children() -> None:
    wide, narrow = np.geomspace(1, 1000, 100), np.geomspace(10, 100, 40)
    bins = shared_bins([wide, narrow])
    assert (bins.edges[0], bins.edges[-1]) == (10, pytest.approx(100))
    assert np.diff(np.log(bins.edges)) == pytest.approx(np.log(10) / (len(bins.edges) - 1))
    assert ((bins.places[0] == -1) == ((wide < 10) | (wide > bins.edges[-1]))).all()
    assert (bins.places[1] >= 0).all()
    assert bins.used == list(range(len(bins.edges) - 1))
    for place in bins.used:
        for costs, places in zip((wide, narrow), bins.places, strict=True):
            inside = costs[places == place]
            assert len(inside) >= LEAST
            assert ((inside >= bins.edges[place] - 1e-9) & (inside <= bins.edges[place + 1] + 1e-9)).all()


def test_a_bin_that_one_sample_hardly_reaches_counts_for_nothing() -> None:
    even, low = np.geomspace(1, 100, 60), np.concatenate([np.geomspace(1, 9.9, 58), [50.0, 100.0]])
    bins = shared_bins([even, low])
    assert len(bins.edges) > 3
    assert 0 in bins.used
    assert len(bins.edges) - 2 not in bins.used  # two children there
    assert (bins.places[1][-2:] == -1).all()
    assert (bins.places[0][-1:] == -1).all()


def test_one_cost_of_all_is_one_bin() -> None:
    assert shared_bins([np.full(5, 7.0), np.full(4, 7.0)]).used == [0]


@pytest.mark.parametrize(("one", "other"), [([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), ([1.0, 2.0, 9.0], [8.0, 9.0, 10.0])])
def test_samples_without_a_cost_in_common_cannot_be_matched(one: list[float], other: list[float]) -> None:
    with pytest.raises(ComparisonError, match=r"share no range of cost .*: 1 to .*; give a band"):
        shared_bins([np.array(one), np.array(other)])


def test_weights_take_away_what_only_cost_explains() -> None:
    """Both spaces err by the same function of cost, but one has mostly cheap networks."""
    random = rng(5)
    costs = [random.beta(*shape, 800) * 9 + 1 for shape in ((1, 3), (3, 1))]
    errors = [0.2 / own + random.normal(0, 0.002, len(own)) for own in costs]
    plain = [np.median(own) for own in errors]
    assert abs(plain[0] - plain[1]) > 0.03
    bins = shared_bins(costs)
    weighted = [Distribution(own, places).measures(AT, 1.0) for own, places in zip(errors, bins.places, strict=True)]
    assert abs(weighted[0].median[0] - weighted[1].median[0]) < 0.005
    assert abs(weighted[0].mean[0] - weighted[1].mean[0]) < 0.005


# --- two samples ----------------------------------------------------------------------------------------------------


def test_without_bins_the_gap_and_its_chance_are_scipys() -> None:
    one, other = rng().normal(0, 1, 30), rng(1).normal(0.7, 1, 41)
    found = kolmogorov_smirnov(Distribution(one), Distribution(other), 100, rng())
    theirs = stats.ks_2samp(one, other)
    assert found.statistic == pytest.approx(theirs.statistic)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.p_value < 0.05


def test_the_weighted_gap_by_hand() -> None:
    """Bin 0: .1 against .2; bin 1: .3 .3 against .4; all weights 1/2, or 1/4 for the pair. The gap at .1 is 1/2."""
    one = Distribution(np.array([0.1, 0.3, 0.3]), np.array([0, 1, 1]))
    other = Distribution(np.array([0.2, 0.4]), np.array([0, 1]))
    found = kolmogorov_smirnov(one, other, 2000, rng())
    assert found.statistic == pytest.approx(0.5)
    # Bin 0 has 2 orders and the .4 is at one of 3 places. Whichever is first of .1 and .2, the gap there is one half.
    assert found.p_value == 1.0
    assert "permutation" in found.method


def test_the_permutation_test_keeps_its_level_and_finds_a_difference() -> None:
    random = rng(6)

    def chance(shift: float) -> float:
        bins = [(random.random(50) < share).astype(int) for share in (0.2, 0.8)]
        errors = [place * 0.5 + random.normal(0, 0.1, 50) for place in bins]
        pair = [Distribution(own + add, places) for own, add, places in zip(errors, (0, shift), bins, strict=True)]
        return kolmogorov_smirnov(*pair, 199, random).p_value

    null = np.array([chance(0.0) for _ in range(120)])
    assert np.mean(null <= 0.05) < 0.1  # though the bins are filled so differently
    assert 0.4 < null.mean() < 0.65
    assert np.mean([chance(0.15) <= 0.05 for _ in range(30)]) > 0.7


def test_marks_are_round() -> None:
    errors = np.linspace(0.0213, 0.4, 500)
    assert round_errors(errors, (0.1, 0.5)).tolist() == [0.06, 0.212]
    assert round_errors(np.array([0, 1, 1, 5]) / 287, (0.5, 0.9)).tolist() == [0.004, 0.018]  # and not 0.003
    assert len(round_errors(np.full(5, 0.02), (0.1, 0.5))) == 1
    close = 0.5 + np.linspace(0, 1e-5, 100)
    assert len(round_errors(close, (0.1, 0.5, 0.9))) == 3
