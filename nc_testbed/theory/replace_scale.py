"""Exact laws of two scale families refitted to their own samples (replace).

The exponential law (mean theta) and the Gaussian with known mean (variance S): each refit
multiplies the scale by the mean of n gamma variables. ``t`` counts refits to samples: t =
1 is the fit to a first sample drawn from the truth, t = generation + 1; an integer or an
integer array. ``n`` rows per refit. The expected variances themselves are
:func:`nc_testbed.theory.replace.expected_variance` with c = 1 and c = 2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import poch, psi


def expected_kl_exponential(t: ArrayLike, n: int) -> NDArray[np.float64]:
    """Expected divergence KL(fit || truth) of a refitted exponential law, in nats.

    E KL = t (ln n - psi(n))

    Arguments: t >= 1; n >= 1 rows. Conditions: exact, whatever the truth's mean. Source:
    derived.

    >>> expected_kl_exponential([1, 10], 20).round(4).tolist()
    [0.0252, 0.2521]
    """
    return np.asarray(t, dtype=np.float64) * (math.log(n) - psi(n))


def expected_log_variance_exponential(t: ArrayLike, n: int, mean: float) -> NDArray[np.float64]:
    """Expected log of a refitted exponential law's variance theta^2.

    E log theta_t^2 = 2 ln(mean) + 2 t (psi(n) - ln n)

    Arguments: t >= 1; n >= 1 rows; mean theta_0 > 0 of the truth. Conditions: exact.
    Source: derived.

    >>> expected_log_variance_exponential([1, 10], 20, 1.0).round(4).tolist()
    [-0.0504, -0.5042]
    """
    return 2 * math.log(mean) - 2 * expected_kl_exponential(t, n)


def variance_sd_exponential(t: ArrayLike, n: int, mean: float) -> NDArray[np.float64]:
    """Standard deviation over chains of a refitted exponential law's variance theta^2.

    sd theta_t^2 = mean^2 sqrt(m_4^t - m_2^(2t)), m_j = n(n+1)...(n+j-1)/n^j

    Arguments: t >= 1; n >= 1 rows; mean theta_0 > 0 of the truth. Conditions: exact;
    carried by rare chains, so a sample's own sd is too small. Source: derived.

    >>> variance_sd_exponential([1, 10], 20, 1.0).round(4).tolist()
    [0.4751, 3.7999]
    """
    return mean**2 * _sd(t, poch(n, 2) / n**2, poch(n, 4) / n**4)


def expected_log_variance_known_mean(
    t: ArrayLike, n: int, variance: float
) -> NDArray[np.float64]:
    """Expected log-variance of a refitted Gaussian whose mean is known.

    E log S_t = ln(variance) + t (psi(n/2) - ln(n/2))

    Arguments: t >= 1; n >= 1 rows; variance s^2 > 0 of the truth. Conditions: exact.
    Source: derived.

    >>> expected_log_variance_known_mean([1, 10], 20, 1.0).round(4).tolist()
    [-0.0508, -0.5083]
    """
    return math.log(variance) + np.asarray(t, dtype=np.float64) * (psi(n / 2) - math.log(n / 2))


def variance_sd_known_mean(
    t: ArrayLike, n: int, variance: float, power: int = 1
) -> NDArray[np.float64]:
    """Standard deviation over chains of S_t, or of S_t^2, of a Gaussian whose mean is
    known.

    sd S_t^j = variance^j sqrt(m_2j^t - m_j^(2t)), m_j = n(n+2)...(n+2j-2)/n^j

    Arguments: t >= 1; n >= 1 rows; variance s^2 of the truth; power j >= 1 (the
    statistic's variance is 2 S^2: j = 2). Conditions: exact; carried by rare chains.
    Source: derived.

    >>> variance_sd_known_mean([1, 10], 20, 1.0).round(4).tolist()
    [0.3162, 1.2624]
    """
    moment, square = (poch(n / 2, j) / (n / 2) ** j for j in (power, 2 * power))
    return variance**power * _sd(t, moment, square)


def _sd(t: ArrayLike, moment: float, square: float) -> NDArray[np.float64]:
    """sqrt(square^t - moment^(2t)) without the loss of digits at large n."""
    t = np.asarray(t, dtype=np.float64)
    return moment**t * np.sqrt(np.expm1(t * math.log(square / moment**2)))
