import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nc_testbed.core.intervals import FEW, Interval, interval, share


@pytest.mark.parametrize("R", [2, 3, FEW - 1])
def test_few_chains_have_the_t_interval(R):
    x = np.random.default_rng(R).exponential(size=(R, 3))
    expected = stats.ttest_1samp(x, 0.0).confidence_interval(0.95)
    ci = interval(x)
    np.testing.assert_allclose(ci.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(ci.low, expected.low, rtol=1e-10)
    np.testing.assert_allclose(ci.high, expected.high, rtol=1e-10)


def test_many_chains_have_the_bootstrap_interval():
    x = np.random.default_rng(0).exponential(size=FEW)
    oracle = stats.bootstrap((x,), np.mean, method="percentile", n_resamples=20_000, rng=1)
    expected = oracle.confidence_interval
    width, ci = expected.high - expected.low, interval(x)
    assert abs(ci.low - expected.low) < 0.05 * width
    assert abs(ci.high - expected.high) < 0.05 * width


@pytest.mark.parametrize(("R", "least"), [(4, 0.93), (FEW, 0.90), (64, 0.92)])
def test_intervals_cover(R, least):
    ci = interval(np.random.default_rng(R).normal(size=(R, 2000)))
    assert ((ci.low < 0) & (ci.high > 0)).mean() > least


def test_bootstrap_is_repeatable_and_resamples_whole_trajectories():
    rng = np.random.default_rng(3)
    chain = rng.normal(size=(FEW, 1)) * 100  # what chains differ by and generations share
    x = chain + rng.normal(size=(FEW, 5)) * 0.01
    first, again = interval(x), interval(x)
    np.testing.assert_array_equal(first.low, again.low)
    # The same chains are drawn for every position, so positions move together...
    assert np.ptp(first.low) < 0.1
    # ...and a difference along the trajectory is as sharp as pairing makes it.
    paired = interval(x[:, 1:] - x[:, :1])
    assert (paired.high - paired.low).max() < 0.05 < (first.high - first.low).min()


@pytest.mark.parametrize("R", [5, 30])
def test_undefined_chains_are_left_out_and_counted(R):
    x = np.random.default_rng(1).normal(10, size=(R, 3))
    x[0, 1], x[1, 1], x[:, 2] = np.nan, np.inf, np.nan
    ci = interval(x)
    assert ci.chains.tolist() == [R, R - 2, 0]
    assert ci.mean[1] == pytest.approx(x[2:, 1].mean())
    assert ci.low[1] < ci.mean[1] < ci.high[1]
    assert all(math.isnan(end[2]) for end in (ci.mean, ci.low, ci.high))
    alone = interval(x[2:, 1])
    near = 1e-12 if R < FEW else 0.1  # a bootstrap of other chains, widths are about 0.75
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


def test_text_has_two_digits_of_the_width():
    assert Interval.of(-109.5123, -110.1, -108.9, 8).text() == "-109.5 [-110.1, -108.9]"
    assert Interval.of(0.00482, 0.00422, 0.00542, 8).text() == "0.0048 [0.0042, 0.0054]"
    assert Interval.of(4e-16, 3e-16, 5e-16, 8).text() == "4e-16 [3e-16, 5e-16]"
