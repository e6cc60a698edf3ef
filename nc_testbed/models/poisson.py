"""Poisson model: the mean count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from nc_testbed.core.errors import require
from nc_testbed.core.family import Parameters, Statistic
from nc_testbed.families.estimator import FamilyModel, bisect, check_estimator, posterior_mean
from nc_testbed.families.poisson import Poisson


@final
@dataclass(frozen=True, kw_only=True)
class PoissonModel(FamilyModel):
    """Fits the rate; V = rate. Natural parameter: its log. Conjugate prior: Gamma.

    prior_mean: of the prior, > 0.
    """

    prior_mean: float = 1.0

    def __post_init__(self) -> None:
        check_estimator(self)
        require(self.prior_mean > 0, "prior_mean", self.prior_mean, "give a number > 0")

    def family(self) -> Poisson:
        """Poisson."""
        return Poisson()

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"rate": [R]}``; ``l2`` solves ``exp(t) + penalty t = mean``."""
        total, n = statistic.values["sum"], statistic.count
        if self.estimator == "l2":
            mean = total / n
            low, high = torch.full_like(mean, -1 / self.penalty), mean.clamp(min=1).log()
            return {"rate": bisect(lambda t: t.exp() + self.penalty * t - mean, low, high).exp()}
        return {"rate": posterior_mean(self, total, n, self.prior_mean, slope=1, curve=0)}
