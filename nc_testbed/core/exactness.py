"""Every trick that keeps the bits of a chain independent of the other chains, on a CPU.

A chain has the same bits alone and beside others, on any number of cores, after a resume
and in a packed sweep: so results can be shared out, continued and compared bit by bit.
This is not free, because floating-point addition is not associative: a result depends on
the order in which a kernel adds, and the kernels of a CPU choose that order by things
that have nothing to do with a chain's numbers:

1. *Threads.* A product or a sum that is split over threads is added up in as many pieces.
   Remedy: :func:`one_thread`.
2. *The place in memory.* Kernels take whole vectors of 64 bytes and treat the numbers
before the
   first and after the last whole vector by other instructions, which round otherwise. Which
   numbers those are depends on where a chain begins in memory, and so on how many chains lie
   before it. Remedies: every chain fills whole vectors (:func:`per_vector`, :func:`pad_chains`,
   :func:`product`, :func:`invert_triangle`), numbers from a file are copied to memory that begins
   at a vector (:func:`copy_aligned`), and functions that torch evaluates by two different
   approximations are written out in operations that IEEE 754 rounds exactly
   (:func:`softplus`, :func:`sigmoid`, :func:`hypot`).
3. *The size of a block.* A matrix product treats the last few rows of a block otherwise
than the
   others. Remedy: :func:`row_blocks`.

Where no remedy pays, a model says so by ``stacks``
(:class:`nc_testbed.core.interfaces.Model`) and its chains are computed one by one. On a
GPU none of this is promised, and nothing is done.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import pad

VECTOR = 64
"""Bytes of the widest vector register, and of a cache line."""
HEIGHT = 16
"""Rows that every block is a multiple of; 4 would do."""


@contextmanager
def one_thread() -> Generator[None]:
    """Context in which every operation of torch runs on one thread.

    It is also faster than splitting operations: cores are better used by chains.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def row_blocks(rows: int, most: int) -> Iterator[slice]:
    """Slices of about ``most`` rows, 1 or more, such that no result depends on ``most``.

    A CPU's matrix product rounds the last ``rows % 4`` rows of a float64 block otherwise
    than the others, and every row of a float32 block of fewer than 4. So blocks begin at
    multiples of HEIGHT, and what remains at the end, if it is less than HEIGHT, joins the
    block before.

    >>> [(b.start, b.stop) for b in row_blocks(1000, 330)]
    [(0, 320), (320, 640), (640, 960), (960, 1000)]
    """
    step = max(HEIGHT, most - most % HEIGHT)
    starts = [start for start in range(0, rows, step) if start == 0 or rows - start >= HEIGHT]
    starts = starts or [0]  # no rows make one block of none
    return map(slice, starts, [*starts[1:], rows])


def per_vector(dtype: torch.dtype) -> int:
    """Numbers of this type in one vector.

    >>> per_vector(torch.float32), per_vector(torch.float64)
    (16, 8)
    """
    return VECTOR // dtype.itemsize


def pad_chains(weight: Tensor) -> Tensor:
    """``[R, ..., b]`` with b widened by zeros until every chain fills whole vectors.

    For Adam's kernel, which runs over all chains of a weight as over one long vector.

    >>> pad_chains(torch.ones(2, 3)).shape
    torch.Size([2, 16])
    """
    numbers = per_vector(weight.dtype)
    if math.prod(weight.shape[1:]) % numbers == 0:
        return weight
    return pad(weight, (0, -weight.shape[-1] % numbers))


def product(a: Tensor, b: Tensor) -> Tensor:
    """Batched ``a @ b`` whose result for a chain does not depend on the other chains.

    a ``[..., P, Q]``, b ``[..., Q, S]`` to ``[..., P, S]``; zeros pad every matrix, so
    that it begins at a vector.

    >>> product(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).tolist()
    [[[3.0]], [[3.0]]]
    """
    rows = a.shape[-2]
    columns = b.shape[-1]
    return (_pad_matrices(a) @ _pad_matrices(b))[..., :rows, :columns]


def _pad_matrices(x: Tensor) -> Tensor:
    """Float64 matrices with both sides rounded up to 8 numbers, a vector."""
    numbers = per_vector(torch.float64)
    return pad(x, (0, -x.shape[-1] % numbers, 0, -x.shape[-2] % numbers)).contiguous()


def invert_triangle(factors: Tensor) -> Tensor:
    """Inverses of lower triangles ``[..., D, D]``, for each chain free of the others.

    Sides are rounded up to 4, so that a float64 matrix fills whole vectors (16 numbers
    are two).
    """
    D = factors.shape[-1]
    factors = pad(factors, (0, -D % 4, 0, -D % 4))
    factors.diagonal(dim1=-2, dim2=-1)[..., D:] = 1
    identity = torch.eye(factors.shape[-1], dtype=factors.dtype, device=factors.device)
    return torch.linalg.solve_triangular(factors, identity, upper=False)[..., :D, :D]


def copy_aligned(values: Tensor, device: torch.device) -> Tensor:
    """A copy on the device that begins at a vector, as the numbers of a file need not.

    Fits and statistics that a run reads back go through it, or a run that goes on after a
    stop would round otherwise than one that was never stopped.
    """
    return values.to(device).clone()


def softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, as ``max(x, 0) + log(1 + e^-|x|)``, which never overflows.

    torch's own on a GPU, where it is one pass over memory instead of five.
    """
    if x.is_cuda:
        return torch.nn.functional.softplus(x)
    return x.clamp(min=0) + (1 + (-x.abs()).exp()).log()


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + e^-x)``.

    >>> sigmoid(torch.tensor([0.0])).item()
    0.5
    """
    return 1 / (1 + (-x).exp())


def hypot(a: Tensor, b: Tensor) -> Tensor:
    """``sqrt(a^2 + b^2)`` of numbers >= 0, without overflow or underflow.

    >>> large = torch.tensor([3e300, 4e300], dtype=torch.float64)
    >>> hypot(large[:1], large[1:]).item()
    5e+300
    """
    large = torch.maximum(a, b)
    small = torch.minimum(a, b)
    ratio = small / torch.where(large > 0, large, 1)
    return large * (1 + ratio.square()).sqrt()
