"""Weighted means against their own recursion, simulated."""

import numpy as np
import pytest

from nc_testbed.theory import weights
from nc_testbed.theory.rules import mean_check, share_check


@pytest.mark.parametrize(("real", "synthetic"), [(5, 5), (3, 12), (12, 3)])
def test_weighted_mean(real, synthetic):
    rng, ratio, chains = np.random.default_rng(0), real / synthetic, 20_000
    best = weights.golden_weight(ratio)
    for weight in (best, 0.5):
        mean = np.zeros(chains)
        for _ in range(40):
            truth = rng.standard_normal(chains) / real**0.5
            mean = (1 - weight) * (mean + rng.standard_normal(chains) / synthetic**0.5)
            mean = mean + weight * truth
        law = weights.weighted_risk(weight, ratio)
        assert mean_check(real * mean**2, law).verdict == "pass"
    grid = np.linspace(0.001, 1, 10_000)
    risks = weights.weighted_risk(grid, ratio)
    assert grid[risks.argmin()] == pytest.approx(best, abs=2e-4)
    assert risks.min() == pytest.approx(best)


def test_an_oracle_only_delays():
    rng, n, p, alive = np.random.default_rng(1), 10, 0.2, np.ones(5000, dtype=bool)
    for t in range(1, 15):
        alive &= rng.binomial(n, p, 5000) > 0
        assert (
            share_check(alive.sum(), 5000, weights.oracle_survival(t, n, p)).verdict == "pass"
        )
