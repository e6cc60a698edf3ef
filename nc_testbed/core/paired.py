"""Differences of two policies within chains, with 95% intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from nc_testbed.core.intervals import LISTED, Interval, interval

Z = 1.959963984540054
"""The 97.5% quantile of the normal law."""
ROUNDING = 1e-12
"""Differences are equal where they agree to this, relative to the values."""

ASIDE = 1e-9
"""How far from an observed difference the search for an end of its interval begins."""


def paired_interval(
    x: ArrayLike, y: ArrayLike, low: float = -np.inf, high: float = np.inf
) -> Interval:
    """Mean of ``x - y`` over chains with its 95% interval, never of width zero.

    x, y ``[R]``: one value each of every chain, in the same order; low, high: the range of
    both, so that a difference lies within ``+-(high - low)``.

    - values at the two ends of the range alone (0/1 columns): Tango's score interval for
      paired proportions, :func:`tango`;
    - else :func:`nc_testbed.core.intervals.interval` of the differences without bounds,
      cut at their range;
    - differences d that are all equal: as many as ``q = 1 - .025^(1/R)`` of all chains may
      differ from them, by as much as the range allows: ``d + q (+-(high - low) - d)``; NaN
      where the range has no two ends, since nothing is then known of the spread.

    Pairs with a value that is not finite are left out. One pair has no interval (NaN).

    >>> paired_interval(np.ones(10), np.ones(10), 0, 1).text()
    '0.00 [-0.28, 0.28]'
    >>> paired_interval([0.5, 0.6, 0.9], [0.4, 0.4, 0.6]).text()
    '0.20 (0.10 0.20 0.30)'
    """
    x, y = (np.asarray(value, dtype=np.float64) for value in (x, y))
    with np.errstate(invalid="ignore"):
        differences = x - y
    is_pair = np.isfinite(differences)
    pairs = np.stack([x, y])[:, is_pair]
    plain = interval(differences)
    if plain.chains < 2:
        return plain
    is_kept = bool(np.all((pairs >= low) & (pairs <= high)))
    reach = high - low if is_kept else np.inf
    if np.isfinite(reach) and np.all((pairs == low) | (pairs == high)):
        b, c = ((a > z).sum() for a, z in (pairs, pairs[::-1]))
        limits = [reach * end for end in tango(int(b), int(c), pairs.shape[1])]
    elif np.ptp(differences[is_pair]) <= ROUNDING * np.abs(pairs).max():
        limits = _ends_of_equal(float(plain.mean), reach, pairs.shape[1])
    else:
        limits = [max(float(plain.low), -reach), min(float(plain.high), reach)]
    by_chain = differences if len(differences) < LISTED else None
    return Interval.of(float(plain.mean), *limits, int(plain.chains), by_chain)


def tango(b: int, c: int, n: int) -> tuple[float, float]:
    """The 95% score interval of ``(b - c) / n``, the difference of paired proportions.

    b of n pairs are (1, 0), c are (0, 1). The ends solve
    ``(b - c - n D)^2 = z^2 n (2 q + D (1 - D))``, with q the maximum likelihood estimate of
    P(0, 1) given the difference D: the positive root of ``2n q^2 + B q - c D (1 - D) = 0``,
    ``B = (2n - b + c) D - b - c`` (Tango, 1998,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B).

    >>> [round(end, 3) for end in tango(1, 7, 21)]  # Fagerland et al., 2013: -.517 to -.026
    [-0.517, -0.026]
    """

    def excess(difference: float) -> float:
        """The squared score less its limit; times n, so that nothing is divided by 0."""
        product = difference * (1 - difference)
        linear = (2 * n - b + c) * difference - b - c
        root = np.sqrt(max(linear**2 + 8 * n * c * product, 0.0))
        q = (root - linear) / (4 * n)
        return (b - c - n * difference) ** 2 - Z**2 * n * max(2 * q + product, 0.0)

    # Where no pair, or every one, is discordant the difference itself is a root as well.
    below = (b - c) / n - ASIDE
    above = (b - c) / n + ASIDE
    low = brentq(excess, -1.0, below) if below > -1 else -1.0
    high = brentq(excess, above, 1.0) if above < 1 else 1.0
    return float(low), float(high)


def _ends_of_equal(difference: float, reach: float, chains: int) -> list[float]:
    """The ends around a difference that all chains share."""
    if not np.isfinite(reach):
        return [np.nan, np.nan]
    others = 1 - 0.025 ** (1 / chains)
    return [difference + others * (way * reach - difference) for way in (-1, 1)]
