"""How many fresh real rows keep a class in the training set."""

from __future__ import annotations

import numpy as np

from nc_testbed.theory import chain, stationary

EXACT = 2000
"""Rows per refit up to which the exact chain is solved; beyond it the Beta limit is
used."""


def presence(k: int, n: int, p: float) -> float:
    """Stationary probability that a class of share p is among the n rows of a refit.

    ``1 - pi_0`` of the exact chain for n <= 2000
    (:func:`nc_testbed.theory.chain.stationary`), else of the Beta limit
    (:func:`nc_testbed.theory.stationary.absence`, a few percent above), and
    ``1 - (1-p)^n`` where all rows are real. Conditions: k of 1..n rows FRESH; the class's
    share is learned without bias.

    >>> round(presence(10, 1000, 0.01), 3)
    0.56
    """
    if k == n:
        return float(-np.expm1(n * np.log1p(-p)))
    if n <= EXACT:
        return 1 - float(chain.stationary(chain.anchored_transition(n, k, p))[0])
    return 1 - float(stationary.absence(k, n, p))


def rows_to_keep(n: int, p: float, probability: float) -> int | None:
    """The smallest k with :func:`presence` at least ``probability``; None where none has
    it.

    >>> rows_to_keep(100, 0.5, 0.999), rows_to_keep(100, 0.001, 0.99)
    (2, None)
    """
    if presence(n, n, p) < probability:
        return None
    low = 0
    high = n
    while high - low > 1:
        middle = (low + high) // 2
        if presence(middle, n, p) >= probability:
            high = middle
        else:
            low = middle
    return high
