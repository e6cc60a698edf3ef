"""Laws of anchors against simulated chains that keep their real rows."""

import numpy as np
import pytest

from nc_testbed.theory import anchors, chain, replace_gaussian
from nc_testbed.theory.rules import mean_check

CHAINS, SIZES, K = 20_000, [8, 10, 6, 12, 12], 3
SOURCES = ("fresh", "pool", "fixed")


def anchor_rows(rng, source, real, draw):
    """The k real rows ``[R, k]`` of the next generation."""
    if source == "fresh":
        return draw((len(real), K))
    if source == "fixed":
        return real[:, :K]
    return rng.permuted(real, axis=1)[:, :K]


@pytest.mark.parametrize("source", SOURCES)
def test_spread_of_every_family(family, source):
    rng = np.random.default_rng(0)

    def draw(size):
        return family.rows(rng, family.truth, size)

    real = draw((CHAINS, SIZES[0]))
    phi = real.mean(1)
    law = anchors.anchored_spread(SIZES, K, family.variance, family.c, source)
    for n, expected in zip(SIZES[1:], law[1:], strict=True):
        rows = anchor_rows(rng, source, real, draw)
        phi = (rows.sum(1) + (n - K) * family.mean(rng, phi, n - K)) / n
        assert mean_check((phi - family.truth) ** 2, expected).verdict == "pass"
        variance = family.variance + family.c * expected
        assert mean_check(family.variance_at(phi), variance).verdict == "pass"


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("source", SOURCES)
def test_gaussian(source, ddof):
    rng = np.random.default_rng(1)

    def draw(size):
        return 2 * rng.standard_normal(size)

    real = draw((CHAINS, SIZES[0]))
    mean, variance = real.mean(1), real.var(1, ddof=ddof)
    drift, fitted = anchors.anchored_gaussian(SIZES, K, 4.0, ddof, source)
    for i, n in enumerate(SIZES[1:], start=1):
        noise = rng.standard_normal((CHAINS, n - K)) * np.sqrt(variance)[:, None]
        rows = np.hstack([anchor_rows(rng, source, real, draw), mean[:, None] + noise])
        mean, variance = rows.mean(1), rows.var(1, ddof=ddof)
        assert mean_check(mean**2, drift[i]).verdict == "pass"
        assert mean_check(variance, fitted[i]).verdict == "pass"


def test_the_wrong_source_fails():
    laws = [anchors.anchored_spread([20] * 100, 4, 1.0, -1, source)[-1] for source in SOURCES]
    values = np.random.default_rng(2).standard_normal(CHAINS) * laws[0] ** 0.5
    verdicts = [mean_check(values**2, law).verdict for law in laws]
    assert verdicts == ["pass", "fail", "fail"]


@pytest.mark.parametrize("source", SOURCES)
def test_no_anchors_is_replace(source):
    t = np.arange(1, 30)
    spread = anchors.anchored_spread([10] * 29, 0, 0.25, -1, source)
    np.testing.assert_allclose(0.25 - spread, 0.25 * 0.9**t)
    for ddof in (0, 1):
        drift, fitted = anchors.anchored_gaussian([10] * 29, 0, 2.0, ddof, source)
        np.testing.assert_allclose(drift, replace_gaussian.mean_squared_drift(t, 10, 2.0, ddof))
        np.testing.assert_allclose(
            fitted, replace_gaussian.expected_variance_gaussian(t, 10, 2.0, ddof)
        )


def test_all_anchors_are_real_data_alone():
    fresh, pool, fixed = (anchors.anchored_spread([10] * 9, 10, 1.0, 0, s) for s in SOURCES)
    for curve in (fresh, pool, fixed):
        np.testing.assert_allclose(curve, 0.1)


@pytest.mark.parametrize("c", [-1, -0.1, 0, 1, 2])
@pytest.mark.parametrize("k", [2, 7, 50])
def test_fresh_anchors_settle(k, c):
    n = 50
    curve = anchors.anchored_spread([n] * 1000, k, 0.25, c, "fresh")
    assert curve[-1] == pytest.approx(anchors.stationary_spread(k, n, 0.25, c))


@pytest.mark.parametrize("k", [1, 7, 50])
def test_a_gaussian_settles(k):
    drift, fitted = anchors.anchored_gaussian([50] * 2000, k, 3.0, 0, "fresh")
    law = anchors.stationary_gaussian(k, 50, 3.0)
    assert (drift[-1], fitted[-1]) == pytest.approx(law)


def test_one_point_leaves_a_spread_without_n():
    """At k = 1: about V/3 (c = -1), V/2 (0), V (1), whatever n."""
    for c, part in ((-1, 1 / 3), (0, 1 / 2), (1, 1)):
        for n in (1000, 10**6):
            assert anchors.stationary_spread(1, n, 1.0, c) == pytest.approx(part, rel=0.002)


