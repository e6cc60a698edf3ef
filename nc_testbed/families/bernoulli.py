"""Bernoulli: coin flips, the smallest model that collapses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic, add, discrete, scale_rows, sharpen
from nc_testbed.core.rng import RandomStreams


@final
@dataclass(frozen=True)
class Bernoulli(Family):
    """``P(x = 1) = p``; parameters ``{"p": [R]}``, statistic ``{"ones": [R]}``."""

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Zeros and ones."""
        return ((rows == 0) | (rows == 1)).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``ones ~ Binomial(n, p)``."""
        p = parameters["p"].expand(len(streams.chains))
        return Statistic(n, {"ones": BlockGenerator(streams, purpose).binomial(n, p)})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Zeros and ones, ``[R, n, 1]``."""
        u = streams(purpose).uniform(n, dtype=torch.float64)
        return (u < parameters["p"][:, None]).double()[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The number of ones."""
        return Statistic(rows.shape[1], {"ones": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``x ln p + (1 - x) ln(1 - p)``; -inf for what cannot happen."""
        x, p = rows[:, 0], parameters["p"][:, None]
        return torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        p = parameters["p"]
        return {"p": sharpen(torch.stack([p, 1 - p], 1), temperature)[:, 0]}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``variance = p q``, ``w2_squared = |p - truth|`` and those of two classes."""
        p, real = parameters["p"], truth["p"]
        both, real_both = (torch.stack([x, 1 - x], 1) for x in (p, real))
        shape = {"mean": p, "variance": p * (1 - p), "w2_squared": (p - real).abs()}
        return shape | discrete(both, real_both)
