"""Exponential: waiting times, whose scale wanders off by a random factor each generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows
from nc_testbed.core.rng import RandomStreams


@final
@dataclass(frozen=True)
class Exponential(Family):
    """Density ``e^(-x / scale) / scale``; parameters ``{"scale": [R]}``, ``{"sum": [R]}``."""

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Numbers >= 0."""
        return (rows >= 0).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``sum ~ scale Gamma(n)``."""
        gamma = BlockGenerator(streams, purpose).gamma(float(n))
        return Statistic(n, {"sum": parameters["scale"] * gamma})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """``-scale ln(1 - u)``, ``[R, n, 1]``."""
        u = streams(purpose).uniform(n, dtype=torch.float64)
        return -(parameters["scale"][:, None] * torch.log1p(-u))[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The sum."""
        return Statistic(rows.shape[1], {"sum": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``-x / scale - ln scale``; -inf below zero."""
        x, scale = rows[:, 0], parameters["scale"][:, None]
        return torch.where(x >= 0, -x / scale - scale.log(), -torch.inf)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {"scale": parameters["scale"] * temperature}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``w2_squared = 2 (scale - truth)^2``, ``kl = r - 1 - ln r`` with ``r = scale/truth``."""
        scale, real = parameters["scale"], truth["scale"]
        ratio = scale / real
        return {
            "mean": scale,
            "variance": scale.square(),
            "log_variance": 2 * scale.log(),
            "w2_squared": 2 * (scale - real).square(),
            "kl": ratio - 1 - ratio.log(),
            "absorbed": (scale == 0).double(),
        }
