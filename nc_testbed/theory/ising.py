"""The fully connected Ising model refitted to its own samples.

P(s) is proportional to exp(theta_1 sum_i s_i + theta_2 sum_{i<j} s_i s_j), s_i = -1 or 1,
so that only the number of spins up matters. ``spins`` is N, ``n`` the samples per refit.
Maximum likelihood matches the moments it learns: E m and E m^2 (m the magnetisation, the
mean spin) are conserved over refits for the statistics that are fitted, sum s_i alone or
with sum s_i s_j.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp


def levels(spins: int) -> NDArray[np.float64]:
    """Values of the magnetisation, one for each number of spins up (H).

    m_j = (2j - N)/N, j = 0..N

    Arguments: spins N >= 1. Conditions: none. Source: derived.

    >>> levels(4).tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    return (2 * np.arange(spins + 1) - spins) / spins


def level_law(spins: int, theta_1: float, theta_2: float) -> NDArray[np.float64]:
    """Probability of every level of the magnetisation (H).

    P(m_j) ~ N!/(j! (N-j)!) exp(theta_1 S + theta_2 (S^2 - N)/2), S = N m_j

    Arguments: spins N >= 1; field theta_1; coupling theta_2 of every pair. Returns
    ``[N+1]``. Conditions: exact. Source: the model of Jangjoo, Di Sarra, Marsili and
    Roudi, 2026, https://arxiv.org/abs/2506.20623

    >>> level_law(2, 0.0, 0.0).round(10).tolist()
    [0.25, 0.5, 0.25]
    """
    up = np.arange(spins + 1)
    total = 2.0 * up - spins
    log = -gammaln(up + 1) - gammaln(spins - up + 1)
    log = log + theta_1 * total + theta_2 * (total**2 - spins) / 2
    return np.exp(log - logsumexp(log))


def moments(spins: int, theta_1: float, theta_2: float) -> tuple[float, float]:
    """Mean of the magnetisation and of its square (H).

    E m = sum_j P(m_j) m_j, E m^2 = sum_j P(m_j) m_j^2; theta_2 = 0: E m = tanh(theta_1)

    Arguments: spins, theta_1, theta_2 as :func:`level_law`. Conditions: exact. With both
    parameters learned both are conserved over refits, in expectation over chains. Source:
    Jangjoo, Di Sarra, Marsili and Roudi, 2026, https://arxiv.org/abs/2506.20623

    >>> [round(x, 4) for x in moments(10, 0.5, 0.0)]
    [0.4621, 0.2922]
    """
    law = level_law(spins, theta_1, theta_2)
    m = levels(spins)
    return float(law @ m), float(law @ m**2)


def effective_individuals(spins: int, n: int) -> int:
    """Individuals of the Wright-Fisher chain that a model without couplings is (H).

    N n: the number of spins up in n samples is one binomial draw of N n

    Arguments: spins N >= 1; n samples per refit. Conditions: exact, theta_2 = 0 and only
    theta_1 learned; absorption then follows ``chain`` with N n and p = (1+m_0)/2, so
    curves for all N and n fall on one in t/(N n). Source: derived.

    >>> effective_individuals(10, 50)
    500
    """
    return spins * n