@pytest.mark.parametrize("k", [1, 4])
def test_stationary_laws_on_the_exact_chain(k):
    n, p = 40, 0.2
    x, law = np.arange(n + 1) / n, chain.stationary(chain.anchored_transition(n, k, p))
    assert law @ x == pytest.approx(p)
    spread = anchors.stationary_spread(k, n, p * (1 - p), -1)
    assert law @ (x - p) ** 2 == pytest.approx(spread)
    heterozygosity = anchors.stationary_gini(k, n, 2 * p * (1 - p))
    assert law @ (2 * x * (1 - x)) == pytest.approx(heterozygosity)


@pytest.mark.parametrize(("k", "rows"), [(2, 3), (2, 8), (8, 8), (8, 30)])
def test_reused_rows_settle_around_their_own_law(families, k, rows):
    """Given the rows: a pool of them, drawn without replacement, and all of them when k = rows."""
    rng, n = np.random.default_rng(3), 10
    pools = {"bernoulli": np.arange(rows) % 3 > 0, "poisson": np.arange(rows) * 2 % 5}
    for name, pool in pools.items():
        family, pool = families[name], pool.astype(float)
        phi = np.full(CHAINS, family.truth)
        for _ in range(40):
            drawn = rng.permuted(np.tile(pool, (CHAINS, 1)), axis=1)[:, :k].sum(1)
            phi = (drawn + (n - k) * family.mean(rng, phi, n - k)) / n
        model = family.variance_at(pool.mean())
        law = anchors.stationary_spread_reused(k, n, rows, pool.var(), model, family.c)
        assert mean_check((phi - pool.mean()) ** 2, law).verdict == "pass"
        assert mean_check(phi, pool.mean()).verdict == "pass"


def test_reused_rows_of_a_gaussian(refit_gaussian):
    rng, n, k = np.random.default_rng(4), 10, 4
    pool = rng.standard_normal(k)
    mean, variance = np.zeros(CHAINS), np.ones(CHAINS)
    for _ in range(40):
        noise = rng.standard_normal((CHAINS, n - k)) * np.sqrt(variance)[:, None]
        rows = np.hstack([np.tile(pool, (CHAINS, 1)), mean[:, None] + noise])
        mean, variance = rows.mean(1), rows.var(1)
    drift = anchors.stationary_spread_reused(k, n, k, pool.var(), pool.var(), -1)
    assert mean_check((mean - pool.mean()) ** 2, drift).verdict == "pass"
    assert mean_check(variance, pool.var() - drift).verdict == "pass"


def test_an_infinite_pool_is_fresh():
    law = anchors.stationary_spread_reused(5, 50, 10**9, 0.25, 0.25, -1)
    assert law == pytest.approx(anchors.stationary_spread(5, 50, 0.25, -1))


@pytest.mark.parametrize("anchor", [0, 1])
def test_one_fixed_point_does_not_save_a_bernoulli(families, anchor):
    rng, n, p = np.random.default_rng(5), 10, 0.3
    phi = (anchor + rng.binomial(n - 1, p, CHAINS)) / n
    for t in range(1, 20):
        law = anchors.fixed_one_bernoulli(t, n, p, anchor)
        assert mean_check(abs(phi - anchor), law, scale=abs(p - anchor)).verdict == "pass"
        phi = (anchor + rng.binomial(n - 1, phi)) / n


def test_one_fixed_point_does_not_save_a_gaussian():
    rng, n, x0 = np.random.default_rng(6), 10, 1.5
    mean, variance = np.zeros(CHAINS), np.ones(CHAINS)
    for t in range(1, 12):
        noise = rng.standard_normal((CHAINS, n - 1)) * np.sqrt(variance)[:, None]
        rows = np.hstack([np.full((CHAINS, 1), x0), mean[:, None] + noise])
        mean, variance = rows.mean(1), rows.var(1)
        law = anchors.fixed_gaussian_energy(t, n, 1 + x0**2)
        assert mean_check(variance + (mean - x0) ** 2, law).verdict == "pass"


def test_the_baseline_beats_one_point():
    assert anchors.real_only_spread(1, 4, 0.25) < anchors.stationary_spread(1, 1000, 0.25, -1)


@pytest.mark.parametrize(
    ("k", "source"), [(9, "fresh"), (-1, "fresh"), (5, "pool"), (5, "fixed")]
)
def test_anchors_that_cannot_be(k, source):
    with pytest.raises(ValueError, match="anchors in 8 rows"):
        anchors.anchored_spread([4, 8], k, 1.0, 0, source)
