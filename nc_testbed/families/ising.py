"""Fully connected Ising spins, exact through their N + 1 magnetisation levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows, sharpen
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.estimator import FamilyModel, bisect, posterior_mean
from nc_testbed.families.family_source import FamilySource, Laws, one_value
from nc_testbed.families.ising_fit import newton, on_edge
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import VarianceFunction, class_laws, constant_law


@final
@dataclass(frozen=True)
class IndependentSpins(Family):
    """N spins in a field, ``P(s) ~ exp(theta_1 sum s)``: theta_2 = 0.

    Parameters ``{"up": [R]}``, the probability of +1; statistic ``{"ups": [R]}``, spins
    up among all N of all rows. The N n spins of n rows are independent, so this is a
    Bernoulli of N n individuals. A row is N numbers, -1 or 1; x is its magnetisation per
    spin.
    """

    spins: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: N."""
        return self.spins

    def draws(self, rows: Tensor) -> Tensor:
        """Whether all spins of rows ``[..., N]`` are -1 or 1."""
        return (rows.abs() == 1).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``ups ~ Binomial(N n, up)``."""
        up = parameters["up"].expand(len(streams.chains))
        return Statistic(
            n, {"ups": BlockGenerator(streams, purpose).binomial(n * self.spins, up)}
        )

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Spins, ``[R, n, N]``."""
        u = streams(purpose).uniform(n, self.spins, dtype=torch.float64)
        return torch.where(u < parameters["up"][:, None, None], 1.0, -1.0).double()

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Spins up in all rows."""
        return Statistic(
            rows.shape[1], {"ups": scale_rows((rows > 0).double(), weights).sum((1, 2))}
        )

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The sums over both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``u ln p + (N - u) ln(1 - p)`` for u spins up."""
        ups = (rows > 0).sum(1).double()
        p = parameters["up"][:, None]
        return torch.xlogy(ups, p) + torch.xlogy(self.spins - ups, 1 - p)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        p = parameters["up"]
        return {"up": sharpen(torch.stack([p, 1 - p], 1), temperature)[:, 0]}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``mean = 2 p - 1``, ``variance = 4 p q / N``, ``kl`` N times a spin's."""
        p = parameters["up"]
        real = truth["up"]
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

    Parameters ``{"levels": [R, N + 1]}``, the law of the number of spins up: it stays
    defined where thetas run off to infinity. Statistic ``{"first": [R], "second": [R]}``:
    sums over rows of ``m = sum s`` and of ``m^2``.
    """

    spins: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: N."""
        return self.spins

    @property
    def magnetisations(self) -> Tensor:
        """``m = 2 u - N`` of the levels u = 0..N, ``[N + 1]``."""
        return 2 * torch.arange(self.spins + 1, dtype=torch.float64) - self.spins

    def law(self, theta: Tensor) -> Tensor:
        """Levels ``[R, N + 1]`` of natural parameters ``[R, 2]``.

        ``P(u) ~ binom(N, u) exp(theta_1 m + theta_2 (m^2 - N) / 2)``, normalised in logs.
        """
        m = self.magnetisations
        N = torch.tensor(float(self.spins), dtype=torch.float64)
        u = torch.arange(self.spins + 1, dtype=torch.float64)
        ways = torch.lgamma(N + 1) - torch.lgamma(u + 1) - torch.lgamma(N - u + 1)
        return (ways + theta[:, :1] * m + theta[:, 1:] * (m.square() - N) / 2).softmax(1)

    def draws(self, rows: Tensor) -> Tensor:
        """Whether all spins of rows ``[..., N]`` are -1 or 1."""
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

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Spins, ``[R, n, N]``: a level, then which spins are up, uniformly."""
        draws = streams(purpose)
        ups = draws.categorical(parameters["levels"], n)
        order = draws.uniform(n, self.spins, dtype=torch.float64).argsort(2).argsort(2)
        return torch.where(order < ups[..., None], 1.0, -1.0).double()

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Sums of the magnetisation and its square."""
        m = rows.sum(2)
        first = scale_rows(m, weights).sum(1)
        second = scale_rows(m.square(), weights).sum(1)
        return Statistic(rows.shape[1], {"first": first, "second": second})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The sums over both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Log probability of the level, less the log of its number of configurations."""
        ups = (rows > 0).sum(1)
        N = torch.tensor(float(self.spins), dtype=torch.float64)
        ways = torch.lgamma(N + 1) - torch.lgamma(ups.double() + 1) - torch.lgamma(N - ups + 1)
        return parameters["levels"].log()[:, ups] - ways

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        ways = self.law(torch.zeros(1, 2, dtype=torch.float64))  # of each level, up to a factor
        chance = parameters["levels"] / ways  # of one configuration, up to a factor
        powers = ways * (chance / chance.amax(1, keepdim=True)) ** (1 / temperature)
        return {"levels": powers / powers.sum(1, keepdim=True)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """Mean and variance of x = m / N; ``absorbed`` where one level holds all mass."""
        levels = parameters["levels"]
        real = truth["levels"]
        x = self.magnetisations / self.spins
        mean = (levels * x).sum(1)
        kl = torch.xlogy(levels, levels) - torch.xlogy(levels, real)
        return {
            "mean": mean,
            "variance": (levels * (x - mean[:, None]).square()).sum(1),
            "kl": kl.sum(1),
            "absorbed": ((levels > 0).sum(1) == 1).double(),
        }


@final
@dataclass(frozen=True, kw_only=True)
class IsingModel(FamilyModel):
    """Fits N fully connected spins: theta_1 alone (theta_2 = 0), or both.

    spins: N, 2 to 1000, None = as many as a row has. learn: ``theta_1`` or ``both``.
    prior_mean: of a pseudo-row's spins, -1 to 1; its spins are independent.
    """

    spins: int | None = None
    learn: Literal["theta_1", "both"] = "theta_1"
    prior_mean: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = self.spins is None or 2 <= self.spins <= 1000
        require(valid, "spins", self.spins, "give 2 to 1000 spins, or null for the data's")
        require(-1 <= self.prior_mean <= 1, "prior_mean", self.prior_mean, "give -1 to 1")
        valid = self.learn == "theta_1" or self.coordinates == "natural"
        remedy = "give natural: with both parameters the mode in mean coordinates is not closed"
        require(valid, "coordinates", self.coordinates, remedy)

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> IsingModel:
        """With as many spins as a row has."""
        return replace_fields(self, spins=self.spins or size)

    def family(self) -> Family:
        """Spins without or with a coupling."""
        return (IndependentSpins if self.learn == "theta_1" else CoupledSpins)(self._N)

    @property
    def _N(self) -> int:
        assert self.spins is not None, "settings that the data fill in are filled in first"
        return self.spins

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates of a single spin."""
        mean_mode = self.estimator == "map" and self.coordinates == "mean"
        return 1 if not mean_mode else max(1, int(2 / self._N - self.prior_count + 1))

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"up": [R]}``, or ``{"levels": [R, N + 1], "theta": [R, 2]}``.

        theta is 0 for rows on an edge, whose levels it cannot reach.
        """
        if self.learn == "both":
            return self._estimate_both(statistic)
        ups = statistic.values["ups"]
        N = self._N
        n = statistic.count
        if self.estimator == "l2":
            m = 2 * ups / n - N
            reach = torch.full_like(ups, 2 * N / self.penalty)
            t = bisect(lambda t: N * t.tanh() + self.penalty * t - m, -reach, reach)
            return {"up": (1 + t.tanh()) / 2}
        # Spins up per row: phi = N p with variance N p (1 - p) = phi - phi^2 / N.
        prior = N * (1 + self.prior_mean) / 2
        phi = posterior_mean(self, ups, n, prior, slope=1, curve=-1 / N)
        return {"up": (phi / N).clamp(max=1)}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Mean and variance of the magnetisation per spin, and absorption.

        Where both thetas are fitted, the mean alone.
        """
        if self.estimator != "mle":
            return {}
        if self.learn == "both":
            return _coupled_laws(truth, context)
        p = float(truth["up"])
        N = self._N
        laws = _moment_laws(p, N, context)
        classes = class_laws(context, [p, 1 - p], N)
        if "absorbed" in classes:
            laws["absorbed"] = classes["absorbed"]
        return laws

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of the mean 2 p - 1, of N spins a row that each have the variance p q."""
        if metric != "mean" or self.learn == "both":
            return None
        p = float(truth["up"])
        return VarianceFunction(p * (1 - p), -1, individuals=self._N, scale=4.0)

    def _estimate_both(self, statistic: Statistic) -> Parameters:
        family = CoupledSpins(self._N)
        N = self._N
        n = statistic.count
        first = statistic.values["first"]
        second = statistic.values["second"]
        penalty = self.penalty if self.estimator == "l2" else 0.0
        if self.estimator == "map":
            A = self.prior_count
            m = self.prior_mean
            first = first + A * N * m
            second = second + A * (N + N * (N - 1) * m**2)
            n = n + A
        edge, edge_levels = on_edge(N, first, second, n)
        if self.estimator == "l2":  # a penalty keeps thetas finite
            edge = torch.zeros_like(edge)
        theta = newton(family.law, family.magnetisations, first / n, second / n, penalty, edge)
        levels = torch.where(edge[:, None], edge_levels, family.law(theta))
        return {"levels": levels, "theta": theta}


def _coupled_laws(truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
    """The mean, which no refit of both thetas moves."""
    levels = np.asarray(truth["levels"])
    m = np.linspace(-1, 1, len(levels))
    variance = float(levels @ m**2 - (levels @ m) ** 2)
    return {"mean": constant_law(context, float(levels @ m), None, math.sqrt(variance))}


def _moment_laws(p: float, N: int, context: LawContext) -> dict[str, ExactLaw]:
    """Of x = 2 p - 1 and its variance 4 p q / N, of N independent spins."""
    known_spread = context.spread(p * (1 - p), -1, N)
    if known_spread is None:
        return {}
    function, spread = known_spread
    first = 4 * p * (1 - p) / N
    values = first - 4 * spread / N
    scale = 2 * math.sqrt(p - p * p)
    return {
        "mean": constant_law(context, 2 * p - 1, (function, 4 * spread), scale),
        "variance": law(function, values, resting=(0.0,), unit=first),
    }


@final
@dataclass(frozen=True, kw_only=True)
class IsingSource(FamilySource):
    """``P(s) ~ exp(theta_1 sum s + theta_2 sum_{i<j} s_i s_j)``, N spins s of -1 or 1.

    spins: N, 2 to 1000. theta_1: the field; with theta_2 = 0 the mean spin is tanh
    theta_1. theta_2: the coupling of every pair (divide by N for the mean-field scaling).
    """

    spins: int = 10
    theta_1: float = 0.0
    theta_2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(2 <= self.spins <= 1000, "spins", self.spins, "give 2 to 1000 spins")

    def laws(self) -> Laws:
        """Coupled spins; without coupling independent ones too."""
        family = CoupledSpins(self.spins)
        theta = torch.tensor([[self.theta_1, self.theta_2]], dtype=torch.float64)
        coupled = (family, {"levels": family.law(theta), "theta": theta})
        if self.theta_2 != 0:
            return (coupled,)
        up = 1 / (1 + math.exp(-2 * self.theta_1))
        return ((IndependentSpins(self.spins), {"up": one_value(up)}), coupled)
