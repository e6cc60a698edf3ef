"""The binomial chain against enumeration in exact fractions and against simulation."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from nc_testbed.theory import chain
from nc_testbed.theory.rules import lattice_check, share_check


def pmf(n, p):
    return [comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]


def enumerated(n, p, t, k=0):
    """Law of X_t in exact fractions: every pair of real and synthetic counts, one by one."""
    law = pmf(n, p)
    for _ in range(t - 1):
        new = [Fraction(0)] * (n + 1)
        for x, weight in enumerate(law):
            for real, a in enumerate(pmf(k, p)):
                for synthetic, b in enumerate(pmf(n - k, Fraction(x, n))):
                    new[real + synthetic] += weight * a * b
        law = new
    return [float(x) for x in law]


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("n", [3, 4, 6])
def test_curves_against_enumeration(n, k):
    p = Fraction(2, 7)
    alive = chain.alive_curve(n, [2 / 7, 5 / 7], 5, k)
    fixed = chain.fixed_curve(n, [2 / 7, 5 / 7], 5, k)
    assert alive.shape == fixed.shape == (2, 5)
    for t in range(1, 6):
        law = enumerated(n, p, t, k)
        np.testing.assert_allclose(chain.distribution(n, 2 / 7, t, k), law, rtol=1e-12)
        np.testing.assert_allclose(alive[:, t - 1], [1 - law[0], 1 - law[-1]])
        np.testing.assert_allclose(fixed[:, t - 1], [law[-1], law[0]])
        if k == 0:
            absorbed = chain.absorbed_curve(n, 2 / 7, 5)
            assert absorbed[t - 1] == pytest.approx(law[0] + law[-1])


@pytest.mark.parametrize("n", [2, 5, 6])
def test_absorption_times_against_the_curve(n):
    """E t = sum over t of P(not yet absorbed), the curve being exact."""
    times, curve = chain.mean_absorption_time(n, 0.3), chain.absorbed_curve(n, 0.3, 400)
    assert times == pytest.approx(1 + (1 - curve).sum())
    assert chain.absorption_times(n)[[0, -1]].tolist() == [0, 0]


def test_fixation_is_the_share():
    curve = chain.fixed_curve(10, [0.1, 0.25], 400)
    np.testing.assert_allclose(curve[:, -1], [0.1, 0.25])


def test_one_row_is_absorbed_at_once():
    np.testing.assert_allclose(chain.absorbed_curve(1, 0.3, 3), 1)
    assert chain.mean_absorption_time(2, 1.0) == 1


@pytest.mark.parametrize("n", [7, 1000])
def test_rows_are_laws_with_the_right_mean(n):
    p, k = 0.03, n // 3
    x = np.arange(n + 1)
    for matrix, mean in (
        (chain.transition(n), x),
        (chain.anchored_transition(n, k, p), k * p + (n - k) * x / n),
    ):
        assert (matrix >= 0).all() and not matrix.flags.writeable
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-12)
        np.testing.assert_allclose(matrix @ x, mean, rtol=1e-9, atol=1e-9)


def test_no_anchors_and_all_anchors():
    np.testing.assert_allclose(chain.anchored_transition(9, 0, 0.3), chain.transition(9))
    every = np.broadcast_to(chain.binomial(9, 0.3), (10, 10))
    np.testing.assert_allclose(chain.anchored_transition(9, 9, 0.3), every)


def test_stationary_is_the_limit():
    matrix = chain.anchored_transition(30, 2, 0.2)
    law = chain.stationary(matrix)
    assert law.sum() == pytest.approx(1) and (law >= 0).all()
    np.testing.assert_allclose(law @ matrix, law, atol=1e-14)
    np.testing.assert_allclose(chain.distribution(30, 0.2, 400, 2), law, atol=1e-10)


def test_simulated_chains():
    rng, n, k, p = np.random.default_rng(0), 20, 2, 0.15
    x = rng.binomial(n, p, 4000)
    alive = chain.alive_curve(n, [p], 60, k)[0]
    for t in range(1, 61):
        if t > 1:
            x = rng.binomial(k, p, 4000) + rng.binomial(n - k, x / n)
        if t in (2, 10, 60):
            assert share_check((x > 0).sum(), 4000, alive[t - 1]).verdict == "pass"
            assert lattice_check(x, chain.distribution(n, p, t, k)).verdict == "pass"
    law = chain.stationary(chain.anchored_transition(n, k, p))
    assert lattice_check(x, law).verdict == "pass"
    wrong = chain.stationary(chain.anchored_transition(n, 2 * k, p))
    assert lattice_check(x, wrong).verdict == "fail"


def test_many_refits_keep_their_digits():
    """Rounding does not build up: what dies stays dead, and fixation is still the share."""
    curve = chain.alive_curve(1000, np.linspace(0.001, 0.5, 100), 100)
    assert (np.diff(curve) <= 1e-12).all()
    fixed = chain.fixed_curve(100, [0.3], 5000)[0, -1]
    assert fixed == pytest.approx(0.3, rel=1e-9)
