"""When a class has lost half of its share: an alarm that may be looked at after any
generation.

An e-value is a figure >= 0 whose mean is at most 1 while nothing is lost, so multiplying
them is a fair bet against "nothing is lost" and a large fortune is evidence. The bet here
is shared out over the generations of a run, as nobody knows at which of them the loss
begins.

Sources: Ville's inequality (1939); betting and e-values, Shafer 2021,
https://doi.org/10.1111/rssa.12647, Ramdas, Gruenwald, Vovk, Shafer 2023,
https://doi.org/10.1214/23-STS894; e-detectors, Shin, Ramdas, Rinaldo 2024,
https://doi.org/10.51387/23-NEJSDS51. The portfolio over starting times and the mixture
over shrinkages are derived.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nc_testbed.core.errors import require

SHRINKAGES = (0.2, 0.5, 0.7, 0.85, 0.95)
"""s, what the share may have fallen to, as a fraction of p0: slow and fast declines
together."""
LOST = 0.5
"""A class is lost when less than this is left of the share it had at generation 0."""
ALPHA = 0.05
"""Most healthy chains that may be alarmed at any time of a run, as a share."""

Array = NDArray[np.float64]


def log_e_value(K: ArrayLike, M: ArrayLike, p0: ArrayLike) -> Array:
    """Logarithm of the e-value of K hits in M trials against "the share is at least p0".

    ``e = mean_s s^K ((1 - s p0) / (1 - p0))^(M - K)`` over s of :data:`SHRINKAGES`: the
    mean likelihood ratio of share s p0 to share p0. For ``K ~ Binomial(M, p)`` its mean
    is 1 at p = p0 and below 1 for every p > p0 (derived). K in 0..M, p0 in 0..1 (1 not
    included), elementwise.

    >>> float(log_e_value(0, 100, 0.5) / np.log(10)) > 20, float(log_e_value(50, 100, 0.5)) < 0
    (True, True)
    """
    K, M, p0 = (np.asarray(x, np.float64)[..., None] for x in (K, M, p0))
    s = np.array(SHRINKAGES)
    log_ratios = K * np.log(s) + (M - K) * (np.log1p(-s * p0) - np.log1p(-p0))
    return np.logaddexp.reduce(log_ratios, -1) - np.log(len(s))


def log_wealth(log_e: Array) -> Array:
    """Logarithm of the wealth of a bettor with 1 to start with, after each of L
    generations.

    ``A_t = e_t (A_{t-1} + 1/L)``, ``A_0 = 0``, ``W_t = A_t + 1 - t/L``: 1/L enters the
    game every generation and stays in it. If each e-value has mean <= 1 given the past, W
    is a supermartingale from 1 and reaches 1/alpha with chance <= alpha (Ville). log_e:
    ``[..., L]``, L the generations that were planned. Returns ``[..., L]``.

    >>> np.exp(log_wealth(np.log([1.0, 1.0, 3.0]))).round(6)  # 1/3 is in from each generation
    array([1., 1., 3.])
    """
    L = log_e.shape[-1]
    stake = np.full(log_e.shape[:-1], -np.inf)
    out = np.empty_like(log_e)
    for t in range(1, L + 1):
        stake, out[..., t - 1] = _bet(stake, log_e[..., t - 1], t, L)
    return out


def _bet(stake: Array, log_e: Array, t: int, L: int) -> tuple[Array, Array]:
    """Logarithms of A_t and W_t after generation t of L, from that of A_{t-1}."""
    stake = log_e + np.logaddexp(stake, -np.log(L))
    return stake, np.logaddexp(stake, np.log1p(-t / L) if t < L else -np.inf)


def first_alarm(counts: Array, M: ArrayLike, p0: ArrayLike, alpha: float = ALPHA) -> Array:
    """When the mean wealth over classes first reaches 1/alpha: 1..L for each chain, inf =
    never.

    A mean of supermartingales is one: a chain in which no class is below its p0 is
    alarmed at any time of the run with chance <= alpha, however classes depend on each
    other. counts: ``[R, L, C]`` of hits, Binomial given the past. M, p0: ``[R, C]`` or
    scalars. Raises BadInput for an alpha outside 0..1.
    """
    require(0 < alpha < 1, "alpha", alpha, "give a number between 0 and 1")
    trials, share = (np.broadcast_to(x, counts[:, 0].shape)[:, None] for x in (M, p0))
    wealth = log_wealth(log_e_value(counts, trials, share).swapaxes(1, 2))  # [R, C, L]
    mean = np.logaddexp.reduce(wealth, 1) - np.log(counts.shape[2])
    rung = mean >= -np.log(alpha)
    return np.where(rung.any(1), rung.argmax(1) + 1.0, np.inf)


def alarm(counts: Array, M: ArrayLike, alpha: float = ALPHA) -> Array:
    """Generation at which a chain is first seen to have lost tail classes, ``[R]``, inf =
    never.

    A class is lost when its share is below p0, half of its share at generation 0.
    Generation 0 calibrates and is never tested itself: every generation is measured on
    samples of its own, so given generation 0 the p0 is a fixed number and the counts from
    generation 1 on are fair tests against it. It can only mislead by being above the true
    share at generation 0, so that a healthy chain is alarmed with chance <= ``alpha +
    P(K_0 > 2 M q)``, whose second term is 2e-10 at an expected count M q of 50 and 0.014
    at 5 (Poisson). A class without a hit at generation 0 has p0 = 0: nothing can be lost
    and its wealth never grows.

    counts: ``[R, L + 1, C]`` of the tail classes at generations 0..L. M: trials, ``[R,
    C]`` or a scalar.

    >>> healthy = np.full((1, 4, 1), 100.0)
    >>> dying = np.array([100.0, 95.0, 0.0, 0.0])[None, :, None]
    >>> alarm(healthy, 1000), alarm(dying, 1000)
    (array([inf]), array([2.]))
    """
    p0 = LOST * counts[:, 0] / np.asarray(M, np.float64)
    return first_alarm(counts[:, 1:], M, p0, alpha)


class Watch:
    """:func:`alarm` as a run goes on, at the same cost for every generation.

    ``first`` ``[R]`` is the generation of each chain's alarm so far, inf = none yet.
    counts: those of generation 0, ``[R, C]``. L: the generations planned after it. M as
    there.

    >>> watch = Watch(np.array([[100.0]]), 1000, L=3)
    >>> for count in (95.0, 0.0, 0.0):
    ...     watch.see(np.array([[count]]))
    >>> watch.first
    array([2.])
    """

    def __init__(self, counts: Array, M: ArrayLike, L: int):
        self._trials = np.broadcast_to(np.asarray(M, np.float64), counts.shape)
        self._p0 = LOST * counts / self._trials
        self._L = L
        self._t = 0
        self._stake = np.full(counts.shape, -np.inf)
        self.first = np.full(len(counts), np.inf)

    def see(self, counts: Array) -> None:
        """Take in the counts ``[R, C]`` of the next generation."""
        self._t += 1
        log_e = log_e_value(counts, self._trials, self._p0)
        self._stake, wealth = _bet(self._stake, log_e, self._t, self._L)
        mean = np.logaddexp.reduce(wealth, 1) - np.log(counts.shape[1])
        rung = (mean >= -np.log(ALPHA)) & np.isinf(self.first)
        self.first = np.where(rung, float(self._t), self.first)
