"""Laws of weighting real against synthetic rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def weighted_risk(weight: ArrayLike, ratio: float) -> NDArray[np.float64]:
    """Stationary variance of a weighted mean of fresh real and synthetic rows (E1).

    n Var/s^2 = (w^2 + K (1-w)^2)/(2w - w^2)

    Arguments: weight w in (0, 1] on the real rows' mean, 1 - w on the synthetic rows';
    ratio K = n/m > 0 of n fresh real to m synthetic rows per generation. Conditions:
    exact; variance of a row s^2 in every generation (Gaussian mean). Source: He, Xu and
    Cheng, 2025, https://arxiv.org/abs/2502.18049

    >>> weighted_risk([0.5, 1.0], 1.0).round(4).tolist()
    [0.6667, 1.0]
    """
    w = np.asarray(weight, dtype=np.float64)
    return (w**2 + ratio * (1 - w) ** 2) / (2 * w - w**2)


def golden_weight(ratio: ArrayLike) -> NDArray[np.float64]:
    """Weight on real rows that makes :func:`weighted_risk` smallest (E1).

    w = (sqrt(K^2 + 4 K) - K)/2: the golden ratio's inverse at K = 1; the least risk is w
    itself

    Arguments: ratio K = n/m > 0 of fresh real to synthetic rows. Conditions and source:
    as :func:`weighted_risk`.

    >>> round(float(golden_weight(1.0)), 4)
    0.618
    """
    k = np.asarray(ratio, dtype=np.float64)
    return (np.sqrt(k**2 + 4 * k) - k) / 2


def oracle_survival(t: ArrayLike, n: int, p: float) -> NDArray[np.float64]:
    """Probability that a class survives although every fit is reweighted to the truth
    (E3).

    P(alive at t) = (1 - (1-p)^n)^t

    Arguments: t >= 1 refits; n rows per refit; p in (0, 1), the class's true share.
    Conditions: exact; as long as the class has one sample its weight restores its share,
    and without one it is gone for ever. Source: derived.

    >>> oracle_survival([1, 100], 500, 0.01).round(4).tolist()
    [0.9934, 0.5173]
    """
    return (1 - (1 - p) ** n) ** np.asarray(t, dtype=np.float64)
