"""How long rare classes live, and when their loss can be noticed.

Poissonised laws: a class's count is a branching process with Poisson(1) offspring, which
holds while its share is small. ``t`` counts refits to samples, t = generation + 1; an
integer or an integer array. For shares of 0.05 and above, or exactly, use
:mod:`nc_testbed.theory.chain`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def branching(t: ArrayLike) -> NDArray[np.float64]:
    """Rate g_t at which the lines of descent of single rows survive (A5, G1).

    g_1 = 1, g_{t+1} = 1 - exp(-g_t); about 2/t

    Arguments: t >= 1, an integer or integer array. Conditions: exact for Poisson(1)
    offspring. Source: derived.

    >>> branching([1, 2, 100]).round(4).tolist()
    [1.0, 0.6321, 0.0195]
    """
    t = np.asarray(t)
    g = np.ones(int(t.max()))
    for i in range(1, len(g)):
        g[i] = -math.expm1(-g[i - 1])
    return g[t - 1]


def alive(t: ArrayLike, expected_count: ArrayLike) -> NDArray[np.float64]:
    """Probability that a rare class is still in the t-th training set (G1).

    P(alive at t) = 1 - exp(-c g_t), g_t as in :func:`branching`

    Arguments: t >= 1 refits; expected_count c = n p >= 0 of its rows. The two broadcast.
    Conditions: replace, share p -> 0 (the exact chain at p >= 0.05). Source: derived.

    >>> alive([1, 10, 100], 5.0).round(4).tolist()
    [0.9933, 0.5774, 0.0931]
    """
    return -np.expm1(-np.asarray(expected_count, dtype=np.float64) * branching(t))


def lifetime(expected_count: ArrayLike) -> NDArray[np.float64]:
    """Refits after which a rare class is lost in half of the chains (G1).

    t = 2 c/ln 2, about 2.9 c

    Arguments: expected_count c = n p of its rows. Conditions: c >> 1 and p -> 0, from
    g_t ~ 2/t; 7% late at c = 10, 1% at 100. Source: derived.

    >>> round(float(lifetime(10.0)), 2)
    28.85
    """
    return 2 / math.log(2) * np.asarray(expected_count, dtype=np.float64)


def gini_half_life(n: ArrayLike) -> NDArray[np.float64]:
    """Refits after which the expected Gini-Simpson diversity has halved (G1).

    t = n ln 2, about 0.69 n

    Arguments: n rows per refit. Conditions: replace, n >> 1 (exactly ln 2/-ln(1-1/n)).
    Source: derived.

    >>> round(float(gini_half_life(100)), 2)
    69.31
    """
    return math.log(2) * np.asarray(n, dtype=np.float64)


def surviving_symbols(t: ArrayLike, n: int, shares: ArrayLike) -> NDArray[np.float64]:
    """Expected number of classes still present (G2).

    E K_t = sum_i (1 - exp(-n p_i g_t))

    Arguments: t >= 1 refits; n rows per refit; shares p ``[C]``. Conditions: replace,
    Poissonised: every p_i small. Source: derived.

    >>> surviving_symbols([1, 10], 100, np.full(100, 0.01)).round(2).tolist()
    [63.21, 15.82]
    """
    p = np.asarray(shares, dtype=np.float64)
    return alive(np.asarray(t)[..., None], n * p).sum(-1)


def missing_mass(t: ArrayLike, n: int, shares: ArrayLike) -> NDArray[np.float64]:
    """Expected share of the real law that lies in lost classes (G2).

    E = sum_i p_i exp(-n p_i g_t)

    Arguments: t >= 1 refits; n rows per refit; shares p ``[C]``. Conditions: replace,
    Poissonised: every p_i small. Source: derived.

    >>> missing_mass([1, 10], 100, np.full(100, 0.01)).round(4).tolist()
    [0.3679, 0.8418]
    """
    p = np.asarray(shares, dtype=np.float64)
    return (p * np.exp(-n * p * branching(t)[..., None])).sum(-1)


def samples_to_notice(share: ArrayLike, level: float) -> NDArray[np.float64]:
    """Generated samples needed before the absence of a class is significant (G4).

    n_eval >= ln(1/level)/p

    Arguments: share p in (0, 1] of the class; level in (0, 1), the chance of missing a
    class that is there. Conditions: none; sufficient, since (1-p)^n <= exp(-n p). Source:
    derived.

    >>> round(float(samples_to_notice(0.01, 0.05)), 1)
    299.6
    """
    return math.log(1 / level) / np.asarray(share, dtype=np.float64)
