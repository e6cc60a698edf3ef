"""Covariances of Gaussian components, full or diagonal, for all chains and components at
once.

Rows are standardised (see :mod:`nc_testbed.models.em`); a *factor* is the lower Cholesky
factor ``[..., D', D']`` of a full covariance, or the standard deviations ``[..., D']`` of
a diagonal one, where D' is D rounded up to 4, for
:func:`nc_testbed.core.exactness.invert_triangle`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from nc_testbed.core.exactness import invert_triangle, product


class Covariance(Protocol):
    """A kind of covariance, full or diagonal, as EM needs it."""

    def features(self, z: Tensor) -> Tensor:
        """Moment features ``[R, F, N]`` of rows ``[R, D,
        N]``: coordinates, then products."""
        ...

    def covariances(self, moments: Tensor, means: Tensor) -> Tensor:
        """Covariances of components with mean features
        ``[R, K, F]`` and means ``[R, K, D']``."""
        ...

    def raise_to_floor(self, covariances: Tensor, constant: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of the covariances raised to the floor, and which were raised,
        ``[R, K]`` bool.

        constant ``[R, D']``: coordinates that never vary; they get variance 1 and no
        floor.
        """
        ...

    def quadratic(self, means: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        """``(w, b)`` with log N(x; mean, covariance) = w .
        features(x) + b, [R, K, F], [R, K]."""
        ...


@dataclass(frozen=True)
class Full:
    """Any covariance matrix of D coordinates;
    the floor bounds its smallest eigenvalue."""

    floor: float
    D: int

    def features(self, z: Tensor) -> Tensor:
        """z_d, then z_i z_j for j <= i."""
        i, j = torch.tril_indices(self.D, self.D, device=z.device)
        return torch.cat([z, z.index_select(1, i) * z.index_select(1, j)], dim=1)

    def covariances(self, moments: Tensor, means: Tensor) -> Tensor:
        """``[R, K, D', D']``: E zz' - E z E z'."""
        D = self.D
        padding = means.shape[-1] - D
        i, j = torch.tril_indices(D, D, device=means.device)
        position = means.new_zeros(D, D, dtype=torch.int64)
        position[i, j] = position[j, i] = D + torch.arange(len(i), device=means.device)
        second = pad(moments[..., position], (0, padding, 0, padding))
        return second - means[..., :, None] * means[..., None, :]

    def raise_to_floor(self, covariances: Tensor, constant: Tensor) -> tuple[Tensor, Tensor]:
        """C + floor I wherever C - floor I is not positive definite; never raises.

        Should rounding still defeat the factorisation, the raised diagonal is kept.
        """
        identity = torch.eye(
            constant.shape[-1], dtype=covariances.dtype, device=constant.device
        )
        covariances = covariances + constant[:, None, :, None] * identity
        # An eigenvalue is below the floor where C - floor I has no Cholesky factor, which is much
        # cheaper to try than eigenvalues are to compute.
        low = torch.linalg.cholesky_ex(covariances - self.floor * identity).info > 0  # [R, K]
        raised = covariances + low[..., None, None] * (self.floor * identity)
        factors, info = torch.linalg.cholesky_ex(raised)
        diagonal = raised.diagonal(dim1=-2, dim2=-1).clamp(min=self.floor).sqrt().diag_embed()
        return torch.where((info > 0)[..., None, None], diagonal, factors), low

    def quadratic(self, means: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        """w = (P m, -P_ij, -P_ii / 2) with the precision P;
        b = -m'Pm/2 - log det L - c."""
        i, j = torch.tril_indices(self.D, self.D, device=means.device)
        whitening = invert_triangle(factors)
        precision = whitening.mT @ whitening  # D' is a multiple of 4: whole vectors
        linear = (precision * means[..., None, :]).sum(-1)
        half = torch.where(i == j, -0.5, -1.0).to(means)
        weights = torch.cat([linear[..., : self.D], precision[..., i, j] * half], dim=-1)
        return weights, _offset(means, linear, factors.diagonal(dim1=-2, dim2=-1))


@dataclass(frozen=True)
class Diagonal:
    """D independent coordinates, each with its
    variance, or one variance for all (spherical)."""

    floor: float
    D: int
    spherical: bool

    def features(self, z: Tensor) -> Tensor:
        """z_d, then z_d^2."""
        return torch.cat([z, z.square()], dim=1)

    def covariances(self, moments: Tensor, means: Tensor) -> Tensor:
        """Variances ``[R, K, D']``: E z^2 - (E z)^2."""
        second = pad(moments[..., self.D : 2 * self.D], (0, means.shape[-1] - self.D))
        return second - means.square()

    def raise_to_floor(self, covariances: Tensor, constant: Tensor) -> tuple[Tensor, Tensor]:
        """Standard deviations; a variance below the floor is raised to it."""
        variances = covariances
        varies = ~constant[:, None, :]
        if self.spherical:
            mean = (variances * varies).sum(-1, keepdim=True) / varies.sum(-1, keepdim=True)
            variances = mean.nan_to_num(1.0).expand_as(variances)  # nan: no coordinate varies
        low = varies & (variances < self.floor)
        variances = torch.where(varies, variances.clamp(min=self.floor), 1.0)
        return variances.sqrt(), low.any(-1)

    def quadratic(self, means: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        """w = (m / v, -1 / 2v); b = -m^2/2v - log s - c, summed over coordinates."""
        precision = 1 / factors.square()
        linear = precision * means
        weights = torch.cat([linear[..., : self.D], -precision[..., : self.D] / 2], dim=-1)
        return weights, _offset(means, linear, factors)


def _offset(means: Tensor, linear: Tensor, scale: Tensor) -> Tensor:
    """The part ``[R, K]`` of a log density that no row enters: -m'Pm/2 - log det L - D/2
    log 2 pi.

    linear: P m. scale: the factor's diagonal.
    """
    constant = means.shape[-1] / 2 * math.log(2 * math.pi)
    return -(means * linear).sum(-1) / 2 - scale.log().sum(-1) - constant


def log_normal(deviation: Tensor, factor: Tensor) -> Tensor:
    """Log density ``[R, H]`` of a normal law at rows' deviations ``[R, D, H]`` from its
    mean.

    factor: ``[R, D, D]`` lower Cholesky factor or ``[R, D]`` standard deviations; where
    its diagonal is 0 the coordinate is a point mass.
    """
    full = factor.dim() == 3
    scale = factor.diagonal(dim1=-2, dim2=-1) if full else factor  # [R, D]
    varies = scale > 0
    off = ((deviation != 0) & ~varies[..., None]).any(1)  # [R, H]: outside a point mass
    safe = torch.where(varies, scale, 1.0)
    if full:
        z = product(invert_triangle(factor + (~varies).double().diag_embed()), deviation)
    else:
        z = deviation / safe[..., None]
    z = torch.where(varies[..., None], z, 0.0)
    constant = safe.log().sum(-1) + varies.double().sum(-1) * math.log(2 * math.pi) / 2
    return torch.where(off, -torch.inf, -z.square().sum(1) / 2 - constant[:, None])
