"""Exact laws of a Gaussian refitted to its own samples: the expected variance by generation.

Common to all of them: the fit is the maximum-likelihood one, mean and variance with ddof = 0, of
n i.i.d. rows per generation; nothing is assumed of the real rows' law but its variance.
``generation`` counts as the loop does: 0 is the fit to real rows. Variances are per coordinate.
"""

from __future__ import annotations

import math


def replace_variance(generation: int, n: int, variance: float) -> float:
    """Expected fitted variance under replace, each chain with its own real rows.

    E S_g = variance (1 - 1/n)^(g + 1)

    Arguments: generation g >= 0; n rows per generation, real and synthetic; variance of the real
    rows' law. Conditions: every chain draws its own n real rows; ddof = 0 (with ddof = 1 the
    mean never changes: E S_g = variance, while S_g goes to 0). Source: derived; a ddof = 0
    variance of n rows expects 1 - 1/n of their law's, at every refit.

    >>> replace_variance(0, 20, 2.0), round(replace_variance(9, 20, 1.0), 4)
    (1.9, 0.5987)
    """
    return variance * (1 - 1 / n) ** (generation + 1)


def replace_variance_shared(generation: int, n: int, first: float) -> float:
    """Expected fitted variance under replace, all chains with the same real rows.

    E S_g = S_0 (1 - 1/n)^g

    Arguments: generation g >= 0; n synthetic rows per generation; first = S_0, the ddof = 0
    variance of the shared rows, on which the law is conditional. Any number of real rows.
    Source: derived, as :func:`replace_variance`.

    >>> replace_variance_shared(0, 20, 2.0), replace_variance_shared(1, 20, 2.0)
    (2.0, 1.9)
    """
    return first * (1 - 1 / n) ** generation


def accumulate_variance(generation: int, n: int, variance: float) -> float:
    """Expected fitted variance under accumulate, each chain with its own real rows.

    E S_g = variance prod_{i=1..g+1} (1 - 1/(n i^2)), at least variance sin(z)/z, z = pi/sqrt(n)

    Arguments: generation g >= 0; n rows per generation, real and synthetic; variance of the real
    rows' law. Conditions: every chain draws its own n real rows; all rows so far are trained on
    (no budget); ddof = 0. Source: Kazdan et al. 2024, https://arxiv.org/abs/2410.16713, and, as
    the parameters' variance below pi^2/6, Gerstgrasser et al. 2024,
    https://arxiv.org/abs/2404.01413 and Dey and Donoho 2024, https://arxiv.org/abs/2410.22812

    >>> accumulate_variance(0, 20, 1.0), round(accumulate_variance(9, 20, 1.0), 4)
    (0.95, 0.9241)
    """
    return variance * _kept(1, generation + 1, n)


def accumulate_variance_shared(generation: int, n: int, first: float) -> float:
    """Expected fitted variance under accumulate, all chains with the same n real rows.

    E S_g = S_0 prod_{i=2..g+1} (1 - 1/(n i^2))

    Arguments: generation g >= 0; n rows per generation, real and synthetic; first = S_0, the
    ddof = 0 variance of the shared rows, on which the law is conditional. No budget.
    Source: derived, as :func:`accumulate_variance`.

    >>> accumulate_variance_shared(0, 20, 2.0), accumulate_variance_shared(1, 20, 2.0)
    (2.0, 1.975)
    """
    return first * _kept(2, generation + 1, n)


def _kept(start: int, stop: int, n: int) -> float:
    """prod_{i=start..stop} (1 - 1/(n i^2)), the share of the variance that is kept."""
    return math.prod(1 - 1 / (n * i**2) for i in range(start, stop + 1))
