"""Exact Bernoulli refits at finite n: the binomial Markov chain, for one class against
the rest.

The state is X, the rows of the class among the n rows a refit sees. X_1 ~ Bin(n, p) is
the sample from the truth; X' = Bin(n, X/n) under replace and Bin(k, p) + Bin(n-k, X/n)
with k FRESH real rows. ``t`` counts refits, t = generation + 1; curves are entry i for
t = i + 1. Matrices are dense: n up to about 2,000.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import toeplitz
from scipy.special import gammaln, xlog1py, xlogy


def binomial(n: int, p: ArrayLike) -> NDArray[np.float64]:
    """Probabilities of 0..n successes, one row for each p.

    P(j) = n!/(j! (n-j)!) p^j (1-p)^(n-j)

    Arguments: n >= 0 trials; p ``[...]`` in [0, 1]. Returns ``[..., n+1]``. Conditions:
    exact to rounding; below 1e-100 it is set to 0. Source: the binomial law.

    >>> binomial(2, [0.0, 0.5]).round(10).tolist()
    [[1.0, 0.0, 0.0], [0.25, 0.5, 0.25]]
    """
    j = np.arange(n + 1.0)
    p = np.asarray(p, dtype=np.float64)[..., None]
    count = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
    law = np.exp(count + xlogy(j, p) + xlog1py(n - j, -p))
    law[law < 1e-100] = 0.0  # subnormal numbers make matrix products many times slower
    return law / law.sum(-1, keepdims=True)


@lru_cache(maxsize=4)
def transition(n: int) -> NDArray[np.float64]:
    """Transition matrix of replace, X' = Bin(n, X/n).

    P[x, y] = P(Bin(n, x/n) = y)

    Arguments: n >= 1 rows per refit. Returns ``[n+1, n+1]``, read-only, rows sum to 1.
    Conditions: exact. Source: the Wright-Fisher chain.

    >>> transition(2).round(10).tolist()
    [[1.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]
    """
    matrix = binomial(n, np.arange(n + 1) / n)
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=4)
def anchored_transition(n: int, k: int, p: float) -> NDArray[np.float64]:
    """Transition matrix with k FRESH real rows, X' = Bin(k, p) + Bin(n-k, X/n).

    P[x, y] = sum_j P(Bin(k, p) = j) P(Bin(n-k, x/n) = y-j)

    Arguments: n rows per refit, of which 0 <= k <= n real; p in [0, 1] of the truth.
    Returns ``[n+1, n+1]``, read-only, rows sum to 1. Conditions: exact. Source: derived.

    >>> anchored_transition(2, 1, 0.5).round(10).tolist()
    [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]]
    """
    zeros = np.zeros(n - k)
    real = toeplitz(np.r_[binomial(k, p)[0], zeros], np.r_[binomial(k, p), zeros])[: n - k + 1]
    matrix = binomial(n - k, np.arange(n + 1) / n) @ real
    matrix.flags.writeable = False
    return matrix


def stationary(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stationary law of a chain with one recurrent class, as with anchors 0 < p < 1 (T3).

    pi = pi P, sum pi = 1

    Arguments: matrix P ``[S, S]``, rows sum to 1. Returns ``[S]``. Conditions: exact, a
    dense solve; not for replace, whose chain has two absorbing states. Source: derived.

    >>> stationary(anchored_transition(2, 1, 0.5)).round(4).tolist()
    [0.25, 0.5, 0.25]
    """
    system = matrix.T - np.eye(len(matrix))
    system[-1] = 1.0  # one balance equation follows from the others
    right = np.zeros(len(matrix))
    right[-1] = 1.0
    return np.maximum(np.linalg.solve(system, right), 0.0)


def absorption_times(n: int) -> NDArray[np.float64]:
    """Mean number of refits from every state until all rows are of one kind (A3).

    tau = 1 + P tau on 1..n-1, 0 at both ends

    Arguments: n >= 2 rows per refit. Returns ``[n+1]``. Conditions: exact, replace,
    counted from a state X (:func:`mean_absorption_time` counts from the truth). Source:
    derived.

    >>> absorption_times(2).round(10).tolist()
    [0.0, 2.0, 0.0]
    """
    inner = transition(n)[1:-1, 1:-1]
    inside = np.linalg.solve(np.eye(n - 1) - inner, np.ones(n - 1))
    return np.concatenate([[0.0], inside, [0.0]])


