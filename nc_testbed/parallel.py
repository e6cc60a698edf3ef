"""Chains side by side on the cores of a CPU, one thread each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

CORES = torch.get_num_threads()
"""Cores to use: what torch finds, or OMP_NUM_THREADS."""

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
