"""How many rows of each class a chain gets:
exponential imbalance, natural shares, rarity ranks."""

from __future__ import annotations

import math

import numpy as np

from nc_testbed.core.errors import BadInput, require

_EVERY_CLASS = "every class needs a training row"


def exponential_counts(top: int, imbalance_ratio: float, classes: int) -> np.ndarray:
    """Rows by rarity rank, ``n_rank = floor(top IR^(-rank/(C-1)))``, ``[C]`` int64.

    ``top`` is the commonest class's count, IR >= 1 the imbalance ratio; a product that is
    a whole number up to rounding counts as that number. Source: Y. Cui et al. 2019
    (arXiv:1901.05555) and K. Cao et al. 2019 (https://arxiv.org/abs/1906.07413),
    long-tailed CIFAR.

    >>> exponential_counts(1000, 100, 5).tolist()
    [1000, 316, 100, 31, 10]
    """
    exponent = np.arange(classes) / max(1, classes - 1)
    return np.floor(top * float(imbalance_ratio) ** -exponent + 1e-9).astype(np.int64)


def largest_top(most: int, rows: int | None, imbalance_ratio: float, classes: int) -> int:
    """The largest ``top <= most`` whose exponential counts sum to at most ``rows``, by
    bisection.

    >>> largest_top(5000, 1457, 100, 5)
    1000
    """
    if rows is None or exponential_counts(most, imbalance_ratio, classes).sum() <= rows:
        return most
    low = 0  # its counts sum to at most ``rows``
    high = most  # its counts sum to more
    while high - low > 1:
        middle = (low + high) // 2
        if exponential_counts(middle, imbalance_ratio, classes).sum() <= rows:
            low = middle
        else:
            high = middle
    return low


def natural_counts(sizes: np.ndarray, rows: int | None) -> np.ndarray:
    """``rows`` rows shared out in proportion to the class sizes, by largest remainders,
    ``[C]``.

    Exact in whole numbers, sums to ``rows`` and never exceeds a class. Source: the method
    of Hamilton and Hare; ties go to the lower class.

    >>> natural_counts(np.array([50, 30, 20]), 7).tolist()
    [4, 2, 1]
    """
    if rows is None:
        return sizes.copy()
    counts, remainder = np.divmod(sizes * rows, sizes.sum())
    counts[np.argsort(-remainder, kind="stable")[: rows - counts.sum()]] += 1
    return counts


def rarity_ranks(sizes: np.ndarray, imbalance_ratio: float | None, chains: int) -> np.ndarray:
    """Rarity rank of every class in every chain, 0 the commonest, ``[R, C]`` int64.

    Natural shares (None): by size, ties by class, the same in all chains. Imbalance above
    1: class c of chain r has rank ``(c + r) mod C``, so that C chains balance the
    classes. Imbalance 1 has no rare class and nothing to rotate.

    >>> rarity_ranks(np.array([5, 5, 9]), 10.0, 2).tolist()
    [[0, 1, 2], [1, 2, 0]]
    """
    if imbalance_ratio is None:
        ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
        return np.tile(ranks, (chains, 1))
    chain = np.arange(chains) if imbalance_ratio > 1 else np.zeros(chains, dtype=np.int64)
    return (np.arange(len(sizes)) + chain[:, None]) % len(sizes)


def training_counts(
    sizes: np.ndarray, ranks: np.ndarray, rows: int | None, imbalance_ratio: float | None
) -> np.ndarray:
    """Training rows of every class in every chain, ``[R, C]``; each at least 1.

    The commonest class may be any class (the ranks rotate), so its count is bounded by
    the smallest class: a chain's counts do not depend on how many chains there are.
    Raises BadInput (``rows`` or ``imbalance_ratio``) with a value that works.
    """
    if imbalance_ratio is None:
        _check_natural(sizes, rows)
        return np.tile(natural_counts(sizes, rows), (len(ranks), 1))
    classes = len(sizes)
    most = int(sizes.min())
    remedy = "give null: the data have a single class"
    require(classes > 1, "imbalance_ratio", imbalance_ratio, remedy)
    full = exponential_counts(most, imbalance_ratio, classes)
    remedy = f"give at most {most}: {_EVERY_CLASS}"
    require(full[-1] >= 1, "imbalance_ratio", imbalance_ratio, remedy)
    _check_rows(rows, int(full.sum()))
    top = largest_top(most, rows, imbalance_ratio, classes)
    counts = exponential_counts(top, imbalance_ratio, classes)
    if counts[-1] < 1:
        top = math.ceil(
            imbalance_ratio - 1e-9
        )  # the smallest that leaves the rarest class a row
        fewest = exponential_counts(top, imbalance_ratio, classes).sum()
        remedy = (
            f"give at least {fewest} with imbalance_ratio={imbalance_ratio:g}: {_EVERY_CLASS}"
        )
        raise BadInput("rows", rows, remedy)
    return counts[ranks]


def reserve_counts(
    sizes: np.ndarray, ranks: np.ndarray, imbalance_ratio: float | None
) -> np.ndarray:
    """Reserve rows of every class in every chain, ``[R, C]``: the training law, all that
    fit.

    At least 1 of each class, so at a steep imbalance the rarest are over-represented by
    less than one row. ``sizes`` all zero (no reserve) gives zeros.
    """
    if imbalance_ratio is None or not sizes.any():
        return np.tile(sizes, (len(ranks), 1))
    counts = exponential_counts(int(sizes.min()), imbalance_ratio, len(sizes))
    return np.maximum(1, counts)[ranks]


def _check_rows(rows: int | None, most: int) -> None:
    """Refuse more rows than fit."""
    ok = rows is None or rows <= most
    require(ok, "rows", rows, f"give at most {most} (or null for all): no more rows fit")


def _check_natural(sizes: np.ndarray, rows: int | None) -> None:
    """Refuse more rows than there are, and so few
    that a class gets none by natural shares."""
    _check_rows(rows, int(sizes.sum()))
    if natural_counts(sizes, rows).min() < 1:
        enough = math.ceil(sizes.sum() / sizes.min())
        raise BadInput("rows", rows, f"give at least {enough}: {_EVERY_CLASS}")
