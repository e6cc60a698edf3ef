"""The fully connected Ising model against all of its 2^N states."""

from itertools import product

import numpy as np
import pytest

from nc_testbed.theory import chain, ising, replace
from nc_testbed.theory.rules import mean_check


@pytest.mark.parametrize(
    ("theta_1", "theta_2"), [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.15), (0.1, -0.4)]
)
@pytest.mark.parametrize("spins", [1, 2, 5, 8])
def test_level_law_against_enumeration(spins, theta_1, theta_2):
    states = np.array(list(product([-1, 1], repeat=spins)))
    pairs = sum(states[:, i] * states[:, j] for i in range(spins) for j in range(i + 1, spins))
    weight = np.exp(theta_1 * states.sum(1) + theta_2 * pairs)
    weight /= weight.sum()
    law = [weight[states.mean(1) == level].sum() for level in ising.levels(spins)]
    np.testing.assert_allclose(ising.level_law(spins, theta_1, theta_2), law)
    m = states.mean(1)
    expected = (weight @ m, weight @ m**2)
    assert ising.moments(spins, theta_1, theta_2) == pytest.approx(expected)


def test_free_spins():
    first, second = ising.moments(12, 0.4, 0.0)
    assert first == pytest.approx(np.tanh(0.4))
    # Var m = (1 - (E m)^2)/N: the variance function with c = -1/N.
    assert second - first**2 == pytest.approx((1 - first**2) / 12)


def test_large_models_do_not_overflow():
    law = ising.level_law(2000, 0.1, 0.01)
    assert law.sum() == pytest.approx(1) and np.isfinite(law).all()


def test_free_spins_are_one_chain_of_all_of_them():
    """Refits simulated spin by spin against the chain of N n individuals, and A1 with c = -1/N."""
    rng, spins, n, m0, chains, t = np.random.default_rng(0), 4, 6, 0.2, 10_000, 8
    m = np.full(chains, m0)
    for _ in range(t):
        up = rng.random((chains, n, spins)) < ((1 + m) / 2)[:, None, None]
        m = (2.0 * up - 1).mean((1, 2))
    absorbed = chain.absorbed_curve(ising.effective_individuals(spins, n), (1 + m0) / 2, t)[-1]
    assert mean_check((abs(m) == 1).astype(float), absorbed, scale=0.1).verdict == "pass"
    law = replace.expected_variance(t, n, (1 - m0**2) / spins, -1 / spins)
    assert mean_check((1 - m**2) / spins, law).verdict == "pass"


def test_absorption_collapses_on_one_curve():
    """t/(N n) is the only time: curves of 200 and 400 individuals agree at the same one."""
    small = chain.absorbed_curve(ising.effective_individuals(5, 40), 0.5, 600)
    large = chain.absorbed_curve(ising.effective_individuals(10, 40), 0.5, 1200)
    at = np.arange(1, 13)
    np.testing.assert_allclose(small[at * 50 - 1], large[at * 100 - 1], atol=0.006)
