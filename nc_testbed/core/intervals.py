"""Means over chains with 95% intervals; the chain is the unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from nc_testbed.core.bootstrap import bootstrap_quantiles
from nc_testbed.core.interval_ends import (
    clopper_pearson,
    logit_ends,
    ratio_ends,
    within_rotations,
)

Floats = NDArray[np.float64]

LISTED = 8
"""Below so many chains their values are printed: an interval would say less than they do."""
BOOTSTRAP = 50
"""From so many chains on the bootstrap serves a range without bounds; at 20 chains it covers
86% to 91% of skewed values' means."""
MANY = 1000
"""From so many chains on the t interval is used again: a mean of that many is normal, and
resampling 10^5 chains would outlast the run."""
SLACK = 1e-9
"""By so much of its size a value may lie outside its range, which is rounding."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval and the number of chains behind it, arrays of one
    shape.

    ``low`` and ``high`` are NaN where fewer than two chains are finite, ``mean`` where
    none is. values: of fewer than :data:`LISTED` chains every chain's ``[R, ...]``, None
    of more.
    """

    mean: Floats
    low: Floats
    high: Floats
    chains: NDArray[np.int64]
    values: Floats | None = None

    @staticmethod
    def of(
        mean: float, low: float, high: float, chains: int, values: ArrayLike | None = None
    ) -> Interval:
        """One mean from plain numbers."""
        bounds = (np.asarray(value, dtype=np.float64) for value in (mean, low, high))
        by_chain = None if values is None else np.asarray(values, dtype=np.float64)
        return Interval(*bounds, np.asarray(chains), by_chain)

    def __getitem__(self, at: Any) -> Interval:
        values = None
        if self.values is not None:
            values = self.values[(slice(None), *(at if isinstance(at, tuple) else (at,)))]
        return Interval(self.mean[at], self.low[at], self.high[at], self.chains[at], values)

    def text(self) -> str:
        """One mean with its interval, to two significant digits of the interval's width;
        where values are listed, with them in the order of the chains.

        >>> interval(np.arange(9.0)).text(), interval([9.0, 10.5]).text()
        ('4.0 [1.9, 6.1]', '9.8 (9.0 10.5)')
        >>> interval([0.25]).text(), interval([0.5, 0.5]).text()
        ('0.25 [n/a]', '0.5 (each of 2)')
        """
        if not np.isfinite(self.mean):
            return "n/a"
        if self.values is not None and len(self.values) > 1:
            return _list(float(self.mean), self.values)
        form = _form(float(self.mean), float(self.high - self.low))
        bounds = f"{self.low:{form}}, {self.high:{form}}" if np.isfinite(self.low) else "n/a"
        return f"{self.mean:{form}} [{bounds}]"


def interval(
    values: ArrayLike,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
    rotation: ArrayLike | None = None,
) -> Interval:
    """Mean and 95% interval over the first axis (chains), for every trailing position.

    By the range ``low .. high`` of the values, which no end leaves; e is the standard
    error ``s / sqrt(R)`` and t the quantile ``t_{.975, R-1}``:

    - no bound: ``mean +- t e`` (Student, 1908, https://doi.org/10.2307/2331554); from 50 to
      999 chains the percentile bootstrap over chains (Efron, 1979,
      https://doi.org/10.1214/aos/1176344552), which resamples whole chains, the same ones
      at every position and in every call;
    - one bound, at distance d of the mean: the distance lies between ``d exp(-t e/d)`` and
      ``d exp(t e/d)`` (the delta method on its logarithm);
    - two bounds, p the mean's place between them: ``logit(p) +- t e / (w p (1 - p))``, w
      the width of the range (the delta method on the logit of the mean);
    - two bounds and no value between them (0/1 columns, and shares that are all 0 or all
      1): Clopper and Pearson's of :func:`share`. Where all values lie at one end that
      holds for every law in the range, since ``P(all at the end) <= p^R``.

    Equal values inside their range, or at its only bound, have an interval of width zero:
    nothing is known of their spread. Values that leave a declared range have none.

    rotation ``[R]``: which of several sets of conditions each chain has (which class is
    rare), each set that there is. Where each has as many finite chains, two or more, s is
    that of the residuals within rotations with ``R - C`` degrees of freedom; else of all
    values, which counts the rotation as chance and is too wide.

    values: ``[R, ...]``, any real type; low, high broadcast to ``[...]``, the result's
    shape. Values that are not finite are left out; ``Interval.chains`` counts the others.

    >>> ci = interval([1.0, 2.0, float("nan"), 3.0])
    >>> float(ci.mean), round(float(ci.low), 3), int(ci.chains)
    (2.0, -0.484, 3)
    >>> interval([1.0] * 10, 0, 1).text()
    '1.00 [0.69, 1.00]'
    """
    measured = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(measured)
    low, high = _kept_range(measured, finite, low, high)
    x = np.where(finite, np.clip(measured, low, high), 0.0)
    count = np.asarray(finite.sum(0))
    with np.errstate(all="ignore"):
        mean = x.sum(0) / count
        half, is_within = _half_width(x, finite, mean, count, rotation)
        limits = _symmetric_ends(x, finite, mean, half, is_within)
        limits = np.where(
            np.isfinite(low) | np.isfinite(high), ratio_ends(mean, half, low, high), limits
        )
        limits = np.where(np.isfinite(high - low), logit_ends(mean, half, low, high), limits)
    smallest = np.where(finite, x, np.inf).min(0, initial=np.inf)
    is_equal = (count > 1) & (smallest == np.where(finite, x, -np.inf).max(0, initial=-np.inf))
    # Of equal values the mean is that value, which a sum over many need not give.
    mean, *limits = (np.where(is_equal, smallest, value) for value in (mean, *limits))
    limits = _exact_ends(x, finite, count, low, high, limits)
    return Interval(mean, *limits, count, measured if len(measured) < LISTED else None)


