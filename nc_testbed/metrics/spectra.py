"""Covariances and eigenvalues that survive collapsed and diverged chains."""

from __future__ import annotations

import torch
from torch import Tensor


def covariance(points: Tensor) -> Tensor:
    """Unbiased covariance ``[..., F, F]`` of points ``[..., N, F]``, float64; N >= 2.

    Taken about the first point, so that identical points have covariance 0 exactly.
    """
    x = points.to(torch.float64)
    x = x - x[..., :1, :]
    x = x - x.mean(-2, keepdim=True)
    return x.mT @ x / (x.shape[-2] - 1)


def in_blocks(points: Tensor, m: int) -> Tensor:
    """The first rows of points ``[N, F]`` as blocks of m, ``[N // m, m, F]``.

    A figure that depends on how many rows it is taken of, a determinant or an entropy, is
    compared between two sets as its mean over blocks of as many rows in both.

    >>> in_blocks(torch.arange(5.0)[:, None], 2)[..., 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    blocks = len(points) // m
    return points[: blocks * m].unflatten(0, (blocks, m))


def eigenvalues(matrix: Tensor) -> Tensor:
    """Eigenvalues ``[F]`` of a positive semi-definite matrix, ascending, rounded up to 0.

    NaN where the matrix is not finite (LAPACK would raise): a diverged chain is a result.
    """
    if not matrix.isfinite().all():
        return torch.full_like(matrix[0], torch.nan)
    return torch.linalg.eigvalsh(matrix).clamp(min=0)


def eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues ``[F]``, ascending, and eigenvectors ``[F, F]`` of a symmetric matrix;
    NaN where the matrix is not finite."""
    if not matrix.isfinite().all():
        return torch.full_like(matrix[0], torch.nan), torch.full_like(matrix, torch.nan)
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def matrix_root(matrix: Tensor) -> Tensor:
    """Symmetric square root ``[F, F]`` of a positive semi-definite matrix."""
    values, vectors = eigenvectors(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
