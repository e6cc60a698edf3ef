import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nc_testbed.core.intervals import BOOTSTRAP, LISTED, Interval, interval, share


@pytest.mark.parametrize("R", [2, 3, BOOTSTRAP - 1])
def test_without_bounds_few_chains_have_the_t_interval(R):
    x = np.random.default_rng(R).exponential(size=(R, 3))
    expected = stats.ttest_1samp(x, 0.0).confidence_interval(0.95)
    ci = interval(x)
    np.testing.assert_allclose(ci.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(ci.low, expected.low, rtol=1e-10)
    np.testing.assert_allclose(ci.high, expected.high, rtol=1e-10)


def test_without_bounds_many_chains_have_the_bootstrap_interval():
    x = np.random.default_rng(0).exponential(size=BOOTSTRAP)
    oracle = stats.bootstrap((x,), np.mean, method="percentile", n_resamples=20_000, rng=1)
    expected = oracle.confidence_interval
    width, ci = expected.high - expected.low, interval(x)
    assert abs(ci.low - expected.low) < 0.05 * width
    assert abs(ci.high - expected.high) < 0.05 * width


def test_between_two_bounds_the_logit_of_the_mean_has_the_t_interval():
    """By hand: m = .75, s = .1, e = .05 of four; logit +- 3.182 * .05 / (.75 * .25)."""
    x = 0.75 + 0.1 * np.array([-1, -1, 1, 1]) * math.sqrt(3) / 2
    ci = interval(x, 0, 1)
    reach = 3.182446 * 0.05 / (0.75 * 0.25)
    ends = [1 / (1 + math.exp(-(math.log(3) + way * reach))) for way in (-1, 1)]
    assert [float(ci.low), float(ci.high)] == pytest.approx(ends, rel=1e-6)
    scaled = interval(10 + 20 * x, 10, 30)
    assert (float(scaled.low) - 10) / 20 == pytest.approx(float(ci.low))
    assert (float(scaled.high) - 10) / 20 == pytest.approx(float(ci.high))


def test_beside_one_bound_the_logarithm_of_the_distance_has_the_t_interval():
    x = np.array([1.0, 2.0, 3.0, 6.0])
    ci = interval(x, low=0)
    factor = math.exp(3.182446 * x.std(ddof=1) / 2 / 3.0)
    assert [float(ci.low), float(ci.high)] == pytest.approx([3 / factor, 3 * factor], rel=1e-6)
    mirrored = interval(-x, high=0)
    assert float(mirrored.low) == -float(ci.high)
    assert float(mirrored.high) == -float(ci.low)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_no_end_leaves_the_range_and_the_mean_lies_between(values):
    for low, high in ((0, 1), (0, math.inf), (-math.inf, 1)):
        ci = interval(values, low, high)
        assert low <= ci.low <= ci.mean + 1e-12
        assert ci.mean - 1e-12 <= ci.high <= high


@pytest.mark.parametrize(("hits", "R"), [(10, 10), (0, 10), (9, 10), (99, 100), (1200, 1200)])
def test_values_at_both_ends_alone_have_clopper_and_pearsons_interval(hits, R):
    """A share of chains once read `1 [1, 1]` or `[-.006, .089]`."""
    x = (np.arange(R) < hits).astype(float)
    ci, expected = interval(x, 0, 1), share(hits, R)
    assert (float(ci.low), float(ci.high)) == (float(expected.low), float(expected.high))
    assert ci.high - ci.low > 0
    many = interval(7 * x, 0, 7)
    assert float(many.high - many.low) == pytest.approx(7 * float(ci.high - ci.low))


def test_positions_have_bounds_of_their_own():
    x = np.random.default_rng(3).random((10, 2, 3))
    low, high = np.array([[0], [-np.inf]]), np.array([[1], [np.inf]])
    both = interval(x, low, high)
    for i, bounds in enumerate(((0, 1), (-np.inf, np.inf))):
        alone = interval(x[:, i], *bounds)
        np.testing.assert_array_equal(both.low[i], alone.low)
        np.testing.assert_array_equal(both.high[i], alone.high)


def test_values_that_leave_the_declared_range_have_none():
    x = [0.5, 1.2, 0.9, 0.7]
    assert interval(x, 0, 1).text() == interval(x).text()
    ci, plain = interval(x, 0, 1), interval(x)
    assert (float(ci.low), float(ci.high)) == (float(plain.low), float(plain.high))
    rounded = interval([0.5, 0.6, 1 + 1e-12], 0, 1)
    assert rounded.high < 1


def rotated(R, C, sd, rng, positions):
    """Values of R chains of C rotations: the rotation's effect has sd 1, a chain's sd."""
    rotation = np.arange(R) % C
    effects = rng.normal(size=(C, positions))
    effects -= effects.mean(0)  # the estimand is the mean over all rotations: 0
    return rotation, effects[rotation] + sd * rng.normal(size=(R, positions))


@pytest.mark.parametrize("rounds", [2, 3, 10])
def test_residuals_within_rotations_cover_and_are_narrower(rounds):
    """Exact for normal values: 95% +- 4 sqrt(.95 * .05 / 8000) = 1%."""
    rng = np.random.default_rng(rounds)
    rotation, x = rotated(10 * rounds, 10, 0.4, rng, 8000)
    ci, whole = interval(x, rotation=rotation), interval(x)
    assert ((ci.low < 0) & (ci.high > 0)).mean() == pytest.approx(0.95, abs=0.01)
    assert ((whole.low < 0) & (whole.high > 0)).mean() > 0.99
    assert np.median((ci.high - ci.low) / (whole.high - whole.low)) < 0.6
    np.testing.assert_array_equal(ci.mean, whole.mean)


def test_residuals_within_rotations_are_those_of_a_one_way_analysis():
    rotation, x = rotated(6, 3, 0.5, np.random.default_rng(0), 1)
    ci = interval(x[:, 0], rotation=rotation)
    within = np.mean([x[rotation == c, 0].var(ddof=1) for c in range(3)])
    half = stats.t.ppf(0.975, 3) * math.sqrt(within / 6)
    assert float(ci.high - ci.low) == pytest.approx(2 * half)


@pytest.mark.parametrize("R", [10, 15])
def test_chains_that_do_not_replicate_every_rotation_alike_have_the_whole_spread(R):
    rotation, x = rotated(R, 10, 0.4, np.random.default_rng(1), 50)
    np.testing.assert_array_equal(interval(x, rotation=rotation).low, interval(x).low)


def test_a_rotation_that_lost_a_chain_has_the_whole_spread():
    rotation, x = rotated(20, 10, 0.4, np.random.default_rng(1), 2)
    x[3, 0] = np.nan
    ci, whole = interval(x, rotation=rotation), interval(x)
    assert ci.low[0] == whole.low[0]
    assert ci.low[1] > whole.low[1]


def test_bootstrap_is_repeatable_and_resamples_whole_trajectories():
    rng = np.random.default_rng(3)
    # What chains differ by and generations share.
    chain = rng.normal(size=(BOOTSTRAP, 1)) * 100
    x = chain + rng.normal(size=(BOOTSTRAP, 5)) * 0.01
    first, again = interval(x), interval(x)
    np.testing.assert_array_equal(first.low, again.low)
    # The same chains are drawn for every position, so positions move together...
    assert np.ptp(first.low) < 0.1
    # ...and a difference along the trajectory is as sharp as pairing makes it.
    paired = interval(x[:, 1:] - x[:, :1])
    assert (paired.high - paired.low).max() < 0.05 < (first.high - first.low).min()


@pytest.mark.parametrize("R", [5, 60])
def test_undefined_chains_are_left_out_and_counted(R):
    x = np.random.default_rng(1).normal(10, size=(R, 3))
    x[0, 1], x[1, 1], x[:, 2] = np.nan, np.inf, np.nan
    ci = interval(x)
    assert ci.chains.tolist() == [R, R - 2, 0]
    assert ci.mean[1] == pytest.approx(x[2:, 1].mean())
    assert ci.low[1] < ci.mean[1] < ci.high[1]
    assert all(math.isnan(end[2]) for end in (ci.mean, ci.low, ci.high))
    alone = interval(x[2:, 1])
    near = 1e-12 if R < BOOTSTRAP else 0.1  # a bootstrap of other chains, widths about 0.5
    assert ci.low[1] == pytest.approx(float(alone.low), abs=near)
    assert ci.high[1] == pytest.approx(float(alone.high), abs=near)


def test_one_chain_has_no_interval():
    ci = interval([0.3])
    assert ci.mean == 0.3
    assert ci.chains == 1
    assert ci.text() == "0.3 [n/a]"
    assert math.isnan(float(ci.low))
    assert math.isnan(float(ci.high))
    assert interval([float("nan")]).text() == "n/a"
    assert interval([]).text() == interval([], 0, 1).text() == "n/a"


@settings(deadline=None, max_examples=30)
@given(st.floats(-1e9, 1e9), st.integers(2, 40))
def test_equal_values_have_width_zero(value, R):
    ci = interval([value] * R)
    assert ci.mean == ci.low == ci.high == value


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_mean_lies_in_its_interval(values):
    ci = interval(values)
    slack = 1e-9 * max(map(abs, values))
    if len(values) > 1:
        assert ci.low - slack <= ci.mean <= ci.high + slack


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 10), (3, 10), (10, 10), (17, 64)])
def test_share_is_clopper_pearson(k, n):
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    ci = share(k, n)
    assert (ci.mean, ci.chains) == (k / n, n)
    assert (float(ci.low), float(ci.high)) == pytest.approx((expected.low, expected.high))


