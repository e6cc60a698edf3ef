"""Exact laws of refits that see k real rows, the anchors, in every generation.

Three policies. FRESH: k new i.i.d. real rows each generation. POOL: k rows drawn anew,
without replacement, from the real rows of generation 0. FIXED: the same k of them for
ever. Maximum likelihood, f = k/n the real share, n rows per refit *with* the anchors.
Generation 0 (t = 1) is fitted to real rows only. ``variance`` is V_0 = V(phi_0), the
truth's variance of the sufficient statistic, and ``c`` the family's: V(phi) = a + b phi +
c phi^2 (-1 Bernoulli, 0 Poisson and Gaussian mean, 1 exponential, 2 Gaussian with known
mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Source = Literal["fresh", "pool", "fixed"]


def anchored_spread(
    sizes: Sequence[int], k: int, variance: float, c: float, source: Source
) -> NDArray[np.float64]:
    """Variance over chains of the fitted mean of the statistic, W_t = Var phi_t, at every
    t.

    W' = f^2 V_0/k + 2 f (1-f) C + (1-f)^2 W + (1-f) (V_0 + c W)/n;  C = Cov(phi, next
    anchors' mean): C' = f s + (1-f) C, s = 0 (fresh), V_0/sizes[0] (pool), V_0/k (fixed)

    Arguments: sizes, rows generation g is fitted to, ``[T]``, at least k, anchors
    included; 0 <= k <= sizes[0], 0 is replace; variance V_0; c; source of the anchors.
    Returns ``[T]``, t = 1 first. Conditions: exact, averaged over real rows; E V_t =
    V_0 + c W_t, and a categorical's Gini is G_0 - W_t with V_0 = G_0, c = -1. Source:
    derived.

    >>> anchored_spread([50] * 3, 1, 0.25, -1, "fresh").round(5).tolist()
    [0.005, 0.0097, 0.01413]
    """
    spread = variance / sizes[0]
    shared = _first_shared(variance, sizes[0], source)
    curve = [spread]
    for n in sizes[1:]:
        model = variance + c * spread
        spread, shared = _step(k, n, sizes[0], variance, source, spread, shared, model)
        curve.append(spread)
    return np.array(curve)


def anchored_gaussian(
    sizes: Sequence[int], k: int, variance: float, ddof: int, source: Source
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected squared drift of a Gaussian's mean and expected fitted variance, at every
    t.

    D = E(mu-mu_0)^2 as W in :func:`anchored_spread` with V_0 + c W replaced by E S; E S =
    n/(n-ddof) (q - D), q' = f s^2 + (1-f) (D + E S) the rows' second moment about mu_0

    Arguments: sizes, k and source as :func:`anchored_spread`, sizes > ddof; variance s^2
    of the truth, per coordinate; ddof 0 or 1. Returns D ``[T]`` and E S ``[T]``.
    Conditions: exact; mean and variance both fitted. Source: derived.

    >>> drift, fitted = anchored_gaussian([50] * 3, 1, 1.0, 0, "fresh")
    >>> drift.round(4).tolist(), fitted.round(4).tolist()
    ([0.02, 0.0388, 0.0565], [0.98, 0.9612, 0.9435])
    """
    drift = variance / sizes[0]
    shared = _first_shared(variance, sizes[0], source)
    fitted = sizes[0] / (sizes[0] - ddof) * (variance - drift)
    drifts = [drift]
    variances = [fitted]
    for n in sizes[1:]:
        second = k / n * variance + (1 - k / n) * (drift + fitted)
        drift, shared = _step(k, n, sizes[0], variance, source, drift, shared, fitted)
        fitted = n / (n - ddof) * (second - drift)
        drifts.append(drift)
        variances.append(fitted)
    return np.array(drifts), np.array(variances)


def _first_shared(variance: float, first: int, source: Source) -> float:
    """Cov(phi_1, the next anchors' mean): reused
    anchors are rows that generation 0 saw."""
    return 0.0 if source == "fresh" else variance / first


def _step(k, n, first, variance, source, spread, shared, model):
    """One generation of W and C; ``model`` is
    the expected variance of a synthetic row."""
    if not 0 <= k <= n or (source != "fresh" and k > first):
        raise ValueError(f"{k} {source} anchors in {n} rows, {first} rows at generation 0")
    f = k / n
    # f s, written so that k = 0 divides nothing by zero.
    reused = {"fresh": 0.0, "pool": f * variance / first, "fixed": variance / n}[source]
    noise = f * variance / n + (1 - f) * model / n
    spread = noise + 2 * f * (1 - f) * shared + (1 - f) ** 2 * spread
    return spread, reused + (1 - f) * shared


def stationary_spread(k: ArrayLike, n: int, variance: float, c: float) -> NDArray[np.float64]:
    """Stationary variance over chains of the fitted mean under FRESH anchors (B1).

    Var phi = V_0/(k (2-f) - c (1-f)), with E phi the truth

    Arguments: 1 <= k <= n; n rows per refit; variance V_0; c. Conditions: exact after
    about n/k generations; needs k (2-f) > c (1-f), else the variance is infinite. Source:
    derived.

    >>> stationary_spread([1, 10], 50, 0.25, -1).round(4).tolist()
    [0.0845, 0.0133]
    """
    k = np.asarray(k, dtype=np.float64)
    return variance / (k * (2 - k / n) - c * (1 - k / n))


