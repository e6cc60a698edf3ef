"""Exponential: waiting times, whose scale drifts by a random factor each generation."""

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
from nc_testbed.families.estimator import FamilyModel, posterior_mean
from nc_testbed.families.family_source import FamilySource, Laws, one_value
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import LOG_SCALE, VarianceFunction, moment_laws, prior_laws
from nc_testbed.theory import replace, replace_scale


@final
@dataclass(frozen=True)
class Exponential(Family):
    """Density ``e^(-x / scale) / scale``.

    Parameters ``{"scale": [R]}``, statistic ``{"sum": [R]}``.
    """

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: 1."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., 1]`` are >= 0."""
        return (rows >= 0).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``sum ~ scale Gamma(n)``."""
        gamma = BlockGenerator(streams, purpose).gamma(float(n))
        return Statistic(n, {"sum": parameters["scale"] * gamma})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """``-scale ln(1 - u)``, ``[R, n, 1]``."""
        u = streams(purpose).uniform(n, dtype=torch.float64)
        return -(parameters["scale"][:, None] * torch.log1p(-u))[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The sum of the waiting times."""
        return Statistic(rows.shape[1], {"sum": scale_rows(rows, weights).sum((1, 2))})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The sum over both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``-x / scale - ln scale``; -inf below zero."""
        x = rows[:, 0]
        scale = parameters["scale"][:, None]
        return torch.where(x >= 0, -x / scale - scale.log(), -torch.inf)

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {"scale": parameters["scale"] * temperature}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``w2_squared = 2 (scale - truth)^2``, ``kl = r -
        1 - ln r``, r = scale / truth."""
        scale = parameters["scale"]
        real = truth["scale"]
        ratio = scale / real
        return {
            "mean": scale,
            "variance": scale.square(),
            "log_variance": 2 * scale.log(),
            "w2_squared": 2 * (scale - real).square(),
            "kl": ratio - 1 - ratio.log(),
            "absorbed": (scale == 0).double(),
        }


@final
@dataclass(frozen=True, kw_only=True)
class ExponentialModel(FamilyModel):
    """Fits the scale; V = scale^2. Natural parameter: minus the rate. Prior: Gamma.

    prior_mean: of the prior, > 0.
    """

    prior_mean: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.prior_mean > 0, "prior_mean", self.prior_mean, "give a number > 0")

    def family(self) -> Exponential:
        """The law of a waiting time."""
        return Exponential()

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"scale": [R]}``; ``l2`` solves ``1 / rate = mean + penalty rate``."""
        total = statistic.values["sum"]
        if self.estimator == "l2":
            mean = total / statistic.count
            return {"scale": (mean + (mean.square() + 4 * self.penalty).sqrt()) / 2}
        scale = posterior_mean(self, total, statistic.count, self.prior_mean, slope=0, curve=1)
        return {"scale": scale}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Moments; under replace also the log-variance and the divergence."""
        scale = float(truth["scale"])
        if self.estimator != "mle":
            return prior_laws(self, context, scale, (0, 0, 1))
        laws = moment_laws(context, scale, scale**2, 1)
        if context.replaces:
            return laws | _replaced_laws(context, scale, laws["variance"])
        if context.kind == "anchored":
            laws.pop("variance", None)  # a mean of squares whose own square may have no mean
        return laws

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of the mean, whose variance is the scale squared."""
        return VarianceFunction(float(truth["scale"]) ** 2, 1) if metric == "mean" else None


def _replaced_laws(
    context: LawContext, scale: float, variance: ExactLaw
) -> dict[str, ExactLaw]:
    """Closed forms, with the variance's exact deviation, as its tail is heavy."""
    t = context.t
    n = context.sizes[0]
    sd = replace_scale.variance_sd_exponential(t, n, scale)
    log_variance = replace_scale.expected_log_variance_exponential
    kl = replace_scale.expected_kl_exponential
    return {
        "variance": law(replace.expected_variance, variance.values, sd),
        "log_variance": law(log_variance, log_variance(t, n, scale), scale=LOG_SCALE),
        "kl": law(kl, kl(t, n)),
    }


@final
@dataclass(frozen=True, kw_only=True)
class ExponentialSource(FamilySource):
    """Waiting times; scale: their mean, > 0."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.scale > 0, "scale", self.scale, "give a number > 0")

    def laws(self) -> Laws:
        """Waiting times with this mean."""
        return ((Exponential(), {"scale": one_value(self.scale)}),)
