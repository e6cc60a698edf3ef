"""Laws of two refitted scale families against simulated chains."""

import math

import numpy as np
import pytest

from nc_testbed.theory import replace, replace_scale
from nc_testbed.theory.rules import mean_check

CHAINS, ROWS, TIMES = 20_000, 20, (1, 3, 10)


@pytest.mark.parametrize("n", [3, 10, 10**9])
def test_deviation_after_one_fit(n):
    """The variance of chi-square is twice its degrees of freedom."""
    sd = replace_scale.variance_sd_known_mean(1, n, 4.0)
    assert sd == pytest.approx(4 * math.sqrt(2 / n), rel=1e-6)


@pytest.mark.parametrize("t", TIMES)
def test_exponential(families, t):
    rng, theta = np.random.default_rng(6), np.full(CHAINS, 1.5)
    for _ in range(t):
        theta = families["exponential"].mean(rng, theta, ROWS)
    kl = np.log(1.5 / theta) + theta / 1.5 - 1
    assert mean_check(kl, replace_scale.expected_kl_exponential(t, ROWS)).verdict == "pass"
    law = replace_scale.expected_log_variance_exponential(t, ROWS, 1.5)
    assert mean_check(2 * np.log(theta), law, scale=1.0).verdict == "pass"
    law = replace.expected_variance(t, ROWS, 1.5**2, 1)
    sd = replace_scale.variance_sd_exponential(t, ROWS, 1.5)
    assert mean_check(theta**2, law, sd=sd).verdict == "pass"
    if t < 10:  # later the sample's own deviation is carried by too few chains
        assert (theta**2).std() == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize("t", TIMES)
def test_gaussian_with_known_mean(families, t):
    rng, s = np.random.default_rng(7), np.full(CHAINS, 2.0)
    for _ in range(t):
        s = families["known mean"].mean(rng, s, ROWS)
    law = replace_scale.expected_log_variance_known_mean(t, ROWS, 2.0)
    assert mean_check(np.log(s), law, scale=1.0).verdict == "pass"
    sd = replace_scale.variance_sd_known_mean(t, ROWS, 2.0)
    assert mean_check(s, 2.0, sd=sd).verdict == "pass"
    assert s.std() == pytest.approx(sd, rel=0.1)
    sd = 2 * replace_scale.variance_sd_known_mean(t, ROWS, 2.0, power=2)
    law = replace.expected_variance(t, ROWS, 8.0, 2)
    assert mean_check(2 * s**2, law, sd=sd).verdict == "pass"
