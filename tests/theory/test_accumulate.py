"""Laws of accumulation against closed forms and against chains that keep every row."""

import math

import numpy as np
import pytest

from nc_testbed.theory import accumulate
from nc_testbed.theory.rules import mean_check

CHAINS, SIZES = 10_000, [6, 10, 4, 12, 8]


@pytest.mark.parametrize("c", [-1, 0, 1, 2])
def test_recursion_is_the_closed_product(c):
    t = np.arange(1, 51)
    spread = accumulate.accumulated_spread([20] * 50, 0.25, c)
    np.testing.assert_allclose(0.25 + c * spread, 0.25 * accumulate.variance_factor(t, 20, c))
    if c:
        assert accumulate.variance_factor(200_000, 20, c) == pytest.approx(
            accumulate.variance_factor_limit(20, c), rel=1e-5
        )


def test_gaussian_recursion_is_the_closed_product():
    drift, fitted = accumulate.accumulated_gaussian([20] * 50, 3.0, 0)
    law = accumulate.accumulated_variance(np.arange(1, 51), 20, 3.0)
    np.testing.assert_allclose(fitted, law)
    np.testing.assert_allclose(drift, 3.0 - law)


@pytest.mark.parametrize("budget", [None, 5, 6, 10])
def test_spread_of_every_family(family, budget):
    rng = np.random.default_rng(0)
    rows = family.rows(rng, family.truth, (CHAINS, SIZES[0]))
    phi = rows.mean(1)
    law = accumulate.accumulated_spread(SIZES, family.variance, family.c, budget)
    for n, expected in zip(SIZES[1:], law[1:], strict=True):
        # A mean of 0/1 rows can exceed 1 by a rounding error.
        at = np.repeat(np.clip(phi, 0, 1) if family.c == -1 else phi, n).reshape(CHAINS, n)
        rows = np.hstack([rows, family.rows(rng, at, (CHAINS, n))])
        phi = subset(rng, rows, budget).mean(1)
        values = (phi - family.truth) ** 2
        assert mean_check(values, expected, scale=family.variance).verdict == "pass"


def subset(rng, rows, budget):
    """``budget`` rows of every chain drawn without replacement, or all of them."""
    if budget is None or budget >= rows.shape[1]:
        return rows
    return rng.permuted(rows, axis=1)[:, :budget]


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("budget", [None, 6])
def test_gaussian(ddof, budget):
    rng = np.random.default_rng(1)
    rows = 2 * rng.standard_normal((CHAINS, SIZES[0]))
    mean, variance = rows.mean(1), rows.var(1, ddof=ddof)
    drift, fitted = accumulate.accumulated_gaussian(SIZES, 4.0, ddof, budget)
    for i, n in enumerate(SIZES[1:], start=1):
        new = mean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((CHAINS, n))
        rows = np.hstack([rows, new])
        chosen = subset(rng, rows, budget)
        mean, variance = chosen.mean(1), chosen.var(1, ddof=ddof)
        assert mean_check(mean**2, drift[i]).verdict == "pass"
        assert mean_check(variance, fitted[i]).verdict == "pass"


def test_a_budget_lies_between_accumulate_and_replace():
    """It plateaus: the last tenth of the generations adds less than a thousandth."""
    t = np.arange(1, 2001)
    whole = accumulate.accumulated_spread([1000] * 2000, 1.0, 0) * 1000
    part = accumulate.accumulated_spread([1000] * 2000, 1.0, 0, budget=1000) * 1000
    np.testing.assert_allclose(whole, accumulate.inflation(t, "accumulate"))
    replaced = accumulate.inflation(t, "replace")
    assert (whole[2:] < part[2:]).all() and (part[2:] < replaced[2:]).all()
    assert part[-1] / part[-200] < 1.001


def test_a_budget_of_two_rows_in_three():
    """By hand: real x1, x2 and y drawn around their mean; Var of the pairs' means 1/2, 7/8, 7/8."""
    spread = accumulate.accumulated_spread([2, 1], 1.0, 0, budget=2)
    np.testing.assert_allclose(spread, [0.5, 0.75])


def test_a_budget_of_everything_is_none():
    for sizes in ([5] * 6, SIZES):
        np.testing.assert_allclose(
            accumulate.accumulated_spread(sizes, 1.0, -1, budget=sum(sizes)),
            accumulate.accumulated_spread(sizes, 1.0, -1),
        )


def test_inflation_is_below_its_limit():
    assert accumulate.inflation(10**6, "accumulate") == pytest.approx(math.pi**2 / 6, rel=1e-5)
    assert accumulate.inflation(10, "replace") == 10


@pytest.mark.parametrize("policy", ["replace", "accumulate"])
def test_linear_regression(policy):
    rng, rows, features, t, chains = np.random.default_rng(2), 30, 4, 5, 4000
    x = rng.standard_normal((chains, rows, features))
    solve = np.linalg.pinv(x)
    w, labels = np.zeros((chains, features)), []
    for _ in range(t):
        y = np.einsum("rnd,rd->rn", x, w) + 1.5 * rng.standard_normal((chains, rows))
        labels.append(y)
        target = y if policy == "replace" else np.mean(labels, axis=0)
        w = np.einsum("rdn,rn->rd", solve, target)
    law = accumulate.regression_risk(t, rows, features, 1.5**2, policy)
    assert mean_check((w**2).sum(1), law).verdict == "pass"
    other = {"replace": "accumulate", "accumulate": "replace"}[policy]
    wrong = accumulate.regression_risk(t, rows, features, 1.5**2, other)
    assert mean_check((w**2).sum(1), wrong).verdict == "fail"


def test_a_biased_learner_loses_everything_slowly():
    fits, stored = [], [1.0]
    for _ in range(50):
        fits.append((1 - 0.2) * np.mean(stored))
        stored.append(fits[-1])
    np.testing.assert_allclose(accumulate.biased_accumulate(np.arange(1, 51), 0.2), fits)
    assert accumulate.biased_accumulate(10**6, 0.2) == pytest.approx(
        (10**6) ** -0.2 / math.gamma(0.8), rel=1e-4
    )
    assert accumulate.biased_accumulate(7, 0.0) == pytest.approx(1)
