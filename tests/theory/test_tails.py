"""Lives of rare classes against branching processes and the exact chain."""

import numpy as np
import pytest

from nc_testbed.theory import chain, replace, tails
from nc_testbed.theory.rules import mean_check, share_check


def test_branching_counts_lines_of_descent():
    rng, lines = np.random.default_rng(0), np.ones(40_000, dtype=np.int64)
    for t in range(2, 8):
        lines = rng.poisson(lines)
        # One row at t = 1 has descendants at t with probability 1 - exp(-g_(t-1)) = g_t.
        assert share_check((lines > 0).sum(), 40_000, tails.branching(t)).verdict == "pass"


def test_branching_falls_as_two_over_t():
    t = np.array([10**4, 10**5])
    np.testing.assert_allclose(tails.branching(t) * t, 2, rtol=2e-3)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_alive_is_the_chain_for_rare_classes(count):
    n, generations = 1000, 200
    exact = chain.alive_curve(n, [count / n], generations)[0]
    law = tails.alive(np.arange(1, generations + 1), count)
    np.testing.assert_allclose(law, exact, atol=0.01)


def test_lifetime_is_the_median():
    for count, late in ((10, 1.071), (100, 1.009)):
        t = np.arange(1, 10 * count)
        median = np.interp(-0.5, -tails.alive(t, count), t)
        assert tails.lifetime(count) / median == pytest.approx(late, abs=0.002)
    assert tails.lifetime(1) == pytest.approx(2.9, rel=0.01)


def test_half_life_of_the_diversity():
    half = tails.gini_half_life(1000)
    assert half == pytest.approx(690, rel=0.01)
    assert replace.heterozygosity(half, 1000, 1.0) == pytest.approx(0.5, rel=1e-3)


def test_symbols_and_mass_of_a_zipf_law():
    """Simulated against the chain class by class, and Poissonised: 1% off for the head's sake."""
    shares = 1 / np.arange(1, 501) ** 1.1
    shares, n = shares / shares.sum(), 500
    rng, drawn = np.random.default_rng(1), np.broadcast_to(shares, (400, 500))
    exact = chain.alive_curve(n, shares, 30)
    for t in range(1, 31):
        drawn = rng.multinomial(n, drawn / drawn.sum(1, keepdims=True)) / n
        if t in (1, 30):
            alive, probability = drawn > 0, exact[:, t - 1]
            assert mean_check(alive.sum(1), probability.sum()).verdict == "pass"
            missing = shares @ (1 - probability)
            assert mean_check(~alive @ shares, missing).verdict == "pass"
            law = tails.surviving_symbols(t, n, shares)
            assert law == pytest.approx(probability.sum(), rel=0.011)
            assert tails.missing_mass(t, n, shares) == pytest.approx(missing, rel=0.01)


def test_symbols_are_the_sum_of_the_chains():
    shares = np.full(200, 1 / 200)
    exact = chain.alive_curve(400, shares[:1], 20)[0] * 200
    law = tails.surviving_symbols(np.arange(1, 21), 400, shares)
    np.testing.assert_allclose(law, exact, rtol=0.01)
    mass = tails.missing_mass(np.arange(1, 21), 400, shares)
    np.testing.assert_allclose(mass, 1 - law / 200)


def test_poisson_rates_die_the_same_way():
    t = np.arange(1, 50)
    np.testing.assert_allclose(replace.poisson_alive(t, 5, 3.0), tails.alive(t, 15))


def test_samples_to_notice_suffice():
    for share in (0.001, 0.1):
        n = np.ceil(tails.samples_to_notice(share, 0.05))
        assert (1 - share) ** n <= 0.05
        missed = np.random.default_rng(2).binomial(int(n), share, 4000) == 0
        assert mean_check(missed.astype(float), (1 - share) ** n, scale=0.1).verdict == "pass"
