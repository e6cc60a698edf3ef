"""Laws of a refitted Gaussian against simulated chains."""

import math

import numpy as np
import pytest

from nc_testbed.theory import replace_gaussian
from nc_testbed.theory.rules import mean_check

CHAINS, ROWS, S2, TIMES = 20_000, 20, 4.0, (1, 3, 10)


@pytest.fixture(params=[0, 1], ids=["ddof0", "ddof1"])
def fits(request, refit_gaussian):
    """``ddof, {t: (mean, variance)}`` of simulated chains with truth N(0, 4)."""
    rng = np.random.default_rng(request.param)
    mean, variance, kept = np.zeros(CHAINS), np.full(CHAINS, S2), {}
    for t in range(1, max(TIMES) + 1):
        mean, variance = refit_gaussian(rng, mean, variance, ROWS, request.param)
        kept[t] = mean, variance
    return request.param, kept


@pytest.mark.parametrize("t", TIMES)
def test_moments_of_the_fit(fits, t):
    ddof, (mean, variance) = fits[0], fits[1][t]
    sd = replace_gaussian.variance_sd_gaussian(t, ROWS, S2, ddof)
    law = replace_gaussian.expected_variance_gaussian(t, ROWS, S2, ddof)
    assert mean_check(variance, law, sd=sd).verdict == "pass"
    law = replace_gaussian.mean_squared_drift(t, ROWS, S2, ddof)
    assert mean_check(mean**2, law).verdict == "pass"
    law = replace_gaussian.expected_sd(t, ROWS, math.sqrt(S2), ddof)
    assert mean_check(np.sqrt(variance), law).verdict == "pass"
    # The standard deviation's own check: the mean square of a skewed law, in wider error bars.
    assert variance.std() == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize("t", TIMES)
def test_logs_and_distances_of_the_fit(fits, t):
    ddof, (mean, variance) = fits[0], fits[1][t]
    log = np.log(variance / S2)
    law = replace_gaussian.expected_log_det(t, ROWS, 1, 0.0, ddof)
    assert mean_check(log, law).verdict == "pass"
    law = replace_gaussian.variance_log_variance(t, ROWS)
    assert mean_check((log - log.mean()) ** 2, law).verdict == "pass"
    law = replace_gaussian.w2_squared(t, ROWS, S2, ddof)
    assert mean_check(mean**2 + (np.sqrt(variance) - 2) ** 2, law).verdict == "pass"
    law = replace_gaussian.expected_kl_gaussian(t, ROWS, 1, ddof)
    assert mean_check((variance / S2 + mean**2 / S2 - 1 - log) / 2, law).verdict == "pass"


def test_a_sample_of_the_fit(fits):
    ddof, (mean, variance) = fits[0], fits[1][10]
    sample = mean + np.sqrt(variance) * np.random.default_rng(9).standard_normal(CHAINS)
    check = mean_check(sample**2, replace_gaussian.fresh_sample_variance(10, ROWS, S2))
    assert check.verdict == ("pass" if ddof == 1 else "fail")


def test_the_other_ddof_fails(fits):
    ddof, (_, variance) = fits[0], fits[1][10]
    law = replace_gaussian.expected_variance_gaussian(10, ROWS, S2, 1 - ddof)
    assert mean_check(variance, law).verdict == "fail"


@pytest.mark.parametrize("ddof", [0, 1])
def test_three_dimensions(ddof):
    rng, n, d, t = np.random.default_rng(5), 12, 3, 3
    root = np.array([[2.0, 0, 0], [1, 1, 0], [0.5, -1, 3]])
    covariance = np.broadcast_to(root @ root.T, (10_000, d, d))
    truth, mean = covariance[0], np.zeros((10_000, d))
    for _ in range(t):
        noise = rng.standard_normal((10_000, n, d)) @ np.linalg.cholesky(covariance).swapaxes(
            1, 2
        )
        rows = mean[:, None] + noise
        mean = rows.mean(1)
        centred = rows - mean[:, None]
        covariance = centred.swapaxes(1, 2) @ centred / (n - ddof)
    log_det, start = np.linalg.slogdet(covariance)[1], np.linalg.slogdet(truth)[1]
    law = replace_gaussian.expected_log_det(t, n, d, start, ddof)
    assert mean_check(log_det, law).verdict == "pass"
    law = replace_gaussian.variance_log_variance(t, n, d)
    assert mean_check((log_det - log_det.mean()) ** 2, law).verdict == "pass"
    inverse = np.linalg.inv(truth)
    trace = np.einsum("ij,rji->r", inverse, covariance)
    kl = (trace + np.einsum("ri,ij,rj->r", mean, inverse, mean) - d - log_det + start) / 2
    assert (
        mean_check(kl, replace_gaussian.expected_kl_gaussian(t, n, d, ddof)).verdict == "pass"
    )


def test_published_and_derived_constants_agree():
    """c4 of 20 rows, and W2 with ddof = 1 in the closed form of its docstring."""
    c4 = math.sqrt(2 / 19) * math.gamma(10) / math.gamma(9.5)
    t = np.arange(1, 50)
    np.testing.assert_allclose(replace_gaussian.expected_sd(t, 20, 3.0, 1), 3 * c4**t)
    np.testing.assert_allclose(
        replace_gaussian.w2_squared(t, 20, 9.0, 1), 9 * (t / 20 + 2 * (1 - c4**t))
    )
    huge = replace_gaussian.expected_sd(1, 10**12, 1.0, 1)
    assert 1 - huge == pytest.approx(1 / (4 * 10**12), rel=1e-3)


@pytest.mark.parametrize("n", [3, 10, 10**9])
def test_deviations_after_one_fit(n):
    """The variance of chi-square is twice its degrees of freedom."""
    for ddof in (0, 1):
        sd = replace_gaussian.variance_sd_gaussian(1, n, 4.0, ddof)
        assert sd == pytest.approx(4 * math.sqrt(2 * (n - 1)) / (n - ddof), rel=1e-6)


def test_shared_rows_are_one_refit_later():
    own = replace_gaussian.expected_variance_gaussian(np.arange(1, 6), 20, 3.0, 0)
    shared = replace_gaussian.expected_variance_shared(np.arange(1, 6), 20, 3.0 * 19 / 20, 0)
    np.testing.assert_allclose(own, shared)
