"""Exact laws of refits to all rows so far, or to a budget of them (accumulate).

``t`` counts refits to samples, t = generation + 1: t = 1 is the fit to real rows. In the
recursions ``sizes[0]`` is the number of real rows and ``sizes[g]`` the number of *new*
rows, drawn from fit g - 1, that generation g adds. Without a budget the fit is that of
all N_t rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

Policy = Literal["replace", "accumulate"]


def variance_factor(t: ArrayLike, n: int, c: float = -1.0) -> NDArray[np.float64]:
    """Factor on the expected variance of the statistic after t refits to all rows so far
    (D1).

    prod_{i=1..t} (1 + c/(n i^2))

    Arguments: t >= 1 refits; n rows added per generation, the real ones too; c of the
    family's variance function, -1 for Bernoulli and for a Gaussian's E S_t with ddof = 0.
    Conditions: exact, no budget. Source: Kazdan et al., 2024,
    https://arxiv.org/abs/2410.16713, and, as a bound, Gerstgrasser et al., 2024,
    https://arxiv.org/abs/2404.01413 and Dey and Donoho, 2024,
    https://arxiv.org/abs/2410.22812; other c: derived.

    >>> variance_factor([1, 10], 20).round(4).tolist()
    [0.95, 0.9241]
    """
    t = np.asarray(t)
    i = np.arange(1, int(t.max()) + 1, dtype=np.float64)
    return np.cumprod(1 + c / (n * i**2))[t - 1]


def variance_factor_limit(n: int, c: float = -1.0) -> float:
    """Limit of :func:`variance_factor` at t = infinity: accumulating stops the loss (D1).

    sin(z)/z for c < 0, sinh(z)/z for c > 0, z = pi sqrt(|c|/n)

    Arguments: n rows added per generation; c != 0 as :func:`variance_factor`. Conditions
    and source: as :func:`variance_factor`.

    >>> round(variance_factor_limit(20), 4)
    0.9198
    """
    z = math.pi * math.sqrt(abs(c) / n)
    return (math.sin(z) if c < 0 else math.sinh(z)) / z


def accumulated_variance(t: ArrayLike, n: int, variance: float) -> NDArray[np.float64]:
    """Expected fitted variance of a Gaussian, each chain with its own real rows (D1).

    E S_t = variance prod_{i=1..t} (1 - 1/(n i^2))

    Arguments: t >= 1; n rows per generation; variance of the truth. Conditions: exact,
    ddof = 0, no budget. Source: as :func:`variance_factor`.

    >>> accumulated_variance([1, 10], 20, 1.0).round(4).tolist()
    [0.95, 0.9241]
    """
    return variance * variance_factor(t, n)


def accumulated_variance_shared(t: ArrayLike, n: int, first: float) -> NDArray[np.float64]:
    """Expected fitted variance of a Gaussian, all chains with the same n real rows (D1).

    E S_t = first prod_{i=2..t} (1 - 1/(n i^2))

    Arguments: t >= 1; n > 1 rows per generation, real and synthetic; first = S_1, the
    ddof = 0 variance of the shared rows, on which the law is conditional. Conditions:
    exact, ddof = 0, no budget. Source: derived, as :func:`accumulated_variance`.

    >>> accumulated_variance_shared([1, 2], 20, 2.0).round(4).tolist()
    [2.0, 1.975]
    """
    return first * variance_factor(t, n) / (1 - 1 / n)


def accumulated_spread(
    sizes: Sequence[int], variance: float, c: float, budget: int | None = None
) -> NDArray[np.float64]:
    """Variance over chains of the fitted mean of the statistic, W_t = Var phi_t (D1, D3).

    W' = W + M (V_0 + c W)/N'^2 for M new rows of N'; with a budget b the fit's own draw
    adds (1/b - 1/N) N/(N-1) (q - W) to the stored rows' W, q their second moment about
    the truth

    Arguments: sizes ``[T]``; variance V_0; c of V(phi) = a + b phi + c phi^2; budget,
    rows drawn without replacement from the stored ones, anew each generation from the
    second on. Returns ``[T]``, t = 1 first; E V_t = V_0 + c W_t. Conditions: exact.
    Source: derived.

    >>> accumulated_spread([20] * 3, 1.0, -1).round(4).tolist()
    [0.05, 0.0619, 0.0671]
    >>> accumulated_spread([20] * 3, 1.0, -1, budget=20).round(4).tolist()
    [0.05, 0.0859, 0.1012]
    """

    def row_variance(second: float, spread: float, rows: int) -> float:
        return variance + c * spread

    return np.array([spread for spread, _ in _fits(sizes, variance, budget, row_variance)])


def accumulated_gaussian(
    sizes: Sequence[int], variance: float, ddof: int, budget: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected squared drift of a Gaussian's mean and expected fitted variance (D1, D3).

    D = E(mu-mu_0)^2 as W in :func:`accumulated_spread` with V_0 + c W replaced by E S;
    E S = b/(b-ddof) (q - D), b rows fitted to, q' = (N q + M (D + E S))/(N + M)

    Arguments: sizes ``[T]``; variance s^2 of the truth, per coordinate; ddof 0 or 1;
    budget as :func:`accumulated_spread`. Returns D ``[T]`` and E S ``[T]``. Conditions:
    exact. Source: derived.

    >>> drift, fitted = accumulated_gaussian([20] * 3, 1.0, 0)
    >>> drift.round(4).tolist(), fitted.round(4).tolist()
    ([0.05, 0.0619, 0.0671], [0.95, 0.9381, 0.9329])
    """

    def row_variance(second: float, spread: float, rows: int) -> float:
        return rows / (rows - ddof) * (second - spread)

    drift, expected = np.array(list(_fits(sizes, variance, budget, row_variance))).T
    return drift, expected


