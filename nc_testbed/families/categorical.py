"""Categorical laws: symbols and their shares, given, uniform or Zipf-Mandelbrot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import one_hot

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import (
    Family,
    Parameters,
    Statistic,
    add,
    discrete,
    means,
    scale_rows,
    sharpen,
)
from nc_testbed.core.rng import RandomStreams


@final
@dataclass(frozen=True)
class Categorical(Family):
    """``P(x = i) = p_i``; parameters ``{"shares": [R, K]}``, statistic ``{"counts": [R, K]}``.

    A row is one number, the class 0..K-1; its mean is that of the K indicators.
    """

    classes: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """1: the class's number."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Class numbers."""
        return ((rows >= 0) & (rows < self.classes) & (rows == rows.floor())).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``counts ~ Multinomial(n, p)``."""
        shares = parameters["shares"].expand(len(streams.chains), -1)
        return Statistic(n, {"counts": BlockGenerator(streams, purpose).multinomial(n, shares)})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Class numbers, ``[R, n, 1]``."""
        return streams(purpose).categorical(parameters["shares"], n).double()[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Rows of each class."""
        classes = one_hot(rows[..., 0].long(), self.classes)  # [R, m, K]
        return Statistic(rows.shape[1], {"counts": scale_rows(classes.double(), weights).sum(1)})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Counts add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``ln p_x``; -inf for a class that has died."""
        return parameters["shares"].log()[:, rows[:, 0].long()]

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {"shares": sharpen(parameters["shares"], temperature)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """The first eight shares and the columns of discrete laws."""
        shares = parameters["shares"]
        return means(shares) | discrete(shares, truth["shares"])
