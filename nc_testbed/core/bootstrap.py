"""The percentile bootstrap of means over chains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from nc_testbed.core.rng import SHARED, RandomStreams

RESAMPLES = 2000
POSITIONS = 1000
"""Positions resampled at once, so that memory does not grow with them."""


def bootstrap_quantiles(x, finite):
    """The 2.5% and 97.5% quantiles ``[2, ...]`` of the mean over resampled chains.

    x: ``[R, ...]``, finite everywhere; finite: where its values count.
    """
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
