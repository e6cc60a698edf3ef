"""Real rows that controls are made of, by class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.source import Data

Pool = tuple[Tensor, ...]
"""Rows ``[n_c, D]`` of every class c, in random order."""


def class_counts(shares: np.ndarray, size: int) -> np.ndarray:
    """Rows of every class ``[C]`` int64 that sum to ``size``, by largest remainders.

    Source: the method of Hamilton and Hare; ties go to the lower class.

    >>> class_counts(np.array([0.5, 0.3, 0.2]), 7).tolist()
    [4, 2, 1]
    """
    exact = shares * size
    # 1e-9: a product that is a whole number up to rounding counts as that number.
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: size - counts.sum()]] += 1
    return counts


def tail_of(data: Data, chain: int) -> tuple[int, ...]:
    """The max(1, C // 3) rarest classes of a chain, none where no class is rare."""
    if not data.has_tail or data.rank is None:
        return ()
    by_rank = data.rank[chain].argsort().tolist()
    return tuple(by_rank[-max(1, len(by_rank) // 3) :])


def law_pools(data: Data, shares: np.ndarray, size: int, streams: RandomStreams) -> list[Pool]:
    """Fresh rows of the exact law for every chain, as many of each class as controls of
    ``size`` rows take.

    They are drawn in rounds until no chain lacks any. Later rounds only add rows, so what
    a chain takes does not depend on the other chains.
    """
    assert data.law is not None
    pools: list[Pool] = [()] * len(shares)
    needs = [_most_needed(data, chain, shares[chain], size) for chain in range(len(shares))]
    number = 0
    while any(_lacks(pool, need) for pool, need in zip(pools, needs, strict=True)):
        rows, labels = data.law.draw(2 * size, streams, f"law/{number}")
        rows = data.space.stored_form(rows) if data.space.image else rows
        rows = rows.to(data.x.device)
        for chain, pool in enumerate(pools):
            y = torch.zeros_like(rows[chain, :, 0]) if labels is None else labels[chain]
            batch = tuple(rows[chain][y == c] for c in range(shares.shape[1]))
            pairs = zip(pool or batch, batch, strict=True)
            pools[chain] = tuple(torch.cat(pair) for pair in pairs) if pool else batch
        number += 1
    return pools


def _most_needed(data: Data, chain: int, shares: np.ndarray, size: int) -> np.ndarray:
    """The most rows of every class ``[C]`` that one control of a chain takes."""
    need = class_counts(shares, size)
    tail = tail_of(data, chain)
    if not tail:
        return need
    others = shares.copy()
    others[list(tail)] = 0
    return np.maximum(need, class_counts(others / others.sum(), size))


def _lacks(pool: Pool, need: np.ndarray) -> bool:
    """Whether a pool has fewer rows of a class than are needed."""
    return not pool or any(len(rows) < count for rows, count in zip(pool, need, strict=True))
