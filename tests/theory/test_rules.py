"""The rules themselves: right laws pass, wrong ones fail, too few chains say nothing."""

import math

import numpy as np
import pytest
from scipy import stats

from nc_testbed.theory.rules import (
    equivalence,
    ks_check,
    lattice_check,
    mean_check,
    share_check,
)

RNG = np.random.default_rng(0)
NORMAL = 1 + 0.5 * RNG.standard_normal(2000)


@pytest.mark.parametrize(
    ("law", "chains", "verdict"),
    [(1.0, 2000, "pass"), (1.1, 2000, "fail"), (1.0, 50, "inconclusive"), (5.0, 50, "fail")],
)
def test_means(law, chains, verdict):
    values = NORMAL[:chains]
    check = mean_check(values, law)
    assert check.verdict == verdict and check.law == law
    assert check.z == pytest.approx((values.mean() - law) / check.error)
    assert check == mean_check((values.mean(), values.std(ddof=1), chains), law)


def test_the_scale_decides_near_zero():
    assert mean_check(NORMAL - 1, 0.0).verdict == "inconclusive"
    assert mean_check(NORMAL - 1, 0.0, scale=1.0).verdict == "pass"


def test_the_exact_deviation_of_a_heavy_tail():
    """The sample that missed the rare large values would refuse the right law."""
    values = np.exp(3 * np.random.default_rng(1).standard_normal(500))
    law = math.exp(4.5)
    sd = law * math.sqrt(math.expm1(9))
    sample, exact = mean_check(values, law), mean_check(values, law, sd=sd)
    assert exact.error > sample.error
    assert exact.verdict == "inconclusive"


def test_a_smaller_exact_deviation_does_not_narrow():
    assert mean_check(NORMAL, 1.0, sd=0.01) == mean_check(NORMAL, 1.0)


def test_few_chains_fail_by_students_limit():
    """Three chains 6 standard errors away: not yet a refusal, where 2,000 chains are one."""
    assert mean_check((1.06, 0.01 * 3**0.5, 3), 1.0).verdict == "inconclusive"
    assert mean_check((1.06, 0.01 * 2000**0.5, 2000), 1.0).verdict == "fail"
    assert mean_check((3.0, 0.001, 3), 1.0).verdict == "fail"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([2.0] * 5, "pass"),
        ([2.0 + 1e-9] * 5, "fail"),
        ([2.0], "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_values_without_randomness(values, verdict):
    assert mean_check(values, 2.0).verdict == verdict


def test_a_coarser_tolerance_is_for_equal_chains_only():
    assert mean_check([2.0 + 1e-9] * 5, 2.0, tolerance=1e-6).verdict == "pass"
    assert mean_check(NORMAL, 1.1, tolerance=1e-6).verdict == "fail"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_never_pass(bad):
    assert mean_check([1.0, 1.0, bad], 1.0).verdict == "inconclusive"
    assert mean_check((bad, 1.0, 10), 1.0).verdict == "inconclusive"
    assert ks_check([0.5] * 500 + [bad], stats.norm()).verdict != "pass"
    assert equivalence([0.0, 0.0, bad], 1.0).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("successes", "trials", "law", "verdict"),
    [
        (0, 2000, 0.0, "pass"),
        (1, 2000, 0.0, "fail"),
        (2000, 2000, 1.0, "pass"),
        (520, 2000, 0.25, "pass"),
        (620, 2000, 0.25, "fail"),
        (25, 100, 0.25, "inconclusive"),
        (0, 0, 0.5, "inconclusive"),
    ],
)
def test_shares(successes, trials, law, verdict):
    assert share_check(successes, trials, law).verdict == verdict


def test_the_interval_is_99_9_percent():
    """No success in 2,000 trials: laws up to 1 - 0.0005^(1/2000) = 0.00379 pass."""
    assert share_check(0, 2000, 0.0037).verdict == "pass"
    assert share_check(0, 2000, 0.0039).verdict == "fail"


def test_a_narrower_interval_for_rare_events():
    assert share_check(2, 2000, 0.002).verdict == "pass"
    assert share_check(2, 2000, 0.002, width=0.001).verdict == "inconclusive"


def test_shares_that_cannot_be():
    with pytest.raises(ValueError, match="successes"):
        share_check(3, 2, 0.5)


def test_distributions():
    assert ks_check(NORMAL, stats.norm(1, 0.5)).verdict == "pass"
    assert ks_check(NORMAL, stats.norm(1, 0.6)).verdict == "fail"
    assert ks_check(NORMAL[:100], stats.norm(1, 0.5)).verdict == "inconclusive"


def test_a_lattice_needs_its_jitter():
    x = np.random.default_rng(2).beta(2, 1, 5000)
    shares = np.round(x * 10) / 10
    assert ks_check(shares, stats.beta(2, 1)).verdict == "fail"
    assert ks_check(shares, stats.beta(2, 1), spacing=0.1).verdict == "pass"


def test_lattices():
    law = stats.binom.pmf(np.arange(6), 5, 0.3)
    x = np.random.default_rng(3).binomial(5, 0.3, 2000)
    assert lattice_check(x, law).verdict == "pass"
    assert lattice_check(x, stats.binom.pmf(np.arange(6), 5, 0.35)).verdict == "fail"
    assert lattice_check(x[:100], law).verdict == "inconclusive"
    assert lattice_check(x, law) == lattice_check(x, law)


@pytest.mark.parametrize(
    ("margin", "verdict"), [(0.06, "pass"), (0.015, "inconclusive"), (0.001, "inconclusive")]
)
def test_equivalence(margin, verdict):
    assert equivalence(NORMAL - NORMAL.mean(), margin).verdict == verdict


def test_equivalence_refuses_a_difference():
    assert equivalence(NORMAL, 0.5).verdict == "fail"
    assert equivalence([0.0] * 3, 0.1).verdict == "pass"
    assert equivalence([0.01], 0.1).verdict == "inconclusive"


def test_right_laws_rarely_fail():
    """Of 2,000 experiments with a right law none fails a mean, and few a probability."""
    rng = np.random.default_rng(4)
    means = [mean_check(rng.exponential(size=600), 1.0).verdict for _ in range(2000)]
    assert means.count("fail") == 0 and means.count("pass") > 1900
    shares = [share_check(s, 2000, 0.3).verdict for s in rng.binomial(2000, 0.3, 2000)]
    assert shares.count("fail") <= 8
