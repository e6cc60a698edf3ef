"""Exact laws of a family refitted to nothing but its own samples (replace, no real data).

Common to all of them: maximum likelihood, so that a fit's mean of the sufficient
statistic is the training rows' mean (a martingale). ``t`` counts refits to samples: t = 1
is the fit to a first sample drawn from the truth, t = generation + 1; an integer or an
integer array. ``n`` is the rows of each refit. The laws of a Gaussian are in
``replace_gaussian``, those of an exponential and of a Gaussian with known mean in
``replace_scale``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import eval_legendre, xlogy

from nc_testbed.theory.tails import branching


def heterozygosity(t: ArrayLike, n: int, first: float) -> NDArray[np.float64]:
    """Expected Gini-Simpson diversity of a categorical law, a Wright-Fisher population
    (A1).

    E[1 - sum_i phi_i^2]_t = first (1 - 1/n)^t

    Arguments: t >= 1 refits; n >= 1 rows per refit; first = 1 - sum_i p_i^2 of the truth,
    in [0, 1). Conditions: exact; the fit is the empirical shares. Source: derived.

    >>> heterozygosity([1, 10], 50, 0.5).round(4).tolist()
    [0.49, 0.4085]
    """
    return first * _power(1 - 1 / n, t)


def expected_variance(t: ArrayLike, n: int, variance: float, c: float) -> NDArray[np.float64]:
    """Expected variance of the statistic in a family with quadratic variance function
    (A1).

    E V(phi_t) = variance (1 + c/n)^t, for V(phi) = a + b phi + c phi^2

    Arguments: t >= 1 refits; n rows per refit; variance = V(phi_0) >= 0 of the truth; c =
    -1 Bernoulli, -1/N magnetisation of N independent spins, 0 Poisson and Gaussian mean,
    1 exponential, 2 Gaussian with known mean m (statistic (x-m)^2, V = 2 phi^2).
    Conditions: exact; for c > 0 the law is carried by ever fewer chains (compare logs).
    Source: derived.

    >>> expected_variance([1, 10], 20, 0.25, -1).round(4).tolist()
    [0.2375, 0.1497]
    """
    return variance * _power(1 + c / n, t)


def growing(sizes: Sequence[int], variance: float, c: float) -> NDArray[np.float64]:
    """Expected variance of the statistic when every refit has its own number of rows
    (A11).

    E V_t = variance prod_{i=1..t} (1 + c/sizes[i-1]); above 0 for ever iff sum 1/sizes is
    finite

    Arguments: sizes, rows of refit t at t - 1, each >= 1; variance = V(phi_0) of the
    truth; c as in :func:`expected_variance`. Returns ``[T]``, t = 1 first. Conditions:
    exact, and for c = -1 also E S_t of a Gaussian with ddof = 0. Source: derived.

    >>> growing([10, 40, 90], 1.0, -1).round(4).tolist()
    [0.9, 0.8775, 0.8678]
    """
    return variance * np.cumprod(1 + c / np.asarray(sizes, dtype=np.float64))


def fixation(shares: ArrayLike) -> NDArray[np.float64]:
    """Probability that each class is the one that all samples end in (A2).

    P(end in class i) = p_i

    Arguments: shares ``[..., C]`` of the truth, not necessarily normalised. Conditions:
    exact, at t = infinity, for any sizes with absorption. Source: derived, from the
    martingale of Jangjoo, Di Sarra, Marsili and Roudi, 2026,
    https://arxiv.org/abs/2506.20623

    >>> fixation([2, 1, 1]).tolist()
    [0.5, 0.25, 0.25]
    """
    p = np.asarray(shares, dtype=np.float64)
    return p / p.sum(-1, keepdims=True)


def all_up(magnetisation: ArrayLike) -> NDArray[np.float64]:
    """Probability that a refitted Ising model without couplings ends with all spins up
    (A2).

    P(all up) = (1 + m_0)/2

    Arguments: magnetisation m_0 in [-1, 1] of the truth. Conditions: exact, theta_2 = 0,
    one field for all spins. Source: derived, from the martingale of Jangjoo, Di Sarra,
    Marsili and Roudi, 2026, https://arxiv.org/abs/2506.20623

    >>> float(all_up(0.5))
    0.75
    """
    return (1 + np.asarray(magnetisation, dtype=np.float64)) / 2


def diffusion_absorption_time(n: int, p: ArrayLike) -> NDArray[np.float64]:
    """Mean number of refits until a Bernoulli law is all ones or all zeros (A3).

    E t = -2 n (p ln p + q ln q), q = 1 - p

    Arguments: n rows per refit; p in [0, 1], the truth's share. Conditions: diffusion
    limit, n p q >> 1, about two refits too late; exact: ``chain.mean_absorption_time``.
    Source: derived.

    >>> round(float(diffusion_absorption_time(100, 0.5)), 2)
    138.63
    """
    p = np.asarray(p, dtype=np.float64)
    return -2 * n * (xlogy(p, p) + xlogy(1 - p, 1 - p))


def kimura_unabsorbed(t: ArrayLike, n: int, p: float) -> NDArray[np.float64]:
    """Probability that both values of a Bernoulli law are still present (A4).

    P = sum_{j>=0} (P_2j(r) - P_2j+2(r)) exp(-(2j+1)(2j+2) t/(2n)), r = 1 - 2p, Legendre
    P_i; tail 6 p q exp(-t/n)

    Arguments: t >= 1 refits; n rows per refit (haploid individuals: half of 2N); p in (0,
    1). Conditions: diffusion limit, n p q >> 1, at most 0.023 too high at n = 200 and p =
    0.1, 0.008 at p = 1/2; exact: ``chain.absorbed_curve``. Source: Kimura, 1955,
    https://doi.org/10.1073/pnas.41.3.144

    >>> kimura_unabsorbed([50, 300], 100, 0.5).round(4).tolist()
    [0.8666, 0.0747]
    """
    t = np.asarray(t, dtype=np.float64)
    # Terms beyond (2j)^2 t/(2n) = 40 are below 1e-17.
    j = np.arange(2 + int(np.sqrt(20 * n / t.min())))
    weights = eval_legendre(2 * j, 1 - 2 * p) - eval_legendre(2 * j + 2, 1 - 2 * p)
    return np.exp(-np.multiply.outer(t, (2 * j + 1) * (j + 1)) / n) @ weights


def poisson_variance_of_rate(t: ArrayLike, n: int, rate: float) -> NDArray[np.float64]:
    """Variance over chains of a refitted Poisson rate (A5).

    Var(lambda_t) = t rate/n

    Arguments: t >= 1 refits; n rows per refit; rate lambda_0 >= 0 of the truth.
    Conditions: exact. Source: derived.

    >>> float(poisson_variance_of_rate(10, 50, 2.0))
    0.4
    """
    return np.asarray(t, dtype=np.float64) * rate / n


def poisson_alive(t: ArrayLike, n: int, rate: float) -> NDArray[np.float64]:
    """Probability that a refitted Poisson rate is not yet zero (A5).

    P(lambda_t != 0) = 1 - exp(-n rate g_t), g_1 = 1, g_{t+1} = 1 - exp(-g_t)

    Arguments: t >= 1 refits; n rows per refit; rate lambda_0 >= 0 of the truth.
    Conditions: exact: the rows' sum is a branching process with Poisson(1) offspring.
    Source: derived.

    >>> poisson_alive([1, 100], 10, 1.0).round(4).tolist()
    [1.0, 0.1775]
    """
    return -np.expm1(-n * rate * branching(t))


def kde_variance(
    t: ArrayLike, n: int, bandwidth: float, variance: float
) -> NDArray[np.float64]:
    """Expected variance (ddof = 0) of the rows that the t-th kernel density is fitted to
    (A12).

    v_1 = (1-1/n) variance, v_{t+1} = (1-1/n)(v_t + h^2): it tends to (n-1) h^2

    Arguments: t >= 1 refits; n rows per refit; bandwidth h >= 0, the kernel's sd per
    coordinate; variance of the truth per coordinate. Conditions: exact, h fixed. Source:
    derived.

    >>> kde_variance([1, 2], 10, 0.5, 1.0).round(4).tolist()
    [0.9, 1.035]
    """
    keep = 1 - 1 / n
    t = np.asarray(t, dtype=np.float64)
    return variance * keep**t + (n - 1) * bandwidth**2 * (1 - keep ** (t - 1))


def kde_fit_variance(
    t: ArrayLike, n: int, bandwidth: float, variance: float
) -> NDArray[np.float64]:
    """Expected variance of the t-th kernel density itself (A12).

    v_t + h^2, v_t as in :func:`kde_variance`

    Arguments and conditions: as :func:`kde_variance`. Source: derived.

    >>> kde_fit_variance([1, 2], 10, 0.5, 1.0).round(4).tolist()
    [1.15, 1.285]
    """
    return kde_variance(t, n, bandwidth, variance) + bandwidth**2


def tempered_log_odds(
    t: ArrayLike, log_odds: ArrayLike, temperature: float
) -> NDArray[np.float64]:
    """Log-odds between two classes of a categorical law sampled at a temperature (A13).

    log_odds_t = log_odds T^(1-t)

    Arguments: t >= 1 refits, of which the first sees the truth untempered; log_odds of
    the truth; temperature T > 0. Conditions: n infinite, samples p^(1/T) normalised.
    Source: derived.

    >>> tempered_log_odds([1, 2, 3], 1.0, 0.5).tolist()
    [1.0, 2.0, 4.0]
    """
    return np.asarray(log_odds, dtype=np.float64) * _power(1 / temperature, np.asarray(t) - 1)


def tempered_variance(t: ArrayLike, variance: float, factor: float) -> NDArray[np.float64]:
    """Expected variance of a Gaussian sampled from N(mu, factor Sigma) (A13).

    E S_t = factor^(t-1) variance

    Arguments: t >= 1 refits, of which the first sees the truth untempered; variance of
    the truth; factor > 0 on the sampler's variance. Conditions: exact with ddof = 1, any
    n >= 2. Source: derived.

    >>> tempered_variance([1, 3], 4.0, 0.5).tolist()
    [4.0, 1.0]
    """
    return variance * _power(factor, np.asarray(t) - 1)


def _power(base: float, exponent: ArrayLike) -> NDArray[np.float64]:
    """``base^exponent`` as float64, for integers too."""
    return np.power(base, np.asarray(exponent, dtype=np.float64))
