"""Gaussians of 1 to 100 dimensions, as factors so that a collapse loses no digits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic, means, scale_rows
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel, bisect
from nc_testbed.families.factors import (
    add_factors,
    apply_factor,
    bartlett,
    log_determinant,
    lower,
    multiply,
)
from nc_testbed.families.family_source import FamilySource, Laws
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import (
    LOG_SCALE,
    VarianceFunction,
    constant_law,
    coordinate_laws,
)
from nc_testbed.theory import replace_gaussian, replace_scale


@final
@dataclass(frozen=True)
class Gaussian(Family):
    """``N(mean, F F')``; parameters ``{"mean": [R, d], "factor": [R, d, d]}``, F lower.

    Statistic ``{"mean": [R, d], "scatter": [R, d, d]}``: the rows' mean, and the lower
    factor B of their scatter about it, ``B B' = sum (x - mean)(x - mean)'``. Sums of
    squares would lose every digit once the spread is 1e-8 of the mean; chains reach far
    below.
    """

    dim: int = 1

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: d."""
        return self.dim

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., d]`` are numbers."""
        return ~rows.isnan().any(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """Mean ``mean + F z / sqrt n``; Wishart(n - 1)
        scatter, by Bartlett's decomposition."""
        draws = BlockGenerator(streams, purpose)
        F = parameters["factor"]
        # In place, as the mean of a million chains is large.
        mean = (
            apply_factor(F, draws.normal(self.dim)).div_(math.sqrt(n)).add_(parameters["mean"])
        )
        scatter = multiply(F, bartlett(n - 1, self.dim, draws))
        return Statistic(n, {"mean": mean, "scatter": scatter})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """``mean + F z``, ``[R, n, d]``."""
        z = streams(purpose).normal(n, self.dim, dtype=torch.float64)
        return parameters["mean"][:, None] + multiply(z, parameters["factor"].mT)

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Mean and scatter factor, by QR of the centred rows."""
        mean = scale_rows(rows, weights).mean(1)
        m = rows.shape[1]
        centred = rows - mean[:, None]
        if weights is not None:
            centred = scale_rows(centred, weights.sqrt())
        elif m <= self.dim:  # they span m - 1 dimensions: so many rows of the same scatter
            last = centred[:, -1:] / (math.sqrt(m) - 1) if m > 1 else 0
            centred = centred[:, :-1] + last
        return Statistic(m, {"mean": mean, "scatter": lower(centred.mT, self.dim)})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Both scatters and that of the means: ``B B' = A A' + C C' + na nb/N gap gap'``.

        Source: T. Chan, G. Golub, R. LeVeque 1983, https://doi.org/10.2307/2683386
        """
        N = a.count + b.count
        gap = b.values["mean"] - a.values["mean"]
        between = (math.sqrt(a.count * b.count / N) * gap)[..., None]
        parts = [a.values["scatter"], b.values["scatter"], between]
        mean = a.values["mean"] + gap * (b.count / N)
        return Statistic(N, {"mean": mean, "scatter": add_factors(parts)})

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``-|F^-1 (x - mean)|^2 / 2 - ln |F| - d/2 ln 2 pi``; NaN for a singular F."""
        F = parameters["factor"]
        gap = rows - parameters["mean"][:, None]  # [R, H, d]
        z = torch.linalg.solve_triangular(F, gap.mT, upper=False)
        constant = self.dim / 2 * math.log(2 * math.pi)
        return -z.square().sum(1) / 2 - (log_determinant(F) / 2)[:, None] - constant

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {**parameters, "factor": parameters["factor"] * math.sqrt(temperature)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """Against ``N(mean_0, s^2 I)``; ``variance`` is per coordinate.

        ``log_variance`` is ln det S;
        ``w2_squared = |mean - mean_0|^2 + sum_i (r_i - s)^2``, r_i^2 the eigenvalues of
        S, and ``kl = (tr S / s^2 + |mean - mean_0|^2 / s^2 - d - ln(det S / s^2d)) / 2``.
        """
        mean = parameters["mean"]
        F = parameters["factor"]
        d = self.dim
        s = truth["factor"][:, 0, 0]
        trace = F.square().sum((1, 2))
        drift = (mean - truth["mean"]).square().sum(1)
        log_det = log_determinant(F)
        roots = F[:, :, 0] if d == 1 else torch.linalg.svdvals(F)  # of the eigenvalues
        return means(mean) | {
            "variance": trace / d,
            "log_variance": log_det,
            "w2_squared": drift + (roots - s[:, None]).square().sum(1),
            "kl": ((trace + drift) / s.square() - d - log_det + 2 * d * s.log()) / 2,
            "absorbed": (F == 0).all(2).all(1).double(),
        }


@final
@dataclass(frozen=True, kw_only=True)
class GaussianModel(FamilyModel):
    """Fits N(mean, S), 1 to 100 dimensions, full covariance. Prior: normal-Wishart.

    learn: ``both``, the ``mean`` alone (S = variance I is known) or the ``variance``
    alone (the mean is known). mean, variance: what is known, the same in every
    coordinate. ddof: S divides by n - ddof, 0 (the MLE) or 1 (unbiased). dim, mean and
    variance are the data's where None. prior_mean, prior_variance: of the prior's
    pseudo-rows, in every coordinate.
    """

    dim: int | None = None
    learn: Literal["both", "mean", "variance"] = "both"
    ddof: Literal[0, 1] = 0
    mean: float | None = None
    variance: float | None = None
    prior_mean: float = 0.0
    prior_variance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = self.dim is None or 1 <= self.dim <= 100
        require(valid, "dim", self.dim, "give 1 to 100 dimensions, or null for the data's")
        valid = self.variance is None or self.variance > 0
        require(valid, "variance", self.variance, "give a number > 0, or null for the data's")
        valid = self.prior_variance > 0
        require(valid, "prior_variance", self.prior_variance, "give a number > 0")
        valid = self.ddof == 0 or (self.learn == "both" and self.estimator == "mle")
        require(valid, "ddof", self.ddof, "give 0: 1 corrects an MLE of mean and variance")
        valid = self.estimator != "l2" or self.dim in (None, 1)
        require(
            valid,
            "estimator",
            self.estimator,
            f"dim={self.dim}: penalise one dimension only",
        )

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> GaussianModel:
        """With the data's dimension, and the mean and variance of a Gaussian law."""
        mean = self.mean
        variance = self.variance
        for family, truth in laws:
            if isinstance(family, Gaussian):
                mean = float(truth["mean"][0, 0]) if mean is None else mean
                variance = (
                    float(truth["factor"][0, 0, 0]) ** 2 if variance is None else variance
                )
        remedy = "the data have no known one: give a number"
        for key, value, other in (
            ("variance", variance, "mean"),
            ("mean", mean, "variance"),
        ):
            require(self.learn != other or value is not None, key, value, remedy)
        return replace(self, dim=self.dim or size, mean=mean, variance=variance)

    def family(self) -> Gaussian:
        """Gaussians in ``dim`` dimensions."""
        assert self.dim is not None, "settings that the data fill in are filled in first"
        return Gaussian(self.dim)

    def least_rows(self) -> int:
        """2 with ddof = 1, else 1."""
        return 1 + self.ddof

    def stacks(self, space: Space) -> bool:
        """True in one dimension, where no matrices are multiplied; see core.exactness."""
        return space.size == 1

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"mean": [R, d], "factor": [R, d, d]}``."""
        if self.estimator == "l2":
            return self._solve_penalised(statistic)
        if self.estimator == "map":
            statistic = self.family().merge(statistic, self._pseudo_rows(statistic))
        mean = statistic.values["mean"]
        scatter = statistic.values["scatter"]
        if self.learn == "mean":
            return {"mean": mean, "factor": self._known_factor(scatter)}
        if self.learn == "variance":
            gap = math.sqrt(statistic.count) * (mean - self._known_mean)
            scatter = add_factors([scatter, gap[..., None]])
            mean = torch.full_like(mean, self._known_mean)
        rows = self._divisor(statistic.count, mean.shape[1])
        return {"mean": mean, "factor": scatter / math.sqrt(rows)}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Moments, and under replace divergence, distance and log-variance."""
        if self.estimator != "mle":
            return {}
        if self.learn == "mean":
            return _mean_laws(truth, context)
        if self.learn == "variance":
            return _variance_laws(truth, context)
        s = float(truth["factor"][0, 0])
        fitted = context.gaussian(s**2, self.ddof)
        if fitted is None:
            return {}
        function, drift, variance = fitted
        d = len(truth["mean"])
        mean = constant_law(context, float(truth["mean"][0]), (function, drift), s)
        laws = coordinate_laws(d, mean) | {"variance": law(function, variance)}
        return laws | (_replaced_laws(self.ddof, s, d, context) if context.replaces else {})

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of a mean, or of the variance where it alone is fitted in one dimension."""
        variance = float(truth["factor"][0, 0]) ** 2
        if metric.startswith("mean"):
            if self.learn == "both":  # with ddof = 0, E S = s^2 less the drift: as if c were -1
                return VarianceFunction(variance, -1) if self.ddof == 0 else None
            return VarianceFunction(variance, 0) if self.learn == "mean" else None
        alone = self.learn == "variance" and metric == "variance" and self.dim == 1
        return VarianceFunction(2 * variance**2, 2) if alone else None

    @property
    def _known_mean(self) -> float:
        return 0.0 if self.mean is None else self.mean

    @property
    def _known_variance(self) -> float:
        return 1.0 if self.variance is None else self.variance

    def _divisor(self, count: float, d: int) -> float:
        """What the scatter is divided by.

        The determinant of the Fisher information is ``~ |S|^-(d + 2)`` in mean and S, and
        ``~ |S|^-(d + 1)`` in S alone: a mode in mean coordinates has as many rows more.
        """
        if self.estimator == "mle" or self.coordinates == "natural":
            return count - self.ddof
        return count + 2 * (d + (2 if self.learn == "both" else 1))

    def _pseudo_rows(self, like: Statistic) -> Statistic:
        mean = like.values["mean"]
        scatter = like.values["scatter"]
        spread = math.sqrt(self.prior_count * self.prior_variance)
        factor = (spread * _eye(scatter)).expand_as(scatter)
        prior = {"mean": torch.full_like(mean, self.prior_mean), "scatter": factor}
        return Statistic(self.prior_count, prior)

    def _known_factor(self, like: Tensor) -> Tensor:
        return (math.sqrt(self._known_variance) * _eye(like)).expand_as(like).clone()

    def _solve_penalised(self, statistic: Statistic) -> Parameters:
        """One dimension; natural parameters ``mean / S``, ``-1 / (2 S)``; precision p =
        1/S.

        Mean alone: ``mean = v x / (v + penalty)``. Variance alone:
        ``2 S = q + sqrt(q^2 + 2 penalty)`` with q the mean square about the known mean.
        Both: p is the root of ``penalty p / 2 + q - 1 / p - (x / (1 + penalty p))^2``
        with q the mean of squares.
        """
        x = statistic.values["mean"][:, 0]
        S = statistic.values["scatter"][:, 0, 0].square() / statistic.count
        lam = self.penalty
        if self.learn == "mean":
            p = torch.full_like(x, 1 / self._known_variance)
            mean = x / (1 + lam * p)
        elif self.learn == "variance":
            q = S + (x - self._known_mean).square()
            p = 2 / (q + (q.square() + 2 * lam).sqrt())
            mean = torch.full_like(x, self._known_mean)
        else:
            q = S + x.square()

            def slope(p: Tensor) -> Tensor:
                # S + x^2 (1 - ...) rather than q - ...: no digits are lost when S is small.
                return lam * p / 2 - 1 / p + S + x.square() * (1 - 1 / (1 + lam * p).square())

            high = torch.minimum(1 / S, torch.full_like(S, math.sqrt(2 / lam)))
            p = bisect(slope, 2 / (q + (q.square() + 2 * lam).sqrt()), high)
            mean = x / (1 + lam * p)
        return {"mean": mean[:, None], "factor": p.rsqrt()[:, None, None]}


def _mean_laws(truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
    """Of a Gaussian whose variance is known."""
    s = float(truth["factor"][0, 0])
    d = len(truth["mean"])
    known_spread = context.spread(s**2, 0)
    if known_spread is None:
        return {}
    function, spread = known_spread
    drift = {"w2_squared": d * spread, "kl": d * spread / (2 * s**2)}
    laws = {name: law(function, values) for name, values in drift.items()}
    mean = constant_law(context, float(truth["mean"][0]), known_spread, s)
    return laws | coordinate_laws(d, mean)


def _variance_laws(truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
    """Of a Gaussian whose mean is known."""
    s = float(truth["factor"][0, 0])
    known_spread = context.spread(2 * s**4, 2)
    laws = {}
    if known_spread is not None:
        laws["variance"] = constant_law(context, s**2, known_spread)
    if context.replaces and len(truth["mean"]) == 1:
        function = replace_scale.expected_log_variance_known_mean
        values = function(context.t, context.sizes[0], s**2)
        laws["log_variance"] = law(function, values, scale=LOG_SCALE)
    return laws


def _replaced_laws(ddof: int, s: float, d: int, context: LawContext) -> dict[str, ExactLaw]:
    """Closed forms, with the variance's exact deviation, as its tail is heavy."""
    t = context.t
    n = context.sizes[0]
    variance = replace_gaussian.expected_variance_gaussian
    sd = replace_gaussian.variance_sd_gaussian(t, n, s**2, ddof)
    values = variance(t, n, s**2, ddof)
    laws = {"variance": law(variance, values, sd)}
    # Other metrics contain the variance; its deviation is theirs once it outgrows the others.
    heavy = np.where(sd > values, sd, np.nan)
    if n > d:
        log_det = replace_gaussian.expected_log_det
        log_variance = log_det(t, n, d, 2 * d * math.log(s), ddof)
        laws["log_variance"] = law(log_det, log_variance, scale=LOG_SCALE)
        kl = replace_gaussian.expected_kl_gaussian
        laws["kl"] = law(kl, kl(t, n, d, ddof), d * heavy / (2 * s**2))
    if d == 1:
        w2_squared = replace_gaussian.w2_squared
        laws["w2_squared"] = law(w2_squared, w2_squared(t, n, s**2, ddof), heavy)
    return laws


@final
@dataclass(frozen=True, kw_only=True)
class GaussianSource(FamilySource):
    """``N(mean, variance I)`` in ``dim`` dimensions, 1 to 100; variance > 0."""

    mean: float = 0.0
    variance: float = 1.0
    dim: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.variance > 0, "variance", self.variance, "give a number > 0")
        require(1 <= self.dim <= 100, "dim", self.dim, "give 1 to 100 dimensions")

    def laws(self) -> Laws:
        """The isotropic Gaussian."""
        mean = torch.full((1, self.dim), self.mean, dtype=torch.float64)
        factor = math.sqrt(self.variance) * torch.eye(self.dim, dtype=torch.float64)[None]
        return ((Gaussian(self.dim), {"mean": mean, "factor": factor}),)


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
