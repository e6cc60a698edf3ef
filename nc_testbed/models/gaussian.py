"""Gaussian model: mean, covariance, or both."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel, bisect, check_estimator
from nc_testbed.families.gaussian import Gaussian, joined


@final
@dataclass(frozen=True, kw_only=True)
class GaussianModel(FamilyModel):
    """Fits N(mean, S) in 1 to 100 dimensions with a full covariance. Prior: normal-Wishart.

    learn: ``both``, the ``mean`` alone (S = variance I is known) or the ``variance`` alone (the
    mean is known). mean, variance: what is known, the same in every coordinate. ddof: S divides
    by n - ddof, 0 (the MLE) or 1 (unbiased). dim, mean and variance are the data's
    where None. prior_mean, prior_variance: of the prior's
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
        check_estimator(self)
        ok = self.dim is None or 1 <= self.dim <= 100
        require(ok, "dim", self.dim, "give 1 to 100 dimensions, or null for the data's")
        ok = self.variance is None or self.variance > 0
        require(ok, "variance", self.variance, "give a number > 0, or null for the data's")
        ok = self.prior_variance > 0
        require(ok, "prior_variance", self.prior_variance, "give a number > 0")
        ok = self.ddof == 0 or (self.learn == "both" and self.estimator == "mle")
        require(ok, "ddof", self.ddof, "give 0: 1 corrects an MLE of mean and variance")
        ok = self.estimator != "l2" or self.dim in (None, 1)
        require(ok, "estimator", self.estimator, f"dim={self.dim}: penalise one dimension only")

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> GaussianModel:
        """With the data's dimension, and the mean and variance of a Gaussian law."""
        dim, mean, variance = self.dim or size, self.mean, self.variance
        for family, truth in laws:
            if isinstance(family, Gaussian):
                mean = float(truth["mean"][0, 0]) if mean is None else mean
                variance = float(truth["factor"][0, 0, 0]) ** 2 if variance is None else variance
        remedy = "the data have no known one: give a number"
        for key, value, other in (("variance", variance, "mean"), ("mean", mean, "variance")):
            require(self.learn != other or value is not None, key, value, remedy)
        return replace(self, dim=dim, mean=mean, variance=variance)

    def family(self) -> Gaussian:
        """Gaussians in ``dim`` dimensions."""
        assert self.dim is not None, "settings left to the data are filled in first"
        return Gaussian(self.dim)

    def least_rows(self) -> int:
        """2 with ddof = 1, else 1."""
        return 1 + self.ddof

    def stacks(self, space: Space) -> bool:
        """In one dimension: a product of matrices rounds by where a chain begins in memory."""
        return space.size == 1

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"mean": [R, d], "factor": [R, d, d]}``."""
        if self.estimator == "l2":
            return self._penalised(statistic)
        if self.estimator == "map":
            statistic = self.family().merge(statistic, self._pseudo_rows(statistic))
        mean, scatter = statistic.values["mean"], statistic.values["scatter"]
        if self.learn == "mean":
            return {"mean": mean, "factor": self._known(scatter)}
        if self.learn == "variance":
            gap = math.sqrt(statistic.count) * (mean - self._known_mean)
            scatter = joined([scatter, gap[..., None]])
            mean = torch.full_like(mean, self._known_mean)
        rows = self._divisor(statistic.count, mean.shape[1])
        return {"mean": mean, "factor": scatter / math.sqrt(rows)}

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
        mean, scatter = like.values["mean"], like.values["scatter"]
        spread = math.sqrt(self.prior_count * self.prior_variance)
        factor = (spread * _eye(scatter)).expand_as(scatter)
        prior = {"mean": torch.full_like(mean, self.prior_mean), "scatter": factor}
        return Statistic(self.prior_count, prior)

    def _known(self, like: Tensor) -> Tensor:
        return (math.sqrt(self._known_variance) * _eye(like)).expand_as(like).clone()

    def _penalised(self, statistic: Statistic) -> Parameters:
        """One dimension, natural parameters ``mean / S`` and ``-1 / (2 S)``, precision p = 1/S.

        Mean alone: ``mean = v x / (v + penalty)``. Variance alone: ``2 S = q + sqrt(q^2 + 2
        penalty)`` with q the mean square about the known mean. Both: p is the root of
        ``penalty p / 2 + q - 1 / p - (x / (1 + penalty p))^2`` with q the mean of squares.
        """
        n, x = statistic.count, statistic.values["mean"][:, 0]
        S, lam = statistic.values["scatter"][:, 0, 0].square() / n, self.penalty
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


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
