"""How many real rows the master rule asks for, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nc_testbed.theory import master

Values = NDArray[np.float64]
DRAWS = 2000
"""Equally likely rules, of which the 95% interval of k is taken."""
_SEED = 0x706C616E
"""Fixed, so that a plan says the same twice: it is no part of any run."""
GRID = 400
"""Numbers of rows tried before the smallest one that will do is found by bisection."""


@dataclass(frozen=True)
class Rule:
    """One learner under the linearised generation of :mod:`nc_testbed.theory.master`.

    n: rows per refit. gap: generation 0's mean less the truth. bias: b. noise: v. first:
    variance over chains of generation 0's values. keeps: whether a chain keeps its own
    generation 0 for ever, as a pool does; fresh rows forget it. Numbers, or ``[D]`` of
    equally likely ones.
    """

    n: int
    gap: ArrayLike
    bias: ArrayLike
    noise: ArrayLike
    first: ArrayLike
    keeps: bool = False

    def offset(self, k: ArrayLike, t: float = np.inf) -> Values:
        """Mean distance from generation 0's value at refit t with k real rows,
        ``k <= n``.

        ``b (1-f)/f (1 - (1-f)^(t-1))``, f = k/n: :func:`nc_testbed.theory.master.offset`
        """
        return master.offset(t, np.asarray(k) / self.n, self.bias)

    def variance(self, k: ArrayLike, t: float = np.inf) -> Values:
        """Variance over chains at refit t: what remains of generation 0's own, and the
        noise.

        ``(1-f)^(2(t-1)) Var x_0`` (a pool keeps ``Var x_0`` whole) and
        :func:`nc_testbed.theory.master.chain_spread`
        """
        f = np.asarray(k) / self.n
        remains = 1.0 if self.keeps else (1 - f) ** (2 * (t - 1))
        return remains * np.asarray(self.first) + master.chain_spread(t, f, self.noise)

    def distance(self, k: ArrayLike, t: float = np.inf) -> Values:
        """Root-mean-square distance from the truth,
        ``sqrt((gap + offset)^2 + variance)``.

        >>> rule = Rule(n=100, gap=0.0, bias=0.0, noise=0.01, first=0.0)
        >>> rule.distance([1, 100]).round(4).tolist()
        [0.7089, 0.1]
        """
        shift = np.asarray(self.gap) + self.offset(k, t)
        return np.sqrt(shift**2 + self.variance(k, t))

    @property
    def floor(self) -> Values:
        """The part of the distance that no k closes."""
        spread = np.asarray(self.first) if self.keeps else 0.0
        return np.sqrt(np.asarray(self.gap) ** 2 + spread)

    def rows(self, tolerance: float) -> Values:
        """The smallest k in 1..n within the tolerance, infinite where none is.

        >>> float(Rule(100, 0.0, 0.0, 0.01, 0.0).rows(0.5))
        3.0
        """
        return smallest(lambda k: self.distance(k) <= tolerance, self.n)


def measured_rule(n: int, gaps: Values, changes: Values, own_noise: float, keeps: bool) -> Rule:
    """The rule of chains whose generation 0 lies ``gaps`` ``[R]`` from the truth and
    whose value then changes by ``changes`` ``[R]`` under replace.

    own_noise: variance of the metric over sets of rows drawn from one fit. No generation
    learns from it, so it is taken out: ``v = Var(changes) - 2 own_noise``,
    ``Var x_0 = Var(gaps) - 2 own_noise``, at least 0 (a gap is the difference of two such
    sets too).
    """
    noise = max(float(changes.var(ddof=1)) - 2 * own_noise, 0.0)
    first = max(float(gaps.var(ddof=1)) - 2 * own_noise, 0.0)
    return Rule(n, gaps.mean(), changes.mean(), noise, first, keeps)


def draw_rules(rule: Rule, gaps: Values, changes: Values, own_noise: float) -> Rule:
    """The rule with its gap, bias and noise replaced by ``[2000]`` draws that the data
    allow.

    v (R-1)/chi^2_{R-1}; mean + sqrt(v/R) z with that v, for bias and gap: Student's and
    the chi-square intervals, drawn together. Conditions: changes nearly normal over
    chains.
    """
    R = len(changes)
    rng = np.random.default_rng(_SEED)
    chi = stats.chi2(R - 1).ppf(rng.random((2, DRAWS))) / (R - 1)
    z = rng.standard_normal((2, DRAWS))
    change = changes.var(ddof=1) / chi[0]
    gap = gaps.var(ddof=1) / chi[1]
    return replace(
        rule,
        gap=gaps.mean() + np.sqrt(gap / R) * z[1],
        bias=changes.mean() + np.sqrt(change / R) * z[0],
        noise=np.maximum(change - 2 * own_noise, 0.0),
    )


def variance_interval(values: Values) -> tuple[float, float, float]:
    """A variance over chains ``[R]`` with its 95% interval, ``v (R-1)/chi^2_{R-1}``.

    >>> [round(x, 3) for x in variance_interval(np.array([0.0, 1.0, 2.0]))]
    [1.0, 0.271, 39.498]
    """
    v = float(np.var(values, ddof=1))
    freedom = len(values) - 1
    low, high = (float(v * freedom / stats.chi2(freedom).ppf(q)) for q in (0.975, 0.025))
    return v, low, high


def smallest(is_enough: Callable[[Values], NDArray[np.bool_]], n: int) -> Values:
    """The smallest k in 1..n for which ``is_enough`` holds, infinite where there is none.

    is_enough: of k ``[G, 1]`` to truth values ``[G, D]``; the result is ``[D]``, of one
    ``[]``. Where it holds in several stretches of k, one narrower than a 400th of ln n
    may be missed.

    >>> smallest(lambda k: k**2 >= np.array([10.0, 1e9]), 100).tolist()
    [4.0, inf]
    """
    grid = np.unique(np.geomspace(1, n, GRID).round())
    holds = np.atleast_2d(is_enough(grid[:, None]))  # [G, D]
    first = holds.argmax(0)
    high = grid[first]
    low = np.where(first > 0, grid[np.maximum(first - 1, 0)], 0.0)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        # A column that is done has nothing between its ends; its middle is its low end.
        good = np.atleast_2d(is_enough(np.maximum(middle, 1.0)[None]))[0] & (middle > low)
        high = np.where(good, middle, high)
        low = np.where(good, low, middle)
    k = np.where(holds.any(0), high, np.inf)
    return k if len(k) > 1 else k[0]
