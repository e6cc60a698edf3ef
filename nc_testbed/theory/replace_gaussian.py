"""Exact laws of a Gaussian, mean and variance both refitted to its own samples (replace).

``t`` counts refits to samples: t = 1 is the fit to a first sample drawn from the truth,
t = generation + 1; an integer or an integer array. ``n`` rows per refit, more than the
dimension. ``ddof`` is numpy's: the fitted variance is sum (x - mean)^2 / (n - ddof), 0
for maximum likelihood, 1 for the unbiased one. ``variance`` is the truth's, s^2 below,
per coordinate; S_t and mu_t are the fit's variance and mean.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import poch, polygamma, psi


def expected_variance_gaussian(
    t: ArrayLike, n: int, variance: float, ddof: int
) -> NDArray[np.float64]:
    """Expected fitted variance (A10).

    E S_t = s^2 ((n-1)/(n-ddof))^t

    Arguments: t >= 1; n >= 2 rows; variance s^2; ddof 0 or 1. Conditions: exact; of the
    truth's law only the variance matters. With ddof = 1 it is s^2 for ever while S_t ->
    0. Source: derived.

    >>> expected_variance_gaussian([1, 10], 20, 1.0, ddof=0).round(4).tolist()
    [0.95, 0.5987]
    """
    return variance * ((n - 1) / (n - ddof)) ** np.asarray(t, dtype=np.float64)


def expected_variance_shared(
    t: ArrayLike, n: int, first: float, ddof: int
) -> NDArray[np.float64]:
    """Expected fitted variance (A10) when all chains share their real rows.

    E S_t = first ((n-1)/(n-ddof))^(t-1)

    Arguments: t >= 1; n >= 2 synthetic rows; first = S_1, the fitted variance of the
    shared rows, on which the law is conditional; ddof 0 or 1. Conditions: exact, any
    number of real rows. Source: derived.

    >>> expected_variance_shared([1, 2], 20, 2.0, ddof=0).tolist()
    [2.0, 1.9]
    """
    return expected_variance_gaussian(np.asarray(t) - 1, n, first, ddof)


def mean_squared_drift(t: ArrayLike, n: int, variance: float, ddof: int) -> NDArray[np.float64]:
    """Expected squared distance of the fitted mean from the truth's, per coordinate
    (A10).

    E(mu_t - mu_0)^2 = s^2 - E S_t (ddof = 0), s^2 t/n (ddof = 1)

    Arguments: t >= 1; n >= 2 rows; variance s^2; ddof 0 or 1. Conditions: exact. Source:
    derived, from the sum of E S_i/n over the refits.

    >>> float(mean_squared_drift(10, 20, 1.0, ddof=1))
    0.5
    """
    if ddof == 1:
        return np.asarray(t, dtype=np.float64) * variance / n
    return variance - expected_variance_gaussian(t, n, variance, ddof)


def fresh_sample_variance(t: ArrayLike, n: int, variance: float) -> NDArray[np.float64]:
    """Variance over chains and samples of one new sample of the t-th fit (A6).

    Var X = s^2 (1 + t/n)

    Arguments: t >= 1; n >= 2 rows; variance s^2. Conditions: exact, ddof = 1 (with ddof =
    0 it is s^2 for ever). Source: Shumailov et al., 2024,
    https://doi.org/10.1038/s41586-024-07566-y

    >>> float(fresh_sample_variance(10, 20, 1.0))
    1.5
    """
    return variance * (1 + np.asarray(t, dtype=np.float64) / n)


def expected_sd(t: ArrayLike, n: int, sd: float, ddof: int) -> NDArray[np.float64]:
    """Expected fitted standard deviation (A8).

    E sigma_t = sd c^t, c = sqrt(2/(n-ddof)) Gamma(n/2)/Gamma((n-1)/2), c4 for ddof = 1

    Arguments: t >= 1; n >= 2 rows; sd of the truth; ddof 0 or 1. Conditions: exact,
    Gaussian truth. Source: derived.

    >>> expected_sd([1, 10], 20, 1.0, ddof=1).round(4).tolist()
    [0.9869, 0.8768]
    """
    # The ratio of gamma functions as a Pochhammer symbol keeps its digits at large n.
    c = math.sqrt(2 / (n - ddof)) * poch((n - 1) / 2, 0.5)
    return sd * c ** np.asarray(t, dtype=np.float64)


def w2_squared(t: ArrayLike, n: int, variance: float, ddof: int) -> NDArray[np.float64]:
    """Expected squared Wasserstein-2 distance of the fit from the truth, one dimension
    (A7).

    E W2^2 = E(mu_t-mu_0)^2 + E S_t + s^2 - 2 s E sigma_t; ddof = 1: s^2 (t/n + 2(1 -
    c4^t))

    Arguments: t >= 1; n >= 2 rows; variance s^2; ddof 0 or 1. Conditions: exact, Gaussian
    truth. Source: derived.

    >>> w2_squared([1, 10], 20, 1.0, ddof=1).round(4).tolist()
    [0.0761, 0.7465]
    """
    drift = mean_squared_drift(t, n, variance, ddof)
    fitted = expected_variance_gaussian(t, n, variance, ddof)
    s = math.sqrt(variance)
    return drift + fitted + variance - 2 * s * expected_sd(t, n, s, ddof)


def expected_log_det(
    t: ArrayLike, n: int, d: int, log_det: float, ddof: int
) -> NDArray[np.float64]:
    """Expected log-determinant of the fitted covariance; d = 1: of the variance (A9).

    E log|Sigma_t| = log_det + t sum_{i=1..d} (psi((n-i)/2) + ln(2/(n-ddof)))

    Arguments: t >= 1; n > d rows; d >= 1 dimensions, full covariance; log_det =
    log|Sigma_0| of the truth; ddof 0 or 1. Conditions: exact, Gaussian truth. This is the
    law that shows S_t -> 0 whatever ddof. Source: derived.

    >>> expected_log_det([1, 10], 20, 1, 0.0, ddof=1).round(4).tolist()
    [-0.0536, -0.5355]
    """
    step = np.sum(psi((n - np.arange(1, d + 1)) / 2)) + d * math.log(2 / (n - ddof))
    return log_det + step * np.asarray(t, dtype=np.float64)


def variance_log_variance(t: ArrayLike, n: int, d: int = 1) -> NDArray[np.float64]:
    """Variance over chains of the fitted covariance's log-determinant (A9).

    Var log|Sigma_t| = t sum_{i=1..d} psi1((n-i)/2), psi1 the trigamma function

    Arguments: t >= 1; n > d rows; d >= 1 dimensions, 1: the log-variance. Conditions:
    exact, Gaussian truth, any ddof. Source: derived.

    >>> variance_log_variance([1, 10], 20).round(4).tolist()
    [0.111, 1.11]
    """
    step = np.sum(polygamma(1, (n - np.arange(1, d + 1)) / 2))
    return step * np.asarray(t, dtype=np.float64)


def expected_kl_gaussian(t: ArrayLike, n: int, d: int, ddof: int) -> NDArray[np.float64]:
    """Expected divergence KL(fit || truth) in nats (from A9 and A10).

    E KL = 1/2 (d E S_t/s^2 + d E(mu_t-mu_0)^2/s^2 - d - E log(|Sigma_t|/|Sigma_0|))

    Arguments: t >= 1; n > d rows; d >= 1 dimensions, full covariance; ddof 0 or 1.
    Conditions: exact, Gaussian truth, whatever its mean and covariance. Source: derived.

    >>> expected_kl_gaussian([1, 10], 20, 1, ddof=0).round(4).tolist()
    [0.0524, 0.5242]
    """
    second = expected_variance_gaussian(t, n, 1.0, ddof) + mean_squared_drift(t, n, 1.0, ddof)
    return (d * (second - 1) - expected_log_det(t, n, d, 0.0, ddof)) / 2


def variance_sd_gaussian(
    t: ArrayLike, n: int, variance: float, ddof: int
) -> NDArray[np.float64]:
    """Standard deviation over chains of the fitted variance S_t, one dimension.

    sd S_t = E S_t sqrt(((n+1)/(n-1))^t - 1)

    Arguments: t >= 1; n >= 2 rows; variance s^2; ddof 0 or 1. Conditions: exact, Gaussian
    truth. It grows beyond E S_t, carried by rare chains, so a sample's own sd is too
    small. Source: derived, from the second moment of chi-square.

    >>> variance_sd_gaussian([1, 10], 20, 1.0, ddof=0).round(4).tolist()
    [0.3082, 0.7854]
    """
    growth = np.asarray(t, dtype=np.float64) * math.log((n + 1) / (n - 1))
    return expected_variance_gaussian(t, n, variance, ddof) * np.sqrt(np.expm1(growth))
