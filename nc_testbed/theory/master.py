"""The linearised generation that all policies with anchors share, biased learners
included.

x' = f x_0 + (1-f)(x + b) + noise(v): f the share of real rows, x_0 the value at
generation 0 (the fit to real rows, not the truth), b the mean change and v the variance
of the change from generation 0 to 1 under replace. An exponential family's maximum
likelihood has b = 0, v = V/n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def offset(t: ArrayLike, share: ArrayLike, bias: ArrayLike) -> NDArray[np.float64]:
    """Mean distance from generation 0's value that a biased learner reaches.

    E x_t - x_0 = b (1-f)/f (1 - (1-f)^(t-1)), in the end b (1-f)/f; f = 0: (t-1) b

    Arguments: t >= 1 refits, t = 1 is generation 0; share f in [0, 1] of real rows, above
    0 where t is infinite; bias b per generation. Arrays of fitting shapes. Conditions:
    linear response, f and b constant. Source: derived.

    >>> offset([1, 2, 1000], 0.01, 0.1).round(4).tolist()
    [0.0, 0.099, 9.8996]
    """
    steps, f, b = _arrays(t, share, bias)
    safe = np.where(f == 0, 1.0, f)
    return b * np.where(f == 0, steps, (1 - f) / safe * (1 - (1 - f) ** steps))


def chain_spread(t: ArrayLike, share: ArrayLike, noise: ArrayLike) -> NDArray[np.float64]:
    """Variance over chains around generation 0's value.

    Var = v (1 - (1-f)^(2(t-1)))/(f (2-f)), in the end v/(f (2-f)); f = 0: (t-1) v

    Arguments: t >= 1 refits, t = 1 is generation 0; share f in [0, 1] of real rows, above
    0 where t is infinite; noise v per generation. Arrays of fitting shapes. Conditions:
    linear response, f and v constant. Source: derived.

    >>> chain_spread([1, 2, 1000], 0.01, 0.01).round(4).tolist()
    [0.0, 0.01, 0.5025]
    """
    steps, f, v = _arrays(t, share, noise)
    safe = np.where(f == 0, 1.0, f)
    return v * np.where(f == 0, steps, (1 - (1 - f) ** (2 * steps)) / (safe * (2 - f)))


def rows_needed(bias: ArrayLike, n: int, tolerance: float) -> NDArray[np.float64]:
    """Real rows per generation that hold a learner of known bias within a tolerance.

    k* = n |b|/(|b| + tolerance), about |b| n/tolerance: it grows with n

    Arguments: bias b per generation; n rows per refit; tolerance > 0 on the stationary
    :func:`offset`. Conditions: linear response. Source: derived.

    >>> float(rows_needed(0.01, 1000, 0.99))
    10.0
    """
    b = np.abs(np.asarray(bias, dtype=np.float64))
    return n * b / (b + tolerance)


def _arrays(
    t: ArrayLike, share: ArrayLike, change: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    """Generations since generation 0, shares and changes as arrays."""
    steps, f, x = (np.asarray(a, dtype=np.float64) for a in (t, share, change))
    return steps - 1, f, x
