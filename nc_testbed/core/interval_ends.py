"""The formulas of :mod:`nc_testbed.core.intervals` for values that have bounds, and for chains
that have rotations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, logit

Floats = NDArray[np.float64]


def clopper_pearson(successes: NDArray[Any], trials: NDArray[Any]) -> tuple[Floats, Floats]:
    """Ends of 95% intervals of shares (Clopper and Pearson, 1934), for arrays of one shape."""
    s = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    low = np.where(s > 0, betaincinv(np.maximum(s, 1), n - s + 1, 0.025), 0.0)
    high = np.where(s < n, betaincinv(s + 1, np.maximum(n - s, 1), 0.975), 1.0)
    return low, high


def ratio_ends(mean, half, low, high):
    """The ends ``[2, ...]`` beside one bound."""
    is_above = np.isfinite(low)
    distance = np.abs(mean - np.where(is_above, low, high))
    factor = np.exp(half / distance)
    above = np.stack([low + distance / factor, low + distance * factor])
    below = np.stack([high - distance * factor, high - distance / factor])
    return np.where(is_above, above, below)


def logit_ends(mean, half, low, high):
    """The ends ``[2, ...]`` between two bounds."""
    width = high - low
    position = np.clip((mean - low) / width, 1e-300, 1 - 2**-53)
    reach = half / (width * position * (1 - position))
    return np.stack([low + width * expit(logit(position) + way * reach) for way in (-1, 1)])


def within_rotations(x, finite, rotation):
    """Sums of squares ``[...]`` around each rotation's mean, where each has as many chains
    and two at least, and the number of rotations."""
    names, member = np.unique(rotation, return_inverse=True)
    is_member = np.eye(len(names))[member].T
    counts = np.tensordot(is_member, finite.astype(np.float64), 1)
    means = np.tensordot(is_member, x, 1) / counts
    squares = np.where(finite, (x - means[member]) ** 2, 0.0).sum(0)
    is_balanced = (counts.min(0) == counts.max(0)) & (counts.min(0) > 1)
    return squares, is_balanced, len(names)
