"""Exponential model: the mean waiting time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nc_testbed.core.errors import require
from nc_testbed.core.family import Parameters, Statistic
from nc_testbed.families.estimator import FamilyModel, check_estimator, posterior_mean
from nc_testbed.families.exponential import Exponential


@final
@dataclass(frozen=True, kw_only=True)
class ExponentialModel(FamilyModel):
    """Fits the scale; V = scale^2. Natural parameter: minus the rate. Conjugate prior: Gamma.

    prior_mean: of the prior, > 0.
    """

    prior_mean: float = 1.0

    def __post_init__(self) -> None:
        check_estimator(self)
        require(self.prior_mean > 0, "prior_mean", self.prior_mean, "give a number > 0")

    def family(self) -> Exponential:
        """Exponential."""
        return Exponential()

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"scale": [R]}``; ``l2`` solves ``1 / rate = mean + penalty rate``."""
        total, n = statistic.values["sum"], statistic.count
        if self.estimator == "l2":
            mean = total / n
            return {"scale": (mean + (mean.square() + 4 * self.penalty).sqrt()) / 2}
        return {"scale": posterior_mean(self, total, n, self.prior_mean, slope=0, curve=1)}
