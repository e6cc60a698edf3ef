"""Which rows are held out, in reserve, or trained
on: per class, by a fixed permutation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.data.rows import Rows


@dataclass(frozen=True)
class Split:
    """Held-out rows ``[H, D]`` with their classes, calibrators likewise, and positions of
    the others.

    pool ``[N]``: rows of the source that are not of the held-out part, ascending.
    reserve, training: positions in the pool, ascending and disjoint, together all of it.
    """

    held_out: np.ndarray
    held_out_y: np.ndarray
    calibrators: np.ndarray
    calibrators_y: np.ndarray
    pool: np.ndarray
    reserve: np.ndarray
    training: np.ndarray


def split_rows(rows: Rows, test_rows: int | None, reserve: float) -> Split:
    """Split the rows per class, in this order: held-out, reserve, training.

    The same for every seed. Where the source has a test file, its rows and those of the
    training file are one pool, and the held-out part of every class is the test file's
    share of all rows, whatever ``test_rows`` is: the first ``test_rows`` of it are held
    out, the others are calibrators. test_rows: rows per class, None for all that balance
    allows of such a part, else a fifth of the smallest class. reserve: share of what
    remains of each class, rounded down, but at least 1 row if above 0. Raises BadInput
    (``test_rows``) with the largest number that works.
    """
    y = rows.labels
    sizes = rows.sizes(y)
    order = fixed_order(len(y), "split")
    spare = 2 if reserve > 0 else 1  # a training row, and one for the reserve
    if rows.test_share is None:
        count = held_out_count(test_rows, sizes, spare, 0.2, rows.classes)
        part = np.full(len(sizes), count)
    else:
        _check_sizes(test_rows, sizes, spare, rows.classes)
        part = _held_out_part(sizes, rows.test_share, spare)
        count = held_out_count(test_rows, part, 0, 1.0, rows.classes)
    held_out = np.sort(first_of_each(order, y, np.full(len(sizes), count)))
    measured = first_of_each(order, y, part)
    calibrators = np.setdiff1d(measured, held_out)
    pool = np.setdiff1d(np.arange(len(y)), measured)
    in_reserve = reserve_mask(y[pool], reserve)
    return Split(
        rows.x[held_out],
        y[held_out],
        rows.x[calibrators],
        y[calibrators],
        pool,
        reserve=np.flatnonzero(in_reserve),
        training=np.flatnonzero(~in_reserve),
    )


def _held_out_part(sizes: np.ndarray, share: float, spare: int) -> np.ndarray:
    """Rows of every class ``[C]`` that may be held out: the share of it, rounded down,
    but at least 1 row and never one of the last ``spare``."""
    # 1e-9: a product that is a whole number up to rounding counts as that number.
    part = np.floor(share * sizes + 1e-9).astype(np.int64)
    return np.clip(part, 1, sizes - spare)


def reserve_mask(y: np.ndarray, reserve: float) -> np.ndarray:
    """Which of the rows ``[N]`` go to the reserve: the share of every class, at random
    but fixed.

    >>> reserve_mask(np.repeat([0, 1], [40, 4]), 0.2).sum()
    np.int64(9)
    """
    sizes = np.bincount(y)
    # 1e-9: a product that is a whole number up to rounding counts as that number.
    counts = np.floor(reserve * sizes + 1e-9).astype(np.int64)
    if reserve > 0:  # at least 1, but never a class's last training row
        counts = np.clip(counts, 1, np.maximum(sizes - 1, 0))
    mask = np.zeros(len(y), dtype=bool)
    mask[first_of_each(fixed_order(len(y), "split reserve"), y, counts)] = True
    return mask


def held_out_count(
    test_rows: int | None,
    sizes: np.ndarray,
    spare: int,
    share: float,
    classes: tuple[str, ...],
) -> int:
    """Held-out rows per class: ``test_rows``, or ``share`` of the smallest class (at
    least 1).

    ``spare`` rows of every class must remain. Raises BadInput (``test_rows``) otherwise.
    """
    _check_sizes(test_rows, sizes, spare, classes)
    most = int(sizes.min()) - spare
    if test_rows is None:
        return min(most, max(1, int(share * sizes.min())))
    require(test_rows <= most, "test_rows", test_rows, f"give at most {most} rows per class")
    return test_rows


def _check_sizes(
    test_rows: int | None, sizes: np.ndarray, spare: int, classes: tuple[str, ...]
) -> None:
    """Raise BadInput (``test_rows``) unless every class has a row beside the spare ones."""
    if sizes.min() > spare:
        return
    name = f"class {classes[int(sizes.argmin())]}" if classes else "the whole"
    needs = f"every class needs {1 + spare} rows or more and {name} has {sizes.min()}"
    raise BadInput("test_rows", test_rows, f"{needs}: add rows or leave it out")


def fixed_order(rows: int, purpose: str) -> np.ndarray:
    """A permutation of ``rows`` numbers that no seed and no chain changes."""
    return RandomStreams(0, (SHARED,))(purpose).permutation(rows)[0].numpy()


def first_of_each(order: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The first ``counts[c]`` rows of each class c along ``order``, in that order.

    >>> first_of_each(np.array([3, 0, 2, 1]), np.array([0, 0, 1, 1]), np.array([1, 2])).tolist()
    [3, 0, 2]
    """
    y_in_order = y[order]
    mask = np.zeros(len(order), dtype=bool)
    for c, count in enumerate(counts):
        mask[np.flatnonzero(y_in_order == c)[:count]] = True
    return order[mask]


def draw_rows(
    part: np.ndarray, y: np.ndarray, counts: np.ndarray, seed: int, purpose: str
) -> np.ndarray:
    """Every chain's rows out of a part of the pool, ``[R, n]``, in a random order of its
    own.

    part: positions in the pool; y: the pool's classes; counts ``[R, C]``. Without
    replacement.
    """
    rows = []
    for chain, count in enumerate(counts):
        order = RandomStreams(seed, (chain,))(purpose).permutation(len(part))[0].numpy()
        rows.append(part[first_of_each(order, y[part], count)])
    return np.stack(rows)
