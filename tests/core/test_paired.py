"""Paired differences: Tango's score interval, the range of differences, equal differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from nc_testbed.core.intervals import interval
from nc_testbed.core.paired import Z, paired_interval, tango


def test_tango_is_the_published_interval():
    """Airway hyper-responsiveness before and after stem cell transplantation, 1 and 7 of 21
    discordant (Fagerland, Lydersen and Laake, 2013, https://doi.org/10.1002/sim.5708)."""
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("n", [2, 10, 400])
def test_tango_without_discordant_pairs_is_a_closed_form(n):
    assert tango(0, 0, n) == pytest.approx((-(Z**2) / (n + Z**2), Z**2 / (n + Z**2)))
    low, high = tango(n, 0, n)
    assert (low, high) == (pytest.approx((n - Z**2) / (n + Z**2)), 1.0)


@pytest.mark.parametrize(("b", "c", "n"), [(3, 1, 10), (0, 2, 10), (12, 2, 50), (5, 5, 20)])
def test_tango_ends_are_where_the_score_test_is_at_its_limit(b, c, n):
    """The constrained maximum of the likelihood found by brute force, not by a formula."""
    for end in tango(b, c, n):

        def negative_likelihood(q, end=end):
            p = q + end
            terms = [(b, p), (c, q), (n - b - c, 1 - p - q)]
            return -sum(k * np.log(max(x, 1e-300)) for k, x in terms if k)

        most = optimize.minimize_scalar(
            negative_likelihood,
            bounds=(max(0.0, -end), (1 - end) / 2),
            method="bounded",
            options={"xatol": 1e-13},
        )
        variance = (2 * most.x + end - end**2) / n
        score = ((b - c) / n - end) / np.sqrt(variance)
        assert abs(score) == pytest.approx(Z, rel=1e-4)


@settings(deadline=None, max_examples=200)
@given(st.integers(2, 60), st.data())
def test_tango_has_a_width_and_holds_the_difference(n, data):
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    low, high = tango(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert high - low > 1 / (n + 2)
    assert tango(c, b, n) == pytest.approx((-high, -low), abs=1e-7)


def test_shares_of_chains_have_tangos_interval():
    x, y = np.ones(10), np.r_[np.zeros(4), np.ones(6)]
    ci = paired_interval(x, y, 0, 1)
    assert (float(ci.low), float(ci.high)) == tango(4, 0, 10)
    assert float(paired_interval(3 * x, 3 * y, 0, 3).high) == 3 * float(ci.high)


def test_other_values_have_the_t_interval_of_their_differences():
    rng = np.random.default_rng(0)
    x, y = 0.5 + 0.1 * rng.normal(size=(2, 12))
    ci, plain = paired_interval(x, y, 0, 1), interval(x - y)
    assert (float(ci.low), float(ci.high)) == (float(plain.low), float(plain.high))


def test_no_end_leaves_the_range_of_differences():
    x, y = np.r_[1.0, 1.0, 0.9], np.r_[0.0, 0.05, 0.6]
    assert float(interval(x - y).high) > 1
    assert float(paired_interval(x, y, 0, 1).high) == 1
    assert float(paired_interval(y, x, 0, 1).low) == -1


def test_equal_differences_have_a_width_by_their_range_or_no_interval():
    x = np.full(10, 0.4)
    ci = paired_interval(x, x, 0, 1)
    others = 1 - 0.025**0.1
    assert (float(ci.low), float(ci.high)) == pytest.approx((-others, others))
    assert not ci.low > 0
    shifted = paired_interval(x + 0.5, x, 0, 1)
    assert shifted.low < 0.5 < shifted.high <= 1
    unknown = paired_interval(x + 0.5, x)
    assert np.isnan(unknown.low) and np.isnan(unknown.high)
    assert unknown.text() == "0.5 [n/a]"


def test_undefined_pairs_are_left_out():
    x, y = np.array([np.nan, 1.0, np.inf, 3.0, 2.0]), np.array([1.0, 0.5, np.inf, 1.0, np.nan])
    ci = paired_interval(x, y)
    assert (float(ci.mean), int(ci.chains)) == (1.25, 2)
    assert np.isnan(paired_interval([1.0], [0.5]).low)
    assert paired_interval([np.nan], [0.5]).text() == "n/a"
