"""Linear regression with known noise: the companion model of the accumulation theorems."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.gaussian import applied, bartlett


@final
@dataclass(frozen=True)
class LinearGaussian(Family):
    """``y = x . w + noise z`` with standard normal x of d coordinates and z.

    Parameters ``{"weights": [R, d]}``; the noise (a standard deviation) is known and added anew
    to synthetic labels. Statistic ``{"gram": [R, d, d], "cross": [R, d]}``: X'X and X'y.
    design: ``fresh`` rows x in every set, or the ``same`` n rows for ever, as in the theorem of
    Gerstgrasser et al. 2024 (https://arxiv.org/abs/2404.01413). A row is x, then y.
    """

    dim: int
    noise: float
    design: Literal["fresh", "same"] = "fresh"

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """d + 1."""
        return self.dim + 1

    def draws(self, rows: Tensor) -> Tensor:
        """Any numbers."""
        return ~rows.isnan().any(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``X'X = B B'`` Wishart(n), ``X'y = X'X w + noise B z``."""
        d = self.dim
        B = bartlett(n, d, BlockGenerator(*self._design(streams, purpose)))
        z = BlockGenerator(streams, f"{purpose}/labels").normal(B.shape[2])
        gram = B @ B.mT
        weights = parameters["weights"].expand(len(streams.chains), d)
        cross = applied(gram, weights) + self.noise * applied(B, z)
        return Statistic(n, {"gram": gram, "cross": cross})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Rows (x, y), ``[R, n, d + 1]``."""
        at, name = self._design(streams, purpose)
        x = at(name).normal(n, self.dim, dtype=torch.float64)
        z = streams(f"{purpose}/labels").normal(n, 1, dtype=torch.float64)
        y = applied(x, parameters["weights"].expand(len(x), self.dim))[..., None]
        return torch.cat([x, y + self.noise * z], 2)

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """X'X and X'y."""
        both, d = rows.mT @ scale_rows(rows, weights), self.dim
        parts = {"gram": both[:, :d, :d], "cross": both[:, :d, d]}
        return Statistic(rows.shape[1], {k: v.contiguous() for k, v in parts.items()})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Log density of x and of y given x."""
        x, y = rows[:, : self.dim], rows[:, self.dim]
        residual = (y - parameters["weights"] @ x.mT) / self.noise  # [R, H]
        constant = (self.dim + 1) / 2 * math.log(2 * math.pi) + math.log(self.noise)
        return -(residual.square() + x.square().sum(1)) / 2 - constant

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """Refused: it is no law of this family."""
        raise NotImplementedError("p^(1/T) is no law of this family")

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``risk = |w - w_0|^2``, the test error above the noise; ``kl = risk / (2 noise^2)``."""
        risk = (parameters["weights"] - truth["weights"]).square().sum(1)
        return {"risk": risk, "kl": risk / (2 * self.noise**2)}

    def _design(self, streams: RandomStreams, purpose: str) -> tuple[RandomStreams, str]:
        """Where the rows x come from: the same place in every generation for the same rows."""
        return (streams.at(0), "design") if self.design == "same" else (streams, purpose)
