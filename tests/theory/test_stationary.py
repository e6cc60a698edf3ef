"""Stationary laws against the exact chain and against simulated families."""

import numpy as np
import pytest

from nc_testbed.theory import anchors, chain, stationary
from nc_testbed.theory.rules import ks_check


def test_bernoulli_law_is_the_limit_of_the_chain():
    n, k, p = 1000, 5, 0.3
    exact = np.cumsum(chain.stationary(chain.anchored_transition(n, k, p)))
    law = stationary.bernoulli_law(k, p)
    np.testing.assert_allclose(law.cdf((np.arange(n + 1) + 0.5) / n), exact, atol=2 * k / n)


@pytest.mark.parametrize("k", [1, 2, 10])
def test_variances_are_those_of_the_exact_law(k):
    """B2 against B1 at n -> infinity: the diffusion keeps mean and variance."""
    cases = [
        (stationary.bernoulli_law(k, 0.3), 0.3, 0.21, -1),
        (stationary.poisson_law(k, 2.0), 2.0, 2.0, 0),
        (stationary.exponential_law(k, 1.5), 1.5, 2.25, 1),
        (stationary.known_mean_variance_law(k, 2.0), 2.0, 8.0, 2),
    ]
    for law, mean, variance, c in cases:
        assert law.mean() == pytest.approx(mean)
        if 2 * k > c:
            expected = anchors.stationary_spread(k, 10**9, variance, c)
            assert law.var() == pytest.approx(expected, rel=1e-6)


def test_categorical_law_has_the_bernoulli_margins():
    p = np.array([0.5, 0.3, 0.2])
    law = stationary.categorical_law(4, p)
    np.testing.assert_allclose(law.mean(), p)
    np.testing.assert_allclose(law.var(), [stationary.bernoulli_law(4, x).var() for x in p])


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("poisson", stationary.poisson_law),
        ("exponential", stationary.exponential_law),
        ("known mean", stationary.known_mean_variance_law),
    ],
)
def test_laws_of_simulated_families(families, name, law):
    family, n, k, chains = families[name], 200, 4, 1000
    rng, phi = np.random.default_rng(0), np.full(chains, families[name].truth)
    for _ in range(6 * n // k):
        real = family.rows(rng, family.truth, (chains, k)).sum(1)
        phi = (real + (n - k) * family.mean(rng, phi, n - k)) / n
    spacing = 1 / n if name == "poisson" else 0.0
    assert ks_check(phi, law(k, family.truth), spacing).verdict == "pass"
    assert ks_check(phi, law(2 * k, family.truth), spacing).verdict == "fail"


@pytest.mark.parametrize("k", [20, 100, 200])
def test_share_of_a_rare_class(k):
    n, p = 500, 0.05
    x, law = np.arange(n + 1) / n, chain.stationary(chain.anchored_transition(n, k, p))
    cv = np.sqrt(law @ (x - p) ** 2) / p
    assert stationary.share_cv(k, n, p) == pytest.approx(cv)


@pytest.mark.parametrize(
    ("k", "p", "least", "most"),
    [(1, 0.01, 0.99, 1.01), (1, 0.1, 0.97, 1), (10, 0.01, 0.97, 1), (1, 0.3, 0.88, 1)],
)
def test_absence_is_near_the_chain_for_few_anchors_of_a_class(k, p, least, most):
    exact = chain.stationary(chain.anchored_transition(1000, k, p))[0]
    assert least < stationary.absence(k, 1000, p) / exact < most


@pytest.mark.parametrize(("k", "p"), [(2, 0.5), (10, 0.1), (100, 0.01)])
def test_absence_is_far_too_small_for_many(k, p):
    """2 k p = 2: why its docstring sends the reader to the chain."""
    exact = chain.stationary(chain.anchored_transition(1000, k, p))[0]
    assert 0.15 < stationary.absence(k, 1000, p) / exact < 0.5


def test_rows_for_a_steady_share():
    for p in (0.01, 0.1):
        k = stationary.rows_for_cv(p)
        assert k == pytest.approx(2 / p, rel=0.11)
        assert stationary.share_cv(k, 10**9, p) == pytest.approx(0.5, rel=0.02)
