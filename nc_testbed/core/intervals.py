"""Means over chains with 95% intervals; the chain is the unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

from nc_testbed.core.rng import SHARED, RandomStreams

FEW = 20
"""Below so many chains the t interval is used: the bootstrap covers 80% at R = 4."""
MANY = 1000
"""From so many chains on the t interval is used again: a mean of that many is normal, and
resampling 10^5 chains would outlast the run."""
RESAMPLES = 2000
POSITIONS = 1000
"""Positions resampled at once, so that memory does not grow with them."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval and the number of chains behind it, arrays of one
    shape.

    ``low`` and ``high`` are NaN where fewer than two chains are finite, ``mean`` where
    none is.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    chains: NDArray[np.int64]

    @staticmethod
    def of(mean: float, low: float, high: float, chains: int) -> Interval:
        """One mean from plain numbers."""
        bounds = (np.asarray(value, dtype=np.float64) for value in (mean, low, high))
        return Interval(*bounds, np.asarray(chains))

    def __getitem__(self, at: Any) -> Interval:
        return Interval(self.mean[at], self.low[at], self.high[at], self.chains[at])

    def text(self) -> str:
        """One mean with its interval, to two significant digits of the interval's width.

        >>> interval([0.5, 0.5]).text(), interval([0.25]).text(), interval([9.0, 10.5]).text()
        ('0.5 [0.5, 0.5]', '0.25 [n/a]', '10 [0, 19]')
        """
        if not np.isfinite(self.mean):
            return "n/a"
        form = _form(float(self.mean), float(self.high - self.low))
        bounds = f"{self.low:{form}}, {self.high:{form}}" if np.isfinite(self.low) else "n/a"
        return f"{self.mean:{form}} [{bounds}]"


def interval(values: ArrayLike) -> Interval:
    """Mean and 95% interval over the first axis (chains), for every trailing position.

    ``mean +- t_{.975, R-1} s / sqrt(R)`` below 20 chains and again from 1000 on (Student,
    1908, https://doi.org/10.2307/2331554), the percentile bootstrap over chains between
    (Efron, 1979, https://doi.org/10.1214/aos/1176344552). Whole chains are resampled, the
    same ones at every position and in every call, so give it differences of trajectories
    to compare policies on paired chains. Values that are not finite (undefined, or
    infinite) are left out and ``Interval.chains`` says how many were used. Equal values
    have an interval of width zero, one chain has none (NaN).

    values: ``[R, ...]``, any real type; the result has shape ``[...]``.

    >>> ci = interval([1.0, 2.0, float("nan"), 3.0])
    >>> float(ci.mean), round(float(ci.low), 3), int(ci.chains)
    (2.0, -0.484, 3)
    """
    x = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(x)
    count = np.asarray(finite.sum(0))
    x = np.where(finite, x, 0.0)
    with np.errstate(all="ignore"):
        mean = x.sum(0) / count
        half = _half_width(x, finite, mean, count)
    low = mean - half
    high = mean + half
    between = (count >= FEW) & (count < MANY)
    if np.any(between) and len(x) < MANY:
        quantiles = _bootstrap(x, finite)
        low = np.where(between, quantiles[0], low)
        high = np.where(between, quantiles[1], high)
    smallest = np.where(finite, x, np.inf).min(0)
    equal = (count > 1) & (smallest == np.where(finite, x, -np.inf).max(0))
    # Of equal values the mean is that value, which a sum over many need not give.
    mean, low, high = (np.where(equal, smallest, value) for value in (mean, low, high))
    return Interval(mean, low, high, count)


def share(successes: int, trials: int) -> Interval:
    """A share with its exact 95% interval: the beta quantiles of Clopper and Pearson.

    ``low = B^-1(.025; s, n-s+1)``, ``high = B^-1(.975; s+1, n-s)`` (Clopper and Pearson,
    1934, https://doi.org/10.1093/biomet/26.4.404). All NaN when there were no trials.

    >>> share(0, 10).text()
    '0.00 [0.00, 0.31]'
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    s = successes
    n = trials
    if n == 0:
        return Interval.of(np.nan, np.nan, np.nan, 0)
    low = betaincinv(s, n - s + 1, 0.025) if s > 0 else 0.0
    high = betaincinv(s + 1, n - s, 0.975) if s < n else 1.0
    return Interval.of(s / n, low, high, n)


def _form(mean: float, width: float) -> str:
    """The format in which a width has two significant digits, if that is not too long."""
    if np.isfinite(width) and width > 0:
        decimals = max(0, 1 - math.floor(math.log10(width)))
        if decimals <= 6 and abs(mean) < 1e7:
            return f".{decimals}f"
    return ".4g"


def _half_width(x, finite, mean, count):
    """Half the width of the t interval, ``[...]``; NaN below two chains."""
    squares = np.where(finite, (x - mean) ** 2, 0.0).sum(0)
    return stdtrit(count - 1, 0.975) * np.sqrt(squares / (count - 1) / count)


def _bootstrap(x, finite):
    """The 2.5% and 97.5% quantiles ``[2, ...]`` of the mean over resampled chains."""
    flat = x.reshape(len(x), -1)
    counts = finite.reshape(len(x), -1).astype(np.float64)
    times = _resample(len(x))
    bounds = np.empty((2, flat.shape[1]))
    for start in range(0, flat.shape[1], POSITIONS):
        part = slice(start, start + POSITIONS)
        with np.errstate(invalid="ignore"):
            means = (times @ flat[:, part]) / (times @ counts[:, part])
        undefined = np.isnan(means).all(0)  # no chain is finite there
        means[:, undefined] = 0  # for nanquantile, which warns of positions without a number
        bounds[:, part] = np.nanquantile(means, [0.025, 0.975], axis=0)
        bounds[:, part][:, undefined] = np.nan
    return bounds.reshape(2, *x.shape[1:])


@lru_cache(maxsize=4)
def _resample(R):
    """How often each of R chains was drawn in every resample, ``[2000, R]``."""
    draws = RandomStreams(seed=0, chains=(SHARED,))("bootstrap")
    times = np.empty((RESAMPLES, R))
    for i in range(RESAMPLES):
        chain = (draws.uniform(R, dtype=torch.float64).numpy()[0] * R).astype(np.int64)
        times[i] = np.bincount(np.minimum(chain, R - 1), minlength=R)
    return times
