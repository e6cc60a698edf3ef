"""Poisson: counts, whose rate can only stay at zero once it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.estimator import FamilyModel, bisect, posterior_mean
from nc_testbed.families.family_source import FamilySource, Laws, one_value
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import VarianceFunction, moment_laws, prior_laws
from nc_testbed.theory import replace


@final
@dataclass(frozen=True)
class Poisson(Family):
    """``P(x) = rate^x e^-rate / x!``.

    Parameters ``{"rate": [R]}``, statistic ``{"sum": [R]}``.
    """

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """Numbers in a row: 1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., 1]`` are counts, up to 2^53."""
        return ((rows >= 0) & (rows <= 2.0**53) & (rows == rows.floor())).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``sum ~ Poisson(n rate)``."""
        rate = parameters["rate"].expand(len(streams.chains))
        return Statistic(n, {"sum": BlockGenerator(streams, purpose).poisson(n * rate)})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Counts, ``[R, n, 1]``."""
        rate = parameters["rate"].expand(len(streams.chains))
        return streams(purpose).poisson(rate, n)[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The sum of the counts."""
        return Statistic(rows.shape[1], {"sum": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The sum over both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``x ln rate - rate - ln x!``."""
        x = rows[:, 0]
        rate = parameters["rate"][:, None]
        return torch.xlogy(x, rate) - rate - torch.lgamma(x + 1)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """Raise NotImplementedError: it is no law of this family."""
        raise NotImplementedError("p^(1/T) is no law of this family")

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``kl = rate ln(rate / truth) - rate + truth``; absorbed where rate = 0."""
        rate = parameters["rate"]
        real = truth["rate"]
        kl = torch.xlogy(rate, rate) - torch.xlogy(rate, real) - rate + real
        absorbed = (rate == 0).double()
        return {"mean": rate, "variance": rate.clone(), "kl": kl, "absorbed": absorbed}


@final
@dataclass(frozen=True, kw_only=True)
class PoissonModel(FamilyModel):
    """Fits the rate; V = rate. Natural parameter: its log. Conjugate prior: Gamma.

    prior_mean: of the prior, > 0.
    """

    prior_mean: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.prior_mean > 0, "prior_mean", self.prior_mean, "give a number > 0")

    def family(self) -> Poisson:
        """The law of a count."""
        return Poisson()

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"rate": [R]}``; ``l2`` solves ``exp(t) + penalty t = mean``."""
        total = statistic.values["sum"]
        if self.estimator == "l2":
            mean = total / statistic.count
            low = torch.full_like(mean, -1 / self.penalty)
            high = mean.clamp(min=1).log()
            return {
                "rate": bisect(lambda t: t.exp() + self.penalty * t - mean, low, high).exp()
            }
        rate = posterior_mean(self, total, statistic.count, self.prior_mean, slope=1, curve=0)
        return {"rate": rate}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Moments, and under replace absorption at zero."""
        rate = float(truth["rate"])
        if self.estimator != "mle":
            return prior_laws(self, context, rate, (0, 1, 0))
        laws = moment_laws(context, rate, rate, 0)
        if "mean" in laws:
            laws["variance"] = laws["mean"]  # the rate is both
        if context.replaces:
            alive = replace.poisson_alive(context.t, context.sizes[0], rate)
            laws["absorbed"] = law(replace.poisson_alive, 1 - alive, share=True)
        return laws

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of the mean, whose variance is the rate."""
        return VarianceFunction(float(truth["rate"]), 0) if metric == "mean" else None


@final
@dataclass(frozen=True, kw_only=True)
class PoissonSource(FamilySource):
    """Counts; rate: their mean, > 0."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rate > 0, "rate", self.rate, "give a number > 0")

    def laws(self) -> Laws:
        """Counts with this mean."""
        return ((Poisson(), {"rate": one_value(self.rate)}),)