def share(successes: int, trials: int) -> Interval:
    """A share with its exact 95% interval: the beta quantiles of Clopper and Pearson.

    ``low = B^-1(.025; s, n-s+1)``, ``high = B^-1(.975; s+1, n-s)`` (Clopper and Pearson,
    1934, https://doi.org/10.1093/biomet/26.4.404). All NaN when there were no trials.

    >>> share(0, 10).text()
    '0.00 [0.00, 0.31]'
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return Interval.of(np.nan, np.nan, np.nan, 0)
    low, high = clopper_pearson(np.asarray(successes), np.asarray(trials))
    return Interval.of(successes / trials, float(low), float(high), trials)


def _list(mean: float, values: Floats) -> str:
    """A mean and every chain's value, to two significant digits of their range."""
    finite = values[np.isfinite(values)]
    form = _form(mean, float(np.ptp(finite)))
    if len(finite) == len(values) and np.ptp(finite) == 0:
        return f"{mean:{form}} (each of {len(values)})"
    texts = (f"{value:{form}}" if np.isfinite(value) else "n/a" for value in values)
    return f"{mean:{form}} ({' '.join(texts)})"


def _form(mean: float, width: float) -> str:
    """The format in which a width has two significant digits, if that is not too long."""
    if np.isfinite(width) and width > 0:
        decimals = max(0, 1 - math.floor(math.log10(width)))
        if decimals <= 6 and abs(mean) < 1e7:
            return f".{decimals}f"
    return ".4g"


def _kept_range(x, finite, low, high) -> tuple[Floats, Floats]:
    """The declared bounds ``[...]``; none where a value lies outside of them."""
    low, high = (np.broadcast_to(np.float64(bound), x.shape[1:]) for bound in (low, high))
    smallest = np.where(finite, x, np.inf).min(0, initial=np.inf)
    largest = np.where(finite, x, -np.inf).max(0, initial=-np.inf)
    slack = SLACK * np.maximum(1, np.where(finite, np.abs(x), 0).max(0, initial=0))
    is_kept = (smallest >= low - slack) & (largest <= high + slack) & (low < high)
    return np.where(is_kept, low, -np.inf), np.where(is_kept, high, np.inf)


def _half_width(x, finite, mean, count, rotation):
    """Half the width of the t interval ``[...]``, NaN below two chains; and whether it is
    of residuals within rotations."""
    squares = np.where(finite, (x - mean) ** 2, 0.0).sum(0)
    freedom = count - 1
    is_within = np.zeros(count.shape, dtype=bool)
    if rotation is not None:
        residual, is_within, C = within_rotations(x, finite, np.asarray(rotation))
        squares = np.where(is_within, residual, squares)
        freedom = np.where(is_within, count - C, freedom)
    return stdtrit(freedom, 0.975) * np.sqrt(squares / freedom / count), is_within


def _symmetric_ends(x, finite, mean, half, is_within):
    """The ends ``[2, ...]`` without bounds: t, or the bootstrap of so many chains."""
    limits = np.stack([mean - half, mean + half])
    count = finite.sum(0)
    is_resampled = (count >= BOOTSTRAP) & (count < MANY) & ~is_within
    if np.any(is_resampled) and len(x) < MANY:
        limits = np.where(is_resampled, bootstrap_quantiles(x, finite), limits)
    return limits


def _exact_ends(x, finite, count, low, high, limits):
    """Clopper and Pearson's ends where all values lie at one of two bounds, else those
    given."""
    is_at_end = (~finite | (x == low) | (x == high)).all(0)
    is_exact = is_at_end & (count > 1) & np.isfinite(high - low)
    if not np.any(is_exact):
        return limits
    start = np.where(is_exact, low, 0.0)
    width = np.where(is_exact, high, 0.0) - start
    exact = clopper_pearson((finite & (x == high)).sum(0), count)
    return [
        np.where(is_exact, start + width * e, end) for e, end in zip(exact, limits, strict=True)
    ]
