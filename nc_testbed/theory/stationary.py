"""Where refits with k FRESH real rows per generation settle: the laws over chains.

Diffusion limits: n rows per refit, n >> k. They do not depend on n; their error is
O(k/n), but larger within a few rows of an end, where
:func:`nc_testbed.theory.chain.stationary` is exact. The distributions are frozen ones of
scipy.stats: ``.cdf``, ``.mean()``, ``.ppf``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import betainc


def bernoulli_law(k: float, p: float) -> Any:
    """Stationary law of a Bernoulli share (B2).

    Beta(2 k p, 2 k q); uniform for k = 1, p = 1/2

    Arguments: k > 0 fresh real rows per generation; p in (0, 1) of the truth. Conditions:
    n >> k. Source: derived.

    >>> float(bernoulli_law(1, 0.5).cdf(0.25))
    0.25
    """
    return stats.beta(2 * k * p, 2 * k * (1 - p))


def categorical_law(k: float, shares: ArrayLike) -> Any:
    """Stationary law of categorical shares (B2).

    Dirichlet(2 k p)

    Arguments: k > 0 fresh real rows per generation; shares p ``[C]``, positive, sum 1.
    Conditions: n >> k. Source: derived.

    >>> categorical_law(5, [0.5, 0.3, 0.2]).mean().round(2).tolist()
    [0.5, 0.3, 0.2]
    """
    return stats.dirichlet(2 * k * np.asarray(shares, dtype=np.float64))


def poisson_law(k: float, rate: float) -> Any:
    """Stationary law of a Poisson rate (B2).

    Gamma(shape 2 k rate, rate 2 k)

    Arguments: k > 0 fresh real rows per generation; rate > 0 of the truth. Conditions: n
    >> k. Source: derived.

    >>> float(poisson_law(1, 4.0).var())
    2.0
    """
    return stats.gamma(2 * k * rate, scale=1 / (2 * k))


def exponential_law(k: float, mean: float) -> Any:
    """Stationary law of an exponential law's mean (B2).

    InvGamma(shape 1 + 2 k, scale 2 k mean)

    Arguments: k > 0 fresh real rows per generation; mean > 0 of the truth. Conditions: n
    >> k; its variance is infinite for k <= 1/2. Source: derived.

    >>> round(float(exponential_law(2, 3.0).mean()), 10)
    3.0
    """
    return stats.invgamma(1 + 2 * k, scale=2 * k * mean)


def known_mean_variance_law(k: float, variance: float) -> Any:
    """Stationary law of the variance of a Gaussian whose mean is known (B2).

    InvGamma(shape 1 + k, scale k variance)

    Arguments: k > 0 fresh real rows per generation; variance > 0 of the truth.
    Conditions: n >> k; its variance is infinite for k <= 1: compare medians or use KS.
    Source: derived.

    >>> round(float(known_mean_variance_law(2, 3.0).mean()), 10)
    3.0
    """
    return stats.invgamma(1 + k, scale=k * variance)


def absence(k: ArrayLike, n: int, p: float) -> NDArray[np.float64]:
    """Probability that a class is absent from a refit's training set, FRESH anchors (B5).

    P(absent) ~ I_{1/(2n)}(2 k p, 2 k q), the Beta law's mass below half a row

    Arguments: k > 0 fresh real rows per generation; n rows per refit; p in (0, 1).
    Conditions: n >> k and 2 k p small: 2% low at 2 k p = 0.2, 11% at 0.6, a factor of 1.2
    to 1.7 at 1 and of 2 to 5 at 2, where ``chain.stationary`` is needed. Source: derived.

    >>> absence([1, 10, 100], 1000, 0.01).round(3).tolist()
    [0.876, 0.43, 0.005]
    """
    k = np.asarray(k, dtype=np.float64)
    return betainc(2 * k * p, 2 * k * (1 - p), 1 / (2 * n))


def share_cv(k: ArrayLike, n: int, p: float) -> NDArray[np.float64]:
    """Coefficient of variation over chains of a class's share, FRESH anchors (B5).

    CV = sqrt(q/(p (2k - k f + 1 - f))), f = k/n

    Arguments: 1 <= k <= n fresh real rows; n rows per refit; p in (0, 1]. Conditions:
    exact, stationary. Source: derived.

    >>> share_cv([1, 20, 200], 1000, 0.01).round(3).tolist()
    [5.746, 1.562, 0.524]
    """
    k = np.asarray(k, dtype=np.float64)
    return np.sqrt((1 - p) / (p * (k * (2 - k / n) + 1 - k / n)))


def rows_for_cv(p: ArrayLike, cv: float = 0.5) -> NDArray[np.float64]:
    """Fresh real rows per generation that keep a class's share steady, whatever n (B5).

    k = q/(2 p cv^2): for cv = 1/2 about 2/p

    Arguments: p in (0, 1] of the class; cv > 0, the coefficient of variation allowed.
    Conditions: n >> k >> 1. Source: derived.

    >>> float(rows_for_cv(0.01))
    198.0
    """
    p = np.asarray(p, dtype=np.float64)
    return (1 - p) / (2 * p * cv**2)