def mean_absorption_time(n: int, p: float) -> float:
    """Mean number of refits, the first one included, until all rows are of one kind (A3).

    E t = 1 + sum_x P(Bin(n, p) = x) tau_x

    Arguments: n >= 2 rows per refit; p in [0, 1] of the truth. Conditions: exact,
    replace. Source: derived.

    >>> round(mean_absorption_time(2, 0.5), 10)
    2.0
    """
    return 1.0 + float(binomial(n, p) @ absorption_times(n))


def distribution(n: int, p: float, t: int, k: int = 0) -> NDArray[np.float64]:
    """Law of the class's rows X_t in the t-th training set.

    pi_t = pi_1 P^(t-1), pi_1 = Bin(n, p)

    Arguments: n rows per refit; p in [0, 1] of the truth; t >= 1; k FRESH real rows among
    the n from t = 2 on. Returns ``[n+1]``. Conditions: exact. Source: derived.

    >>> distribution(2, 0.5, 2).round(4).tolist()
    [0.375, 0.25, 0.375]
    """
    matrix = anchored_transition(n, k, p) if k else transition(n)
    law = binomial(n, p)
    for _ in range(t - 1):
        law = law @ matrix
    return law


def alive_curve(n: int, shares: ArrayLike, generations: int, k: int = 0) -> NDArray[np.float64]:
    """Probability that each class is in the training set, at every t.

    P(X_t > 0), t = 1..T

    Arguments: n rows per refit; shares p ``[C]`` of the truth; generations T >= 1; k
    FRESH real rows among the n from t = 2 on. Returns ``[C, T]``. Conditions: exact,
    classes one by one. Source: derived.

    >>> alive_curve(2, [0.5], 3).round(4).tolist()
    [[0.75, 0.625, 0.5625]]
    """
    return _curves(n, shares, generations, k, np.arange(n + 1) > 0)


def fixed_curve(n: int, shares: ArrayLike, generations: int, k: int = 0) -> NDArray[np.float64]:
    """Probability that each class is the whole training set, at every t.

    P(X_t = n), t = 1..T

    Arguments, conditions and source: as :func:`alive_curve`. Returns ``[C, T]``.

    >>> fixed_curve(2, [0.5], 3).round(4).tolist()
    [[0.25, 0.375, 0.4375]]
    """
    return _curves(n, shares, generations, k, np.arange(n + 1) == n)


def absorbed_curve(n: int, p: float, generations: int) -> NDArray[np.float64]:
    """Probability that all rows are of one kind, at every t, under replace (A4).

    P(X_t = 0 or X_t = n), t = 1..T

    Arguments: n rows per refit; p in [0, 1] of the truth; generations T >= 1. Returns
    ``[T]``. Conditions: exact. Source: derived.

    >>> absorbed_curve(2, 0.5, 3).round(4).tolist()
    [0.5, 0.75, 0.875]
    """
    return _curves(n, [p], generations, 0, np.arange(n + 1) % n == 0)[0]


def _curves(n, shares, generations, k, event) -> NDArray[np.float64]:
    """P(X_t in the event) ``[C, T]``: one backward
    iteration serves all shares of replace."""
    shares = np.asarray(shares, dtype=np.float64)
    if k:
        rows = (
            binomial(n, p) @ _backward(anchored_transition(n, k, float(p)), event, generations)
            for p in shares
        )
        return np.array(list(rows))
    return binomial(n, shares) @ _backward(transition(n), event, generations)


def _backward(matrix, event, generations) -> NDArray[np.float64]:
    """P(X_t in the event | X_1 = x) ``[n+1, T]``: h_t = P
    h_{t-1}, h_1 the event itself."""
    h = np.empty((generations, len(matrix)))
    h[0] = event
    for t in range(1, generations):
        np.matmul(matrix, h[t - 1], out=h[t])
    return h.T
