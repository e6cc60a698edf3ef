"""Gaussians of 1 to 100 dimensions, kept as factors so that a collapse loses no digits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic, means, scale_rows
from nc_testbed.core.rng import RandomStreams


@final
@dataclass(frozen=True)
class Gaussian(Family):
    """``N(mean, F F')``; parameters ``{"mean": [R, d], "factor": [R, d, d]}``, F lower.

    Statistic ``{"mean": [R, d], "scatter": [R, d, d]}``: the rows' mean, and the lower factor B
    of their scatter about it, ``B B' = sum (x - mean)(x - mean)'``. Sums of squares would lose
    every digit once the spread is 1e-8 of the mean; chains reach far below.
    """

    dim: int = 1

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """d."""
        return self.dim

    def draws(self, rows: Tensor) -> Tensor:
        """Any numbers."""
        return ~rows.isnan().any(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """Mean ``mean + F z / sqrt n``; scatter Wishart(n - 1) by Bartlett's decomposition."""
        draws, F = BlockGenerator(streams, purpose), parameters["factor"]
        mean = applied(F, draws.normal(self.dim)).div_(math.sqrt(n)).add_(parameters["mean"])
        return Statistic(n, {"mean": mean, "scatter": _times(F, bartlett(n - 1, self.dim, draws))})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """``mean + F z``, ``[R, n, d]``."""
        z = streams(purpose).normal(n, self.dim, dtype=torch.float64)
        return parameters["mean"][:, None] + _times(z, parameters["factor"].mT)

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Mean and scatter factor, by QR of the centred rows."""
        mean, m = scale_rows(rows, weights).mean(1), rows.shape[1]
        centred = rows - mean[:, None]
        if weights is not None:
            centred = scale_rows(centred, weights.sqrt())
        elif m <= self.dim:  # they span m - 1 dimensions: so many rows of the same scatter
            last = centred[:, -1:] / (math.sqrt(m) - 1) if m > 1 else 0
            centred = centred[:, :-1] + last
        return Statistic(m, {"mean": mean, "scatter": lower(centred.mT, self.dim)})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The two scatters and that of the means: ``B B' = A A' + C C' + na nb/N (gap)(gap)'``.

        Source: T. Chan, G. Golub, R. LeVeque 1983, https://doi.org/10.2307/2683386
        """
        N = a.count + b.count
        gap = b.values["mean"] - a.values["mean"]
        between = (math.sqrt(a.count * b.count / N) * gap)[..., None]
        parts = [a.values["scatter"], b.values["scatter"], between]
        mean = a.values["mean"] + gap * (b.count / N)
        return Statistic(N, {"mean": mean, "scatter": joined(parts)})

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``-|F^-1 (x - mean)|^2 / 2 - ln |F| - d/2 ln 2 pi``; NaN where F is singular."""
        F, gap = parameters["factor"], rows - parameters["mean"][:, None]  # [R, H, d]
        z = torch.linalg.solve_triangular(F, gap.mT, upper=False)
        constant = self.dim / 2 * math.log(2 * math.pi)
        return -z.square().sum(1) / 2 - (_log_det(F) / 2)[:, None] - constant

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {**parameters, "factor": parameters["factor"] * math.sqrt(temperature)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """Against ``N(mean_0, s^2 I)``; ``variance`` is per coordinate, ``log_variance`` ln det.

        ``w2_squared = |mean - mean_0|^2 + sum_i (r_i - s)^2``, r_i^2 the eigenvalues of S, and
        ``kl = (tr S / s^2 + |mean - mean_0|^2 / s^2 - d - ln(det S / s^2d)) / 2``.
        """
        mean, F, d = parameters["mean"], parameters["factor"], self.dim
        s = truth["factor"][:, 0, 0]
        trace, drift = F.square().sum((1, 2)), (mean - truth["mean"]).square().sum(1)
        log_det = _log_det(F)
        roots = F[:, :, 0] if d == 1 else torch.linalg.svdvals(F)  # of the eigenvalues
        return means(mean) | {
            "variance": trace / d,
            "log_variance": log_det,
            "w2_squared": drift + (roots - s[:, None]).square().sum(1),
            "kl": ((trace + drift) / s.square() - d - log_det + 2 * d * s.log()) / 2,
            "absorbed": (F == 0).all(2).all(1).double(),
        }


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


def joined(parts: list[Tensor]) -> Tensor:
    """The lower factor B ``[R, d, d]`` of ``sum P P'`` over parts ``[R, d, *]``."""
    if parts[0].shape[1] > 1:
        return lower(torch.cat(parts, 2), parts[0].shape[1])
    total = parts[0].abs()
    for part in parts[1:]:
        total = _hypot(total, part.abs())
    return total


def lower(columns: Tensor, d: int) -> Tensor:
    """The lower factor B ``[R, d, d]`` with ``B B' = C C'`` for C ``[R, d, m]``, by QR."""
    R, _, m = columns.shape
    if d == 1:
        return torch.linalg.vector_norm(columns, dim=2, keepdim=True)
    if m == 0:
        return columns.new_zeros(R, d, d)
    B = torch.linalg.qr(columns.mT, mode="r").R.mT  # [R, d, min(m, d)]
    # Laid out as a file gives it back: products round by the layout.
    return torch.nn.functional.pad(B, (0, d - B.shape[2])).contiguous()


def applied(F: Tensor, z: Tensor) -> Tensor:
    """``F z`` of vectors z ``[R, d]``: a product that rounds alike for one chain and for many."""
    return F.squeeze(2) * z if z.shape[1] == 1 else (F * z[:, None]).sum(2)


def _hypot(a: Tensor, b: Tensor) -> Tensor:
    """``sqrt(a^2 + b^2)`` of numbers >= 0 without overflow or underflow, by operations that are
    rounded exactly: torch.hypot's last bit depends on a chain's place in memory."""
    large, small = torch.maximum(a, b), torch.minimum(a, b)
    ratio = small / torch.where(large > 0, large, 1)
    return large * (1 + ratio.square()).sqrt()


def _times(a: Tensor, b: Tensor) -> Tensor:
    return a * b if a.shape[-1] == 1 else a @ b


def _log_det(F: Tensor) -> Tensor:
    return 2 * F.diagonal(dim1=1, dim2=2).abs().log().sum(1)