def test_share_of_nothing_is_undefined():
    assert share(0, 0).text() == "n/a"
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        share(3, 2)


def test_below_eight_chains_the_values_are_printed_in_their_order():
    assert interval([0.31, 0.2, 0.25, 0.29], 0, 1).text() == "0.26 (0.31 0.20 0.25 0.29)"
    assert interval([1.0, np.nan, 0.0]).text() == "0.5 (1.0 n/a 0.0)"
    assert interval([1.0] * 7, 0, 1).text() == "1 (each of 7)"
    assert interval(np.linspace(0.3, 0.37, LISTED), 0, 1).text() == "0.335 [0.315, 0.356]"


def test_listed_values_follow_their_position():
    x = np.random.default_rng(0).random((4, 3, 2))
    ci = interval(x)
    assert ci[1][0].text() == interval(x[:, 1, 0]).text()
    assert ci[..., 1][2].text() == interval(x[:, 2, 1]).text()


def test_text_has_two_digits_of_the_width():
    assert Interval.of(-109.5123, -110.1, -108.9, 8).text() == "-109.5 [-110.1, -108.9]"
    assert Interval.of(0.00482, 0.00422, 0.00542, 8).text() == "0.0048 [0.0042, 0.0054]"
    assert Interval.of(4e-16, 3e-16, 5e-16, 8).text() == "4e-16 [3e-16, 5e-16]"
