"""Priors and penalties against exact chains of refitted Bernoulli shares."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from nc_testbed.theory import chain, priors
from nc_testbed.theory.rules import mean_check

N, A, M = 60, 3.0, 0.4


def posterior_chain(n, fit):
    """Transition matrix of the successes when they are fitted by ``fit(successes)``."""
    return chain.binomial(n, fit(np.arange(n + 1)))


@pytest.mark.parametrize("coordinates", ["natural", "mean"])
def test_expectation_on_the_exact_chain(coordinates):
    def fit(x):
        return priors.map_estimate(x, N, A, M, coordinates)

    law, x = chain.binomial(N, 0.8), np.arange(N + 1)
    matrix = posterior_chain(N, fit)
    for t in range(1, 12):
        expected = priors.expected_map(t, N, 0.8, A, M, coordinates)
        assert law @ fit(x) == pytest.approx(expected)
        law = law @ matrix


def test_transient_on_the_exact_chain():
    fit = priors.map_estimate(np.arange(N + 1), N, A, M)
    law, matrix = chain.binomial(N, 0.8), chain.binomial(N, fit)
    centre, spread = priors.map_curves([N] * 12, 0.8, A, M, (0, 1, -1))
    for t in range(12):
        assert law @ fit == pytest.approx(centre[t])
        assert law @ (fit - centre[t]) ** 2 == pytest.approx(spread[t])
        law = law @ matrix
    left = (centre - M) / (0.8 - M)
    np.testing.assert_allclose(left, priors.memory(np.arange(1, 13), N, A))


def test_transient_of_every_family(family):
    rng, phi, sizes = np.random.default_rng(0), np.full(20_000, family.truth), [10, 20, 15]
    centre, spread = priors.map_curves(sizes, family.truth, 4, 0.5, family.function)
    for n, mean, variance in zip(sizes, centre, spread, strict=True):
        phi = (n * family.mean(rng, phi, n) + 4 * 0.5) / (n + 4)
        assert mean_check(phi, mean).verdict == "pass"
        assert mean_check((phi - mean) ** 2, variance).verdict == "pass"


def test_the_stationary_law_is_the_priors():
    n = 1000
    matrix = posterior_chain(n, lambda x: priors.map_estimate(x, n, A, M))
    exact = np.cumsum(chain.stationary(matrix))
    law = priors.beta_prior_law(A, M)
    np.testing.assert_allclose(law.cdf((np.arange(n + 1) + 0.5) / n), exact, atol=0.005)
    _, spread = priors.map_curves([n] * 5000, 0.9, A, M, (0, 1, -1))
    assert spread[-1] == pytest.approx(law.var(), rel=0.01)


@pytest.mark.parametrize("n", [10, 100])
def test_the_uniform_prior_depends_on_the_coordinates(n):
    x = np.arange(n + 1)
    np.testing.assert_allclose(priors.map_estimate(x, n, 2, 0.5, "mean"), x / n)
    np.testing.assert_allclose(priors.map_estimate(x, n, 2, 0.5), (x + 1) / (n + 2))
    assert posterior_chain(n, lambda x: priors.map_estimate(x, n, 2, 0.5, "mean"))[0, 0] == 1
    assert posterior_chain(n, lambda x: priors.map_estimate(x, n, 2, 0.5))[0, 0] < 1
    # A prior that favours the ends is cut off at them.
    assert priors.map_estimate(0, n, 1, 0.5, "mean") == 0


def test_no_prior_is_no_force():
    assert priors.expected_map(50, 20, 0.3, 0, 0.5) == pytest.approx(0.3)
    assert priors.expected_map(50, 20, 0.3, 2, 0.5, "mean") == pytest.approx(0.3)


@pytest.mark.parametrize(("n", "penalty"), [(400, 0.2), (1000, 0.05), (1000, 0.2)])
def test_l2_on_the_exact_chain(n, penalty):
    """n lam >= 50: the linearised law is within 3%, its exact chain being solved per state."""

    def mode(x):
        return brentq(lambda theta: x / n - expit(theta) - penalty * theta, -50, 50)

    theta = np.array([mode(x) for x in range(n + 1)])
    law = chain.stationary(chain.binomial(n, expit(theta)))
    sd = np.sqrt(law @ theta**2)
    assert priors.l2_logit_sd(n, penalty) == pytest.approx(sd, rel=0.03)
