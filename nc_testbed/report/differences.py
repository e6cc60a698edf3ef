"""Differences between arms: of chain and chain where these share their random streams."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nc_testbed.core.intervals import Interval, interval
from nc_testbed.core.paired import paired_interval
from nc_testbed.report.arm import Arm
from nc_testbed.report.comparison import Comparison, of_chains
from nc_testbed.report.verdict import Verdict

PAIRS = 10
"""Up to so many pairs of arms are all compared; of more, each arm with one of them."""


@dataclass(frozen=True)
class Difference:
    """One arm's mean less another's, with its 95% interval.

    paired: chains were paired by their seed and number; then ``mean.chains`` counts the
    pairs.
    """

    more: Arm
    less: Arm
    metric: str
    mean: Interval
    paired: bool

    @property
    def verdict(self) -> Verdict:
        """Whether ``more`` has more of the metric, by the interval alone.

        ``supported``: the interval lies above 0; ``refuted``: below it; else
        ``inconclusive``.
        """
        if self.mean.low > 0:
            return Verdict("supported", "supported")
        if self.mean.high < 0:
            return Verdict("refuted", "refuted")
        return Verdict("inconclusive", "inconclusive")


def difference(more: Arm, less: Arm, metric: str, generation: int) -> Difference:
    """One arm less another at one generation, both with a row of metrics per chain.

    Chains with the same seed and number saw the same streams: where the arms have two
    such pairs or more, the interval is of their differences
    (:func:`nc_testbed.core.paired.paired_interval`), in which the effect of the class that
    is rare cancels. Where they have not, it is that of :func:`unpaired_interval`.
    """
    x, y = (of_chains(arm, metric, generation) for arm in (more, less))
    position = {key: i for i, key in enumerate(less.paired_by)}
    pairs = [(i, position[key]) for i, key in enumerate(more.paired_by) if key in position]
    if len(pairs) > 1:
        rows, others = np.array(pairs).T
        mean = paired_interval(x[rows], y[others], *more.bounds(metric))
        return Difference(more, less, metric, mean, True)
    return Difference(more, less, metric, unpaired_interval(x, y, *more.bounds(metric)), False)


def unpaired_interval(
    x: np.ndarray, y: np.ndarray, low: float = -np.inf, high: float = np.inf
) -> Interval:
    """The difference of the means of two samples that are not paired, within the range of
    differences of values in ``low .. high``.

    Welch's (:func:`welch`). Where all values of a sample are equal, or no value lies inside
    the range, the intervals of the two samples are combined: the lower end is
    ``d - sqrt((m_x - l_x)^2 + (u_y - m_y)^2)``, the upper its mirror image (Zou and Donner,
    2008, https://doi.org/10.1002/sim.3095). NaN where that has no width either.

    >>> unpaired_interval(np.ones(10), np.zeros(10), 0, 1).text()
    '1.00 [0.56, 1.00]'
    """
    x, y = (sample[np.isfinite(sample)] for sample in (x, y))
    pooled = np.concatenate([x, y])
    is_plain = min(len(x), len(y)) < 2 or min(np.ptp(x), np.ptp(y)) > 0
    if is_plain and not np.all((pooled == low) | (pooled == high)):
        ci = welch(x, y)
        reach = high - low if np.all((pooled >= low) & (pooled <= high)) else np.inf
        limits = (np.maximum(ci.low, -reach), np.minimum(ci.high, reach))
        return Interval(ci.mean, *limits, ci.chains)
    a, b = interval(x, low, high), interval(y, low, high)
    mean = a.mean - b.mean
    below = np.hypot(a.mean - a.low, b.high - b.mean)
    above = np.hypot(a.high - a.mean, b.mean - b.low)
    if below + above == 0:
        below = above = np.nan
    return Interval(mean, mean - below, mean + above, np.minimum(a.chains, b.chains))


def welch(x: np.ndarray, y: np.ndarray) -> Interval:
    """The difference of the means of two samples that are not paired, NaN ends below two
    values.

    >>> welch(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])).text()
    '1.0 [-1.3, 3.3]'
    """
    x = x[np.isfinite(x)]
    y = y[np.isfinite(y)]
    count = min(len(x), len(y))
    if count < 2:
        mean = x.mean() - y.mean() if count else np.nan
        return Interval.of(mean, np.nan, np.nan, count)
    parts = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    mean = x.mean() - y.mean()
    total = parts.sum()
    if total == 0:
        return Interval.of(mean, mean, mean, count)
    freedom = total**2 / (parts**2 / (len(x) - 1, len(y) - 1)).sum()
    half = stdtrit(freedom, 0.975) * np.sqrt(total)
    return Interval.of(mean, mean - half, mean + half, count)


def change(arm: Arm, metric: str, first: int, last: int) -> Interval:
    """How far a metric moved within chains, from one generation to another."""
    limits = (of_chains(arm, metric, generation) for generation in (last, first))
    return paired_interval(*limits, *arm.bounds(metric))


def pairs(compared: Comparison) -> list[tuple[Arm, Arm]]:
    """Which arms are held against which: a later one against an earlier one; of more than
    :data:`PAIRS` pairs those alone with ``replace``, or with the first arm."""
    every = [(b, a) for a, b in itertools.combinations(compared.arms, 2)]
    if len(every) <= PAIRS:
        return every
    policies = [arm.config["name"]["policy"] for arm in compared.arms]
    base = compared.arms[policies.index("replace") if "replace" in policies else 0]
    return [(arm, base) for arm in compared.arms if arm is not base]


def differences(compared: Comparison) -> list[Difference]:
    """Every shown metric's differences at the last generation; none of summaries
    alone."""
    if not compared.per_chain:
        return []
    return [
        difference(more, less, name, compared.last)
        for more, less in pairs(compared)
        for name in compared.names
    ]
