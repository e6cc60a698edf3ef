"""Lower factors of covariances, which keep their digits while a chain collapses."""

from __future__ import annotations

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.exactness import hypot


def bartlett(degrees: int, d: int, draws: BlockGenerator) -> Tensor:
    """A lower factor ``[R, d, d]`` of Wishart matrices; rank-deficient below d degrees.

    Diagonal ``chi_{degrees - i}``, i = 0..d-1, standard normals below it.
    Source: M. Bartlett 1933, https://doi.org/10.1017/S0370164600016333
    """
    if degrees < d:
        return lower(draws.normal(d, degrees), d)
    chi = draws.chi([float(degrees) - i for i in range(d)])  # [R, d]
    if d == 1:
        return chi.unsqueeze(2)
    return torch.diag_embed(chi) + draws.normal(d, d).tril(-1)


def add_factors(parts: list[Tensor]) -> Tensor:
    """The lower factor B ``[R, d, d]`` of ``sum P P'`` over parts ``[R, d, *]``."""
    if parts[0].shape[1] > 1:
        return lower(torch.cat(parts, 2), parts[0].shape[1])
    total = parts[0].abs()
    for part in parts[1:]:
        total = hypot(total, part.abs())
    return total


def lower(columns: Tensor, d: int) -> Tensor:
    """The lower factor B ``[R, d, d]`` of ``B B' = C C'``, C ``[R, d, m]``, by QR."""
    R, _, m = columns.shape
    if d == 1:
        return torch.linalg.vector_norm(columns, dim=2, keepdim=True)
    if m == 0:
        return columns.new_zeros(R, d, d)
    B = torch.linalg.qr(columns.mT, mode="r").R.mT  # [R, d, min(m, d)]
    # In the layout in which a file gives it back, for the same products after a resume.
    return torch.nn.functional.pad(B, (0, d - B.shape[2])).contiguous()


def apply_factor(F: Tensor, z: Tensor) -> Tensor:
    """``F z`` of vectors z ``[R, d]``, rounded alike for one chain and for many."""
    return F.squeeze(2) * z if z.shape[1] == 1 else (F * z[:, None]).sum(2)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """The product of matrices; of numbers where ``b`` is 1 by 1, which rounds exactly."""
    return a * b if a.shape[-1] == 1 else a @ b


def log_determinant(F: Tensor) -> Tensor:
    """``ln det F F'``, ``[R]``; -inf where F is singular."""
    return 2 * F.diagonal(dim1=1, dim2=2).abs().log().sum(1)
