"""How a chain's bits are kept the same beside other chains, and a block's beside other blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import torch

HEIGHT = 16
"""Rows that every block is a multiple of; 4 would do."""


@contextmanager
def one_thread() -> Generator[None]:
    """Operations on one thread each.

    Split over threads, a matrix product rounds differently by the number of matrices in it, and
    a chain would depend on its neighbours. It is also slower: cores are better used by chains.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def row_blocks(rows: int, most: int) -> Iterator[slice]:
    """Slices of about ``most`` rows, 1 or more, such that no result depends on ``most``.

    A CPU's matrix product rounds the last ``rows % 4`` rows of a float64 block otherwise than
    the others, and every row of a float32 block of fewer than 4. So blocks begin at multiples of
    HEIGHT, and what is left at the end, if it is less than HEIGHT, joins the block before.

    >>> [(b.start, b.stop) for b in row_blocks(1000, 330)]
    [(0, 320), (320, 640), (640, 960), (960, 1000)]
    """
    step = max(HEIGHT, most - most % HEIGHT)
    starts = [start for start in range(0, rows, step) if start == 0 or rows - start >= HEIGHT]
    starts = starts or [0]  # no rows make one block of none
    return map(slice, starts, [*starts[1:], rows])
