"""The alarm is silent while classes live, and rings when one dies, at once or slowly."""

import numpy as np
import pytest
from scipy.stats import binom

from nc_testbed.core.errors import BadInput
from nc_testbed.metrics.alarm import ALPHA, Watch, alarm, first_alarm, log_e_value, log_wealth

M, L, R = 10_000, 20, 4000
SHARES = np.array([0.01, 0.02, 0.03])  # the rarest: M p = 100


def counts(shares, generations=L + 1, seed=0):
    """Binomial counts [R, T, C] of shares [C] or [T, C]."""
    return np.random.default_rng(seed).binomial(M, shares, (R, generations, 3)).astype(float)


@pytest.mark.parametrize(("trials", "p0"), [(5, 0.3), (100, 0.05), (2000, 0.4)])
def test_an_e_value_has_mean_one_at_the_boundary_and_less_above(trials, p0):
    k = np.arange(trials + 1)
    log_e = log_e_value(k, trials, p0)

    def mean(p):
        return np.exp(log_e + binom.logpmf(k, trials, p)).sum()

    assert mean(p0) == pytest.approx(1)
    assert mean(1.02 * p0) < 1 < mean(0.5 * p0)


def test_wealth_is_the_recursion_in_plain_numbers():
    e = np.random.default_rng(0).lognormal(size=(3, 6))
    stake, expected = np.zeros(3), []
    for t in range(1, 7):
        stake = e[:, t - 1] * (stake + 1 / 6)
        expected.append(stake + 1 - t / 6)
    np.testing.assert_allclose(np.exp(log_wealth(np.log(e))), np.stack(expected, 1))


def test_wealth_is_one_on_average_at_the_boundary():
    """e is 3 or 0 with chances 1/3 and 2/3: small enough that a mean can be measured."""
    e = np.where(np.random.default_rng(0).random((200_000, 4)) < 1 / 3, np.log(3), -np.inf)
    wealth = np.exp(log_wealth(e))
    assert (np.abs(wealth.mean(0) - 1) < 4 * wealth.std(0) / 200_000**0.5).all()


def test_nothing_overflows():
    large = log_wealth(log_e_value(np.zeros((1, 30)), 10**9, 0.5))
    assert np.isfinite(large).all() and large[0, -1] > 1e8
    assert np.isfinite(log_wealth(log_e_value(np.full((1, 30), 1e9), 10**9, 0.1))).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_healthy_chains_are_alarmed_with_chance_alpha_at_most(seed):
    assert np.isfinite(alarm(counts(SHARES, seed=seed), M)).mean() <= ALPHA
    boundary = first_alarm(counts(SHARES, L, seed), M, SHARES)  # no room to spare
    assert 0 < np.isfinite(boundary).mean() <= ALPHA
    few = counts(SHARES / 20, seed=seed)  # M p = 5: p0 itself is badly known
    assert np.isfinite(alarm(few, M)).mean() <= ALPHA + 3 * 0.014


def test_a_dropped_class_is_seen_in_its_first_generation():
    hits = counts(SHARES)
    for rank in range(3):
        dropped = hits.copy()
        dropped[:, 7:, rank] = 0
        assert (alarm(dropped, M) == 7).mean() >= 0.99


def test_a_slow_decline_is_seen_soon_after_a_class_is_halved():
    """15% less in every generation: half is left after 4.3 of them."""
    left = 0.85 ** np.arange(L + 1)[:, None]
    declined = alarm(counts(SHARES * left), M)
    assert 5 <= np.median(declined) <= 8 and (declined <= 10).mean() > 0.99
    one = SHARES * np.concatenate([left, np.ones((L + 1, 2))], 1)
    assert np.isfinite(alarm(counts(one), M)).mean() > 0.99


def test_a_third_less_is_no_loss():
    assert (
        np.isfinite(alarm(counts(SHARES * np.r_[1, np.full(L, 0.67)][:, None]), M)).mean()
        < ALPHA
    )


def test_classes_are_averaged_so_that_more_of_them_are_no_more_alarms():
    declined = counts(SHARES * 0.97 ** np.arange(L + 1)[:, None])[:, :, :1]
    once, thrice = (alarm(hits, M) for hits in (declined, np.repeat(declined, 3, 2)))
    assert 0 < np.isfinite(once).mean() < 1
    np.testing.assert_array_equal(once, thrice)


def test_a_class_without_a_hit_at_the_start_never_rings():
    hits = counts(SHARES)
    hits[:, 0] = 0
    assert np.isinf(alarm(hits, M)).all()
    hits[:, 1:] = 0
    assert np.isinf(alarm(hits, M)).all()


def test_trials_may_differ_by_chain_and_class():
    trials = np.array([[100.0, 50.0], [50.0, 100.0]])
    hits = np.repeat(0.8 * trials[:, None], 4, 1)
    assert np.isinf(alarm(hits, trials)).all()
    hits[1, 2:] = 0
    assert alarm(hits, trials).tolist() == [np.inf, 2.0]


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1, 2])
def test_alpha_is_a_chance(alpha):
    with pytest.raises(BadInput, match="^alpha="):
        first_alarm(np.zeros((1, 2, 1)), 10, 0.5, alpha)


@pytest.mark.parametrize("L", [1, 7, 30])
def test_followed_generation_by_generation_it_rings_when_it_would_have_been_seen_to(L):
    rng = np.random.default_rng(L)
    share = 0.1 * np.exp(-rng.uniform(0, 0.5, (40, 1, 2)) * np.arange(L + 1)[:, None])
    counts = rng.binomial(200, share).astype(float)
    watch, M = Watch(counts[:, 0], 200, L), 200
    for t in range(1, L + 1):
        watch.see(counts[:, t])
        whole = alarm(counts, M)
        known = np.where(whole <= t, whole, np.inf)  # nothing is known before it happens
        np.testing.assert_array_equal(watch.first, known)
    assert np.isfinite(watch.first).any() or L == 1
