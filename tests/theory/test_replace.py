"""Laws of replace against simulated families and enumerated chains."""

import math

import numpy as np
import pytest

from nc_testbed.theory import chain, replace
from nc_testbed.theory.rules import mean_check, share_check

CHAINS, ROWS, REFITS = 20_000, 20, 10


def refitted(family, sizes, seed=0):
    rng, phi, curve = np.random.default_rng(seed), np.full(CHAINS, family.truth), []
    for n in sizes:
        phi = family.mean(rng, phi, n)
        curve.append(phi)
    return np.array(curve)


def test_expected_variance_of_every_family(family):
    phi = refitted(family, [ROWS] * REFITS)
    for t in (1, REFITS):
        law = replace.expected_variance(t, ROWS, family.variance, family.c)
        assert mean_check(family.variance_at(phi[t - 1]), law).verdict == "pass"


def test_growing_sizes_of_every_family(family):
    sizes = [ROWS * i**2 for i in range(1, 6)]
    law = replace.growing(sizes, family.variance, family.c)
    phi = refitted(family, sizes)
    assert mean_check(family.variance_at(phi[-1]), law[-1]).verdict == "pass"


def test_growing_sizes_that_do_not_grow():
    np.testing.assert_allclose(
        replace.growing([ROWS] * 5, 2.0, -1),
        replace.expected_variance(np.arange(1, 6), ROWS, 2.0, -1),
    )


def test_the_wrong_family_fails(families):
    phi = refitted(families["bernoulli"], [ROWS] * REFITS)
    values = families["bernoulli"].variance_at(phi[-1])
    assert (
        mean_check(values, replace.expected_variance(REFITS, ROWS, 0.21, 0)).verdict == "fail"
    )


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("n", [3, 6])
def test_gini_and_variance_are_exact_on_the_chain(n, p):
    x = np.arange(n + 1) / n
    for t in (1, 2, 7):
        law = chain.distribution(n, p, t)
        expected = replace.heterozygosity(t, n, 2 * p * (1 - p))
        assert law @ (2 * x * (1 - x)) == pytest.approx(expected)
        assert law @ (x * (1 - x)) == pytest.approx(
            replace.expected_variance(t, n, p * (1 - p), -1)
        )


def test_gini_of_many_classes():
    rng, p = np.random.default_rng(1), np.array([0.5, 0.3, 0.1, 0.1])
    shares = np.broadcast_to(p, (5000, 4))
    for _ in range(6):
        shares = rng.multinomial(30, shares) / 30
    law = replace.heterozygosity(6, 30, 1 - (p**2).sum())
    assert mean_check(1 - (shares**2).sum(1), law).verdict == "pass"


def test_fixation_of_many_classes():
    rng, p = np.random.default_rng(2), np.array([0.6, 0.3, 0.1])
    shares = np.broadcast_to(p, (4000, 3))
    for _ in range(150):
        shares = rng.multinomial(8, shares) / 8
    assert ((shares == 0) | (shares == 1)).all()
    for i, law in enumerate(replace.fixation(p)):
        assert share_check((shares[:, i] == 1).sum(), 4000, law).verdict == "pass"


def test_all_up_is_fixation_of_the_spins():
    n, spins, m = 5, 3, 0.4
    curve = chain.fixed_curve(n * spins, [(1 + m) / 2], 400)
    assert curve[0, -1] == pytest.approx(replace.all_up(m), abs=1e-9)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_diffusion_limits_approach_the_chain(p):
    """Both limits are about two refits late: 1.4% of the time at n = 200."""
    n = 200
    exact = chain.mean_absorption_time(n, p)
    assert 1 < replace.diffusion_absorption_time(n, p) / exact < 1.015
    t = np.arange(1, 1001)
    kimura = replace.kimura_unabsorbed(t, n, p)
    exact = 1 - chain.absorbed_curve(n, p, 1000)
    np.testing.assert_allclose(kimura, exact, atol=0.024)
    # The tail is 6 p q exp(-t/n), the second term of the series being below e^-5 of it.
    np.testing.assert_allclose(kimura[-1], 6 * p * (1 - p) * math.exp(-1000 / n), rtol=1e-6)


def test_kimura_begins_with_both_values():
    assert replace.kimura_unabsorbed(1, 10**6, 0.5) == pytest.approx(1, abs=1e-12)


def test_rate_of_a_poisson_law(families):
    poisson = families["poisson"]
    rates = refitted(poisson, [2] * 30)
    for t in (1, 8):
        law = replace.poisson_variance_of_rate(t, 2, poisson.truth)
        assert mean_check((rates[t - 1] - poisson.truth) ** 2, law).verdict == "pass"
    for t in (3, 30):
        law = replace.poisson_alive(t, 2, poisson.truth)
        assert share_check((rates[t - 1] > 0).sum(), CHAINS, law).verdict == "pass"


def test_kernel_density_diffuses():
    rng, n, h = np.random.default_rng(3), 10, 0.5
    rows = 2 * rng.standard_normal((10_000, n))
    for t in range(1, 9):
        law = replace.kde_variance(t, n, h, 4.0)
        assert mean_check(rows.var(1), law).verdict == "pass"
        assert replace.kde_fit_variance(t, n, h, 4.0) == law + h**2
        chosen = np.take_along_axis(rows, rng.integers(n, size=rows.shape), 1)
        rows = chosen + h * rng.standard_normal(rows.shape)
    assert replace.kde_variance(10_000, n, h, 4.0) == pytest.approx((n - 1) * h**2)


def test_temperature_without_sampling_error():
    shares = np.array([0.7, 0.2, 0.1])
    start = np.log(shares[0] / shares)
    for t in range(1, 5):
        law = replace.tempered_log_odds(t, start, 0.8)
        np.testing.assert_allclose(np.log(shares[0] / shares), law)
        shares = shares ** (1 / 0.8) / (shares ** (1 / 0.8)).sum()


def test_tempered_gaussian(refit_gaussian):
    rng = np.random.default_rng(4)
    mean, variance = np.zeros(CHAINS), np.full(CHAINS, 3.0)
    for t in range(1, 6):
        drawn_from = variance if t == 1 else 0.7 * variance
        mean, variance = refit_gaussian(rng, mean, drawn_from, 15, 1)
        assert mean_check(variance, replace.tempered_variance(t, 3.0, 0.7)).verdict == "pass"