def _fits(
    sizes: Sequence[int],
    variance: float,
    budget: int | None,
    row_variance: Callable[[float, float, int], float],
) -> Iterator[tuple[float, float]]:
    """Var phi_t and the expected variance of a row sampled from fit t, for every t.

    ``stored`` and ``second`` are the variance of the mean of all N stored rows and their
    mean square, both about the truth; a budget draws its rows from a finite population.
    """
    total = sizes[0]
    stored = variance / sizes[0]
    second = variance
    for generation, new in enumerate([*sizes[1:], 0]):
        rows = total if budget is None or generation == 0 else min(budget, total)
        population = total / max(total - 1, 1) * (second - stored)
        spread = stored + (1 / rows - 1 / total) * population
        sampled = row_variance(second, spread, rows)
        yield spread, sampled
        # Variance of the sum of all rows. The new rows' mean has the stored mean as its
        # expectation, so that the covariance of the two means is ``stored``.
        of_sum = total**2 * stored + 2 * total * new * stored + new * (new * spread + sampled)
        second = (total * second + new * (spread + sampled)) / (total + new)
        total += new
        stored = of_sum / total**2


def inflation(t: ArrayLike, policy: Policy) -> NDArray[np.float64]:
    """Variance of a parameter over that of the fit to real rows (D3).

    accumulate: sum_{i=1..t} 1/i^2, at most pi^2/6; replace: t

    Arguments: t >= 1 refits; policy. Conditions: n -> infinity with t fixed, an
    asymptotically linear estimator, n rows per generation, no budget (a budget lies
    between the two: :func:`accumulated_spread`). Source: derived.

    >>> inflation([1, 10], "accumulate").round(4).tolist(), inflation([1, 10], "replace").tolist()
    ([1.0, 1.5498], [1.0, 10.0])
    """
    t = np.asarray(t)
    if policy == "replace":
        return 1.0 * t
    return np.cumsum(1 / np.arange(1, int(t.max()) + 1, dtype=np.float64) ** 2)[t - 1]


def regression_risk(
    t: ArrayLike, rows: int, features: int, noise: float, policy: Policy
) -> NDArray[np.float64]:
    """Expected squared error of linear regression coefficients after t refits (D5).

    E|w_t - w|^2 = noise features/(rows-features-1) x inflation(t, policy)

    Arguments: t >= 1 refits; rows per round; features, rows > features + 1; noise, the
    labels' variance; policy. Conditions: exact; standard Gaussian features, labels from
    the last fit plus the same noise; accumulate: the same design each round. Source:
    derived.

    >>> regression_risk([1, 10], 100, 9, 1.0, "replace").round(4).tolist()
    [0.1, 1.0]
    """
    return noise * features / (rows - features - 1) * inflation(t, policy)


def biased_accumulate(t: ArrayLike, eps: float) -> NDArray[np.float64]:
    """Expected fit of a shrinking learner that accumulates: slower, yet it goes to 0
    (D6).

    E phi_t/phi_0 = prod_{i=1..t} (1 - eps/i) = Gamma(t+1-eps)/(Gamma(1-eps) Gamma(t+1)),
    about t^-eps/Gamma(1-eps)

    Arguments: t >= 1 refits; eps in [0, 1): a fit is 1 - eps times the mean of all rows
    so far, as many from each generation. Conditions: exact. Source: derived.

    >>> biased_accumulate([1, 100], 0.1).round(4).tolist()
    [0.9, 0.5902]
    """
    t = np.asarray(t, dtype=np.float64)
    return np.exp(gammaln(t + 1 - eps) - gammaln(1 - eps) - gammaln(t + 1))
