"""Fully connected Ising spins, exact through their N + 1 magnetisation levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows, sharpen
from nc_testbed.core.rng import RandomStreams


@final
@dataclass(frozen=True)
class IndependentSpins(Family):
    """N spins in a field, ``P(s) ~ exp(theta_1 sum s)``: theta_2 = 0.

    Parameters ``{"up": [R]}``, the probability of +1; statistic ``{"ups": [R]}``, spins up among
    all N of all rows. The N n spins of n rows are independent, so this is a Bernoulli of N n
    individuals. A row is N numbers, -1 or 1; x is its magnetisation per spin.
    """

    spins: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """N."""
        return self.spins

    def draws(self, rows: Tensor) -> Tensor:
        """-1 and 1."""
        return (rows.abs() == 1).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``ups ~ Binomial(N n, up)``."""
        up = parameters["up"].expand(len(streams.chains))
        return Statistic(n, {"ups": BlockGenerator(streams, purpose).binomial(n * self.spins, up)})

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Spins, ``[R, n, N]``."""
        u = streams(purpose).uniform(n, self.spins, dtype=torch.float64)
        return torch.where(u < parameters["up"][:, None, None], 1.0, -1.0).double()

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Spins up."""
        return Statistic(
            rows.shape[1], {"ups": scale_rows((rows > 0).double(), weights).sum((1, 2))}
        )

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``u ln p + (N - u) ln(1 - p)`` for u spins up."""
        ups, p = (rows > 0).sum(1).double(), parameters["up"][:, None]
        return torch.xlogy(ups, p) + torch.xlogy(self.spins - ups, 1 - p)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        p = parameters["up"]
        return {"up": sharpen(torch.stack([p, 1 - p], 1), temperature)[:, 0]}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``mean = 2 p - 1``, ``variance = 4 p q / N``, ``kl`` N times a spin's."""
        p, real = parameters["up"], truth["up"]
        kl = torch.xlogy(p, p) - torch.xlogy(p, real)
        kl = kl + torch.xlogy(1 - p, 1 - p) - torch.xlogy(1 - p, 1 - real)
        return {
            "mean": 2 * p - 1,
            "variance": 4 * p * (1 - p) / self.spins,
            "kl": self.spins * kl,
            "absorbed": ((p == 0) | (p == 1)).double(),
        }


@final
@dataclass(frozen=True)
class CoupledSpins(Family):
    """N spins, ``P(s) ~ exp(theta_1 sum s + theta_2 sum_{i<j} s_i s_j)``.

    Parameters ``{"levels": [R, N + 1]}``, the law of the number of spins up: it stays defined
    where thetas run off to infinity. Statistic ``{"first": [R], "second": [R]}``: sums over rows
    of ``m = sum s`` and of ``m^2``.
    """

    spins: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """N."""
        return self.spins

    @property
    def magnetisations(self) -> Tensor:
        """``m = 2 u - N`` of the levels u = 0..N, ``[N + 1]``."""
        return 2 * torch.arange(self.spins + 1, dtype=torch.float64) - self.spins

    def law(self, theta: Tensor) -> Tensor:
        """Levels ``[R, N + 1]`` of natural parameters ``[R, 2]``.

        ``P(u) ~ binom(N, u) exp(theta_1 m + theta_2 (m^2 - N) / 2)``, normalised in logs.
        """
        m, N = self.magnetisations, torch.tensor(float(self.spins), dtype=torch.float64)
        u = torch.arange(self.spins + 1, dtype=torch.float64)
        ways = torch.lgamma(N + 1) - torch.lgamma(u + 1) - torch.lgamma(N - u + 1)
        return (ways + theta[:, :1] * m + theta[:, 1:] * (m.square() - N) / 2).softmax(1)

    def draws(self, rows: Tensor) -> Tensor:
        """-1 and 1."""
        return (rows.abs() == 1).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """Rows at every level are multinomial; sums of m and m^2 over them."""
        levels = parameters["levels"].expand(len(streams.chains), -1)
        counts = BlockGenerator(streams, purpose).multinomial(n, levels)
        m = self.magnetisations
        sums = {"first": (counts * m).sum(1), "second": (counts * m.square()).sum(1)}
        return Statistic(n, sums)

    def rows(self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str) -> Tensor:
        """Spins, ``[R, n, N]``: a level, then which spins are up, uniformly."""
        draws = streams(purpose)
        ups = draws.categorical(parameters["levels"], n)
        order = draws.uniform(n, self.spins, dtype=torch.float64).argsort(2).argsort(2)
        return torch.where(order < ups[..., None], 1.0, -1.0).double()

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Sums of the magnetisation and its square."""
        m = rows.sum(2)
        first, second = scale_rows(m, weights).sum(1), scale_rows(m.square(), weights).sum(1)
        return Statistic(rows.shape[1], {"first": first, "second": second})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Sums add."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Log probability of the level, less the log of its number of configurations."""
        ups, N = (rows > 0).sum(1), torch.tensor(float(self.spins), dtype=torch.float64)
        ways = torch.lgamma(N + 1) - torch.lgamma(ups.double() + 1) - torch.lgamma(N - ups + 1)
        return parameters["levels"].log()[:, ups] - ways

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        ways = self.law(torch.zeros(1, 2, dtype=torch.float64))  # of each level, up to a factor
        each = parameters["levels"] / ways  # one configuration's, up to a factor
        powers = ways * (each / each.amax(1, keepdim=True)) ** (1 / temperature)
        return {"levels": powers / powers.sum(1, keepdim=True)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """Mean and variance of x = m / N; ``absorbed`` where one level holds all mass."""
        levels, real, x = parameters["levels"], truth["levels"], self.magnetisations / self.spins
        mean = (levels * x).sum(1)
        kl = torch.xlogy(levels, levels) - torch.xlogy(levels, real)
        return {
            "mean": mean,
            "variance": (levels * (x - mean[:, None]).square()).sum(1),
            "kl": kl.sum(1),
            "absorbed": ((levels > 0).sum(1) == 1).double(),
        }
