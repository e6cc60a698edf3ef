"""Chains side by side on the cores of a CPU, one thread each, and rows in blocks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

CORES = torch.get_num_threads()
"""Cores to use: what torch finds, or OMP_NUM_THREADS."""

HEIGHT = 16
"""Rows that every block is a multiple of; 4 would do."""

A = TypeVar("A")
B = TypeVar("B")


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


def each(function: Callable[[A], B], items: Sequence[A], device: torch.device) -> list[B]:
    """``[function(item) for item in items]``; on a CPU several at a time, one per core.

    >>> each(lambda x: x * x, [1, 2, 3], torch.device("cpu"))
    [1, 4, 9]
    """
    if device.type != "cpu" or len(items) == 1 or CORES == 1:
        return [function(item) for item in items]
    # A new thread's first matrix product would be split, whatever the thread that made it does.
    with one_thread(), ThreadPoolExecutor(CORES, "", torch.set_num_threads, (1,)) as pool:
        return list(pool.map(function, items))


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
