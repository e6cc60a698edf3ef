"""Bernoulli: coin flips, the smallest model that collapses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.exactness import sigmoid
from nc_testbed.core.family import (
    Family,
    Parameters,
    Statistic,
    add,
    discrete,
    scale_rows,
    sharpen,
)
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.estimator import (
    FamilyModel,
    bisect,
    posterior_mean,
    rows_for_mode,
)
from nc_testbed.families.family_source import FamilySource, Laws, one_value
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import VarianceFunction, class_laws, moment_laws, prior_laws
from nc_testbed.theory import priors


@final
@dataclass(frozen=True)
class Bernoulli(Family):
    """``P(x = 1) = p``; parameters ``{"p": [R]}``, statistic ``{"ones": [R]}``."""

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: 1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., 1]`` are 0 or 1."""
        return ((rows == 0) | (rows == 1)).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``ones ~ Binomial(n, p)``."""
        p = parameters["p"].expand(len(streams.chains))
        return Statistic(n, {"ones": BlockGenerator(streams, purpose).binomial(n, p)})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Zeros and ones, ``[R, n, 1]``."""
        u = streams(purpose).uniform(n, dtype=torch.float64)
        return (u < parameters["p"][:, None]).double()[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The number of ones."""
        return Statistic(rows.shape[1], {"ones": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The ones of both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``x ln p + (1 - x) ln(1 - p)``; -inf for what cannot happen."""
        x = rows[:, 0]
        p = parameters["p"][:, None]
        return torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        p = parameters["p"]
        return {"p": sharpen(torch.stack([p, 1 - p], 1), temperature)[:, 0]}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``variance = p q``, ``w2_squared = |p - truth|`` and those of two classes."""
        p = parameters["p"]
        real = truth["p"]
        shares = torch.stack([p, 1 - p], 1)
        true_shares = torch.stack([real, 1 - real], 1)
        moments = {"mean": p, "variance": p * (1 - p), "w2_squared": (p - real).abs()}
        return moments | discrete(shares, true_shares)


@final
@dataclass(frozen=True, kw_only=True)
class BernoulliModel(FamilyModel):
    """Fits p; V = p (1 - p). Natural parameter: the logit. Conjugate prior: Beta.

    prior_mean: of the prior, 0 to 1; with ``prior_count=2 prior_mean=0.5``, the uniform
    prior, the mode in mean coordinates is the MLE and in natural ones "add one".
    """

    prior_mean: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = 0 <= self.prior_mean <= 1
        require(valid, "prior_mean", self.prior_mean, "give a number from 0 to 1")

    def family(self) -> Bernoulli:
        """The law of a coin."""
        return Bernoulli()

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates."""
        return rows_for_mode(self, -1)

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"p": [R]}``; ``l2`` solves ``sigmoid(t) + penalty t = share of ones``."""
        ones = statistic.values["ones"]
        if self.estimator == "l2":
            share = ones / statistic.count
            reach = torch.full_like(ones, 1 / self.penalty)
            logit = bisect(lambda t: sigmoid(t) + self.penalty * t - share, -reach, reach)
            return {"p": sigmoid(logit)}
        p = posterior_mean(self, ones, statistic.count, self.prior_mean, slope=1, curve=-1)
        return {"p": p.clamp(max=1)}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Moments, heterozygosity and absorption; of a prior the moments alone."""
        p = float(truth["p"])
        if self.estimator != "mle":
            return self._prior_laws(p, context)
        laws = moment_laws(context, p, p * (1 - p), -1)
        if "variance" in laws:
            variance = laws["variance"]
            laws["heterozygosity"] = dataclasses.replace(  # of two classes it is 2 p q
                variance, values=2 * variance.values, unit=2 * variance.unit
            )
        return laws | class_laws(context, [p, 1 - p])

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of the mean, whose variance is p q."""
        p = float(truth["p"])
        return VarianceFunction(p * (1 - p), -1) if metric == "mean" else None

    def _prior_laws(self, p: float, context: LawContext) -> dict[str, ExactLaw]:
        """Of a posterior's mode; in mean coordinates where no mode is at the boundary."""
        if self.estimator == "l2" or self.coordinates == "natural":
            return prior_laws(self, context, p, (0, 1, -1))
        inner = self.prior_count * min(self.prior_mean, 1 - self.prior_mean) >= 1
        if not (inner and context.replaces):
            return {}
        prior = (self.prior_count, self.prior_mean, "mean")
        values = priors.expected_map(context.t, context.sizes[0], p, *prior)
        return {"mean": law(priors.expected_map, values)}


@final
@dataclass(frozen=True, kw_only=True)
class BernoulliSource(FamilySource):
    """Coin flips; p: probability of 1, above 0 and below 1."""

    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.p < 1, "p", self.p, "give a number above 0 and below 1")

    def laws(self) -> Laws:
        """The coin with this probability."""
        return ((Bernoulli(), {"p": one_value(self.p)}),)
