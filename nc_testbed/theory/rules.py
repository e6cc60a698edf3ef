"""Tests of a simulated figure against a law: pass, fail or inconclusive.

Every rule passes only what it could have refused: a figure too rough to tell a wrong law
from a right one is inconclusive, never a pass. Values are one per independent chain, at
one time point: the generations of one chain are correlated. For heavy tails give logs, or
the exact standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import betaincinv, stdtrit

Verdict = Literal["pass", "fail", "inconclusive"]

LIMIT = 4.0
"""Standard errors between a figure and its law (T1)."""
PRECISION = 0.05
"""Largest standard error in units of the natural scale (T1)."""
LEVEL = 0.001
"""Chance that a right law fails where probabilities
and distributions are compared (T2, T3)."""
WIDTH = 0.1
"""Widest interval, or critical distance, at which
a probability or distribution can pass."""
_JITTER = 0x6A6974
"""Part of a jitter's seed, so that it shares no
stream with a simulation of the same seed."""


@dataclass(frozen=True)
class Check:
    """A figure, its law, and the verdict.

    ``mean`` is the figure (a mean, a share, a KS distance), ``law`` what it should be,
    ``error`` its standard error and ``z`` their distance in standard errors, for display.
    """

    law: float
    mean: float
    error: float
    z: float
    verdict: Verdict


class Distribution(Protocol):
    """A law as :func:`ks_check` needs it; scipy's frozen distributions are such laws."""

    def cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cumulative probabilities at x."""
        ...

    def support(self) -> tuple[float, float]:
        """The smallest and the largest value that can occur."""
        ...


def mean_check(
    values: ArrayLike | tuple[float, float, int],
    law: float,
    scale: float | None = None,
    sd: float | None = None,
    tolerance: float = 1e-12,
) -> Check:
    """Holds the mean over independent chains against its law (T1).

    pass if |mean - law| <= 4 SE and SE <= 5% of the scale; fail beyond 4 SE, for few
    chains beyond Student's equivalent of it; else inconclusive

    Arguments: values ``[R]``, or the tuple (mean, sd, R); scale, by default |law|: give
    V_0 where the law is near zero; sd, the exact standard deviation over chains where it
    is known: the larger of it and the sample's counts, since heavy tails hide from
    samples (T4); tolerance, relative: chains that agree to it (no randomness) pass if
    they are the law to it, else fail. One chain, or a mean that is not finite, is
    inconclusive. Conditions: a finite variance.

    >>> mean_check((1.02, 0.5, 1000), 1.0).verdict, mean_check((1.2, 0.5, 1000), 1.0).verdict
    ('pass', 'fail')
    >>> mean_check((1.02, 0.5, 10), 1.0).verdict
    'inconclusive'
    """
    law = float(law)
    mean, sample, chains = _summary(values)
    deviation = max(sample, sd or 0.0)
    scale = abs(law) if scale is None else scale
    error = deviation / math.sqrt(max(chains, 1))
    gap = mean - law
    if not math.isfinite(mean):
        return Check(law, mean, error, math.nan, "inconclusive")
    rounding = tolerance * max(abs(law), abs(mean), scale)
    if deviation <= rounding:
        equal = abs(gap) <= rounding
        z = 0.0 if equal else math.copysign(math.inf, gap)
        return Check(law, mean, error, z, "pass" if equal else "fail")
    # Four sigma of a Student law with R - 1 degrees of freedom, unless the sd is the exact one.
    student = LIMIT if deviation > sample else float(stdtrit(chains - 1, stats.norm.cdf(LIMIT)))
    z = gap / error
    if abs(z) > max(LIMIT, student):
        return Check(law, mean, error, z, "fail")
    precise = abs(z) <= LIMIT and error <= PRECISION * scale
    return Check(law, mean, error, z, "pass" if precise else "inconclusive")


def share_check(successes: int, trials: int, law: float, width: float = WIDTH) -> Check:
    """Holds a share of independent chains against a probability (T2).

    pass if the 99.9% interval of Clopper and Pearson covers the law and is at most
    ``width`` wide; fail if it does not cover it; else inconclusive

    Arguments: 0 <= successes <= trials; law in [0, 1]; width, the widest interval that
    can pass: 0.1 takes about 1,100 trials at 1/2, give less for rare events. z is the
    normal approximation. Conditions: exact, independent chains. Source: Clopper and
    Pearson, 1934, https://doi.org/10.1093/biomet/26.4.404

    >>> [share_check(s, 2000, 0.5).verdict for s in (1010, 1200)], share_check(9, 20, 0.5).verdict
    (['pass', 'fail'], 'inconclusive')
    """
    s = int(successes)
    n = int(trials)
    law = float(law)
    if not 0 <= s <= n or not 0 <= law <= 1:
        raise ValueError(f"{s} successes in {n} trials, law {law}")
    if n == 0:
        return Check(law, math.nan, math.nan, math.nan, "inconclusive")
    low = float(betaincinv(s, n - s + 1, LEVEL / 2)) if s else 0.0
    high = float(betaincinv(s + 1, n - s, 1 - LEVEL / 2)) if s < n else 1.0
    error = math.sqrt(law * (1 - law) / n)
    z = _distance(s / n - law, error)
    if not low <= law <= high:
        return Check(law, s / n, error, z, "fail")
    return Check(law, s / n, error, z, "pass" if high - low <= width else "inconclusive")


def ks_check(
    values: ArrayLike, distribution: Distribution, spacing: float = 0.0, seed: int = 0
) -> Check:
    """Holds chains against a continuous law by the Kolmogorov-Smirnov distance (T3).

    fail if the test's p-value is below 0.001; else pass if the distance it can see,
    1.95/sqrt(R), is at most 0.1 (380 chains); else inconclusive

    Arguments: values ``[R]``; distribution with ``cdf`` and ``support``; spacing of the
    values' lattice, 1/n for shares: each value is moved uniformly within its cell,
    mirrored at the ends of the support; seed of that jitter. In the result law = 0, mean
    is the distance, and z the normal quantile of the p-value. Conditions: a diffusion
    limit of a lattice is itself off by O(1/n): prefer :func:`lattice_check`.

    >>> ks_check(stats.norm().ppf((np.arange(400) + 0.5) / 400), stats.norm()).verdict
    'pass'
    """
    x = np.asarray(values, dtype=np.float64)
    if spacing:
        x = x + spacing * (_uniform(len(x), seed) - 0.5)
        low, high = distribution.support()
        x = np.where(x < low, 2 * low - x, np.where(x > high, 2 * high - x, x))
    return _uniform_check(distribution.cdf(x))


def lattice_check(states: ArrayLike, law: ArrayLike, seed: int = 0) -> Check:
    """Holds chains on a lattice against the exact law of their states (T3).

    u = F(x-1) + U P(x) is uniform under the law; then the rule of :func:`ks_check`

    Arguments: states ``[R]``, integers 0..S-1; law ``[S]``, their probabilities, as from
    :func:`nc_testbed.theory.chain.stationary`; seed of the jitter U. Conditions: exact at
    any n. Source: derived.

    >>> lattice_check(np.arange(1000) % 4, [0.25] * 4).verdict
    'pass'
    """
    x = np.asarray(states)
    p = np.asarray(law, dtype=np.float64)
    return _uniform_check((np.cumsum(p) - p)[x] + _uniform(len(x), seed) * p[x])


def equivalence(
    values: ArrayLike | tuple[float, float, int], margin: float, level: float = 0.05
) -> Check:
    """Decides by two one-sided t tests whether a mean difference is negligible (T8).

    pass if the 1 - 2 level interval lies within +-margin; fail if it lies outside; else
    inconclusive

    Arguments: values ``[R]``, differences of paired chains, or the tuple (mean, sd, R);
    margin > 0, fixed before looking; level of each test. law = 0 in the result.
    Conditions: nearly normal means. Source: Schuirmann, 1987,
    https://doi.org/10.1007/BF01068419

    >>> equivalence((0.01, 0.1, 100), 0.05).verdict, equivalence((0.1, 0.1, 100), 0.05).verdict
    ('pass', 'fail')
    """
    mean, sample, chains = _summary(values)
    error = sample / math.sqrt(chains) if chains else math.nan
    half = float(stdtrit(chains - 1, 1 - level)) * error if chains > 1 else math.nan
    z = _distance(mean, error)
    if abs(mean) + half <= margin:
        return Check(0.0, mean, error, z, "pass")
    return Check(0.0, mean, error, z, "fail" if abs(mean) - half > margin else "inconclusive")


def _summary(values) -> tuple[float, float, int]:
    """Mean, standard deviation (NaN below two chains) and number of chains."""
    if isinstance(values, tuple):
        mean, sd, chains = values
        return float(mean), float(sd) if chains > 1 else math.nan, int(chains)
    x = np.asarray(values, dtype=np.float64).ravel()
    with np.errstate(invalid="ignore"):  # infinite values have no deviation: NaN, inconclusive
        mean = float(x.mean()) if len(x) else math.nan
        sd = float(x.std(ddof=1)) if len(x) > 1 else math.nan
    return mean, sd, len(x)


def _distance(gap: float, error: float) -> float:
    """A gap in standard errors; without any error 0 or infinite."""
    if error == 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / error


def _uniform(size: int, seed: int) -> NDArray[np.float64]:
    """Jitter on [0, 1)."""
    return np.random.default_rng([_JITTER, seed]).random(size)


def _uniform_check(u: NDArray[np.float64]) -> Check:
    """Kolmogorov-Smirnov against the uniform law, with the rule of :func:`ks_check`."""
    if not len(u) or not np.isfinite(u).all():
        return Check(0.0, math.nan, math.nan, math.nan, "inconclusive")
    test = stats.kstest(u, "uniform")
    visible = float(stats.kstwobign.isf(LEVEL)) / math.sqrt(len(u))
    z = float(stats.norm.isf(test.pvalue / 2))
    verdict: Verdict = "pass" if visible <= WIDTH else "inconclusive"
    if test.pvalue < LEVEL:
        verdict = "fail"
    return Check(0.0, float(test.statistic), 1 / math.sqrt(len(u)), z, verdict)