def stationary_gaussian(
    k: ArrayLike, n: int, variance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stationary squared drift and expected variance of a Gaussian under FRESH anchors
    (B3).

    E(mu-mu_0)^2 = s^2/(2k - k f + 1 - f), E S = s^2 minus that

    Arguments: 1 <= k <= n; n rows per refit; variance s^2 of the truth, per coordinate.
    Conditions: exact with ddof = 0, both parameters fitted, after about n/k generations.
    Source: derived.

    >>> [float(x.round(4)) for x in stationary_gaussian(1, 50, 1.0)]
    [0.3378, 0.6622]
    """
    drift = stationary_spread(k, n, variance, -1)
    return drift, variance - drift


def stationary_gini(k: ArrayLike, n: int, first: float) -> NDArray[np.float64]:
    """Stationary expected Gini-Simpson diversity of a categorical law, FRESH anchors
    (B4).

    E[1 - sum_i phi_i^2] = first (1 - 1/(2k - k f + 1 - f))

    Arguments: 1 <= k <= n; n rows per refit; first = 1 - sum_i p_i^2 of the truth.
    Conditions: exact after about n/k generations. Source: derived.

    >>> stationary_gini([1, 10], 50, 0.5).round(4).tolist()
    [0.3311, 0.4734]
    """
    return first - stationary_spread(k, n, first, -1)


def stationary_spread_reused(
    k: int, n: int, rows: int, row_variance: float, model_variance: float, c: float
) -> float:
    """Stationary variance of the fitted mean around the reused real rows' own mean (B7).

    Var = (f v (N-k)/(N-1) + (1-f) V(a))/(k (2-f) - c (1-f)), given the rows, with E phi =
    a

    Arguments: k >= 1 anchors; n rows per refit; rows N: the pool's size, or k itself for
    FIXED; row_variance v, the rows' own variance with ddof = 0; model_variance V(a) of
    the family at their mean a; c. A Gaussian, both parameters fitted: V(a) = v, c = -1,
    and then E S is v minus the result. Conditions: exact, ddof = 0, given the rows.
    Source: derived.

    >>> stationary_spread_reused(1, 50, 1, 0.0, 0.0, -1)  # one fixed row: no spread, collapse
    0.0
    >>> round(stationary_spread_reused(10, 50, 1000, 0.25, 0.25, -1), 5)
    0.01327
    """
    f = k / n
    # Drawing without replacement: the anchors' mean varies the less, the more of the pool is used.
    of_anchors = row_variance * (rows - k) / max(rows - 1, 1)
    return (f * of_anchors + (1 - f) * model_variance) / (k * (2 - f) - c * (1 - f))


def fixed_one_bernoulli(t: ArrayLike, n: int, p: float, anchor: int) -> NDArray[np.float64]:
    """Expected distance of a Bernoulli share from its one FIXED anchor: it collapses
    there (B6).

    E|phi_t - x_0| = |p - x_0| (1-1/n)^t, and P(not absorbed at x_0) is at most n times
    that

    Arguments: t >= 1 refits; n rows per refit, real rows of generation 0 too; p of the
    truth; anchor x_0, 0 or 1, one of those rows. Conditions: exact, given x_0. Source:
    derived.

    >>> fixed_one_bernoulli([1, 200], 50, 0.5, 1).round(4).tolist()
    [0.49, 0.0088]
    """
    return abs(p - anchor) * (1 - 1 / n) ** np.asarray(t, dtype=np.float64)


def fixed_gaussian_energy(t: ArrayLike, n: int, first: float) -> NDArray[np.float64]:
    """Expected energy of a Gaussian around its one FIXED anchor: it collapses onto it
    (B6).

    E[S_t + (mu_t-x_0)^2] = first (1-1/n)^t

    Arguments: t >= 1 refits; n rows per refit, real rows of generation 0 too, x_0 one of
    them; first = s^2 + (x_0-mu_0)^2 of the truth, 2 s^2 on average over anchors.
    Conditions: exact, ddof = 0. Source: derived.

    >>> fixed_gaussian_energy([1, 200], 50, 2.0).round(4).tolist()
    [1.96, 0.0352]
    """
    return first * (1 - 1 / n) ** np.asarray(t, dtype=np.float64)


def real_only_spread(k: int, t: ArrayLike, variance: float) -> NDArray[np.float64]:
    """Variance of a fit to all anchors seen so far and nothing else, the baseline to beat
    (B8).

    Var phi = V_0/(t k)

    Arguments: k >= 1 new real rows per generation; t >= 1 generations of them; variance
    V_0. Conditions: exact, FRESH anchors all kept. Source: derived.

    >>> float(real_only_spread(1, 25, 0.25))
    0.01
    """
    return variance / (k * np.asarray(t, dtype=np.float64))
