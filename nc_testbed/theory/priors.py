"""Exact and limiting laws of refits under a prior or a penalty, without real data.

A conjugate prior is ``prior_count`` A pseudo-rows with mean ``prior_mean`` m. The mode
depends on the coordinates: in the natural ones (Bernoulli: the logit) it is (sum + A
m)/(n + A). ``t`` counts refits to samples, t = generation + 1: the prior acts at t = 1
already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Coordinates = Literal["natural", "mean"]


def beta_prior_law(prior_count: float, prior_mean: float) -> Any:
    """Stationary law of a Bernoulli share refitted under a Beta prior (C1).

    Beta(2 A m, 2 A (1-m)): the PRIOR's mean, whatever the data were

    Arguments: prior_count A > 0; prior_mean m in (0, 1). Conditions: diffusion limit n >>
    A, mode in the logit. Returns a frozen scipy distribution. Source: derived.

    >>> float(beta_prior_law(1, 0.5).cdf(0.25))
    0.25
    """
    return stats.beta(2 * prior_count * prior_mean, 2 * prior_count * (1 - prior_mean))


def memory(t: ArrayLike, n: int, prior_count: float) -> NDArray[np.float64]:
    """Share of the truth that is left in the expected fit (C1).

    (E phi_t - m)/(phi_0 - m) = (n/(n+A))^t

    Arguments: t >= 1 refits; n rows per refit; prior_count A >= 0. Conditions: exact,
    natural coordinates. Source: derived.

    >>> memory([1, 50], 100, 2).round(3).tolist()
    [0.98, 0.372]
    """
    return (n / (n + prior_count)) ** np.asarray(t, dtype=np.float64)


def expected_map(
    t: ArrayLike,
    n: int,
    mean: float,
    prior_count: float,
    prior_mean: float,
    coordinates: Coordinates = "natural",
) -> NDArray[np.float64]:
    """Expected fit of a Bernoulli share refitted under a Beta prior (C1, C3).

    E phi_t = m' + (mean - m') (n/(n+A'))^t; natural: A' = A, m' = m; mean coordinates:
    one pseudo-row less of each value, A' = A - 2, A' m' = A m - 1

    Arguments: t >= 1; n rows per refit; mean phi_0 of the truth; prior_count A >= 0,
    prior_mean m; coordinates of the mode. Conditions: exact; "natural" for any family;
    "mean" Bernoulli, A m >= 1 and A (1-m) >= 1, else the mode is clipped. Source:
    derived.

    >>> expected_map([1, 50], 100, 0.2, 2, 0.5).round(3).tolist()
    [0.206, 0.389]
    >>> float(expected_map(50, 100, 0.2, 2, 0.5, "mean"))  # uniform prior: maximum likelihood
    0.2
    """
    count = prior_count
    total = prior_count * prior_mean
    if coordinates == "mean":
        count -= 2
        total -= 1
    limit = total / count if count else mean
    return limit + (mean - limit) * memory(t, n, count)


def map_curves(
    sizes: Sequence[int],
    mean: float,
    prior_count: float,
    prior_mean: float,
    function: tuple[float, float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance over chains of a share refitted under its conjugate prior, at
    every t.

    phi' = (sum + A m)/(n+A):  E' = (n E + A m)/(n+A),  W' = (n/(n+A))^2 (W + (V(E) + c
    W)/n)

    Arguments: sizes, rows of refit t at t - 1; mean phi_0 of the truth; prior_count A >=
    0; prior_mean m; function (a, b, c) of V(phi) = a + b phi + c phi^2: Bernoulli (0, 1,
    -1), Poisson (0, 1, 0), exponential (0, 0, 1), Gaussian mean (s^2, 0, 0), known-mean
    variance (0, 0, 2). Returns E ``[T]``, W ``[T]``. Conditions: exact, natural
    coordinates. Source: derived.

    >>> centre, spread = map_curves([100] * 3, 0.2, 2, 0.5, (0, 1, -1))
    >>> centre.round(4).tolist(), spread.round(5).tolist()
    ([0.2059, 0.2116, 0.2173], [0.00154, 0.00303, 0.00449])
    """
    a, b, c = function
    centre = mean
    spread = 0.0
    curves = []
    for n in sizes:
        noise = (a + b * centre + c * (centre**2 + spread)) / n
        spread = (n / (n + prior_count)) ** 2 * (spread + noise)
        centre = (n * centre + prior_count * prior_mean) / (n + prior_count)
        curves.append((centre, spread))
    centres, spreads = np.array(curves).T
    return centres, spreads


def l2_logit_sd(n: int, penalty: float) -> float:
    """Stationary standard deviation of a Bernoulli logit refitted under an L2 penalty
    (C2).

    theta ~ N(0, 1/(2 n lam (1 + 2 lam)))

    Arguments: n rows per refit; penalty lam > 0: lam/2 theta^2 per sample. Conditions: n
    lam >> 1, so that theta stays near 0, where V = 1/4. Source: derived.

    >>> round(l2_logit_sd(1000, 0.1), 4)
    0.0645
    """
    return 1 / math.sqrt(2 * n * penalty * (1 + 2 * penalty))


def map_estimate(
    successes: ArrayLike,
    n: int,
    prior_count: float,
    prior_mean: float,
    coordinates: Coordinates = "natural",
) -> NDArray[np.float64]:
    """Posterior mode of a Bernoulli share under a Beta prior: not invariant (C3).

    natural: (x + A m)/(n + A); mean: (x + A m - 1)/(n + A - 2), clipped to [0, 1]

    Arguments: successes 0 <= x <= n; n rows; prior_count A >= 0; prior_mean m;
    coordinates, the logit or the share. The uniform prior is A = 2, m = 1/2: add-one in
    the logit (never absorbed), maximum likelihood in the share (absorbed). Conditions:
    exact; mean: n + A > 2. Source: derived.

    >>> float(map_estimate(0, 8, 2, 0.5)), float(map_estimate(0, 8, 2, 0.5, "mean"))
    (0.1, 0.0)
    """
    total = np.asarray(successes, dtype=np.float64) + prior_count * prior_mean
    if coordinates == "natural":
        return total / (n + prior_count)
    return np.clip((total - 1) / (n + prior_count - 2), 0.0, 1.0)
