"""Poisson: counts, whose rate can only stay at zero once it is there."""

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
class Poisson(Family):
    """``P(x) = rate^x e^-rate / x!``; parameters ``{"rate": [R]}``, statistic ``{"sum": [R]}``."""

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Counts, up to 2^53."""
        return ((rows >= 0) & (rows <= 2.0**53) & (rows == rows.floor())).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``sum ~ Poisson(n rate)``."""
        rate = parameters["rate"].expand(len(streams.chains))
        return Statistic(n, {"sum": BlockGenerator(streams, purpose).poisson(n * rate)})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Counts, ``[R, n, 1]``."""
        rate = parameters["rate"].expand(len(streams.chains))
        return streams(purpose).poisson(rate, n)[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The sum."""
        return Statistic(rows.shape[1], {"sum": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``x ln rate - rate - ln x!``."""
        x, rate = rows[:, 0], parameters["rate"][:, None]
        return torch.xlogy(x, rate) - rate - torch.lgamma(x + 1)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """Refused: it is no law of this family."""
        raise NotImplementedError("p^(1/T) is no law of this family")

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``kl = rate ln(rate / truth) - rate + truth``; absorbed where the rate is zero."""
        rate, real = parameters["rate"], truth["rate"]
        kl = torch.xlogy(rate, rate) - torch.xlogy(rate, real) - rate + real
        absorbed = (rate == 0).double()
        return {"mean": rate, "variance": rate.clone(), "kl": kl, "absorbed": absorbed}
