"""Bernoulli model: the share of ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Parameters, Statistic
from nc_testbed.families.bernoulli import Bernoulli
from nc_testbed.families.estimator import (
    FamilyModel,
    bisect,
    check_estimator,
    least_for_mean_coordinates,
    posterior_mean,
)


@final
@dataclass(frozen=True, kw_only=True)
class BernoulliModel(FamilyModel):
    """Fits p; V = p (1 - p). Natural parameter: the logit. Conjugate prior: Beta.

    prior_mean: of the prior, 0 to 1; with ``prior_count=2 prior_mean=0.5``, the uniform prior,
    the mode in mean coordinates is the MLE and in natural ones "add one".
    """

    prior_mean: float = 0.5

    def __post_init__(self) -> None:
        check_estimator(self)
        inside = 0 <= self.prior_mean <= 1
        require(inside, "prior_mean", self.prior_mean, "give a number from 0 to 1")

    def family(self) -> Bernoulli:
        """Bernoulli."""
        return Bernoulli()

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates."""
        return least_for_mean_coordinates(self, -1)

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"p": [R]}``; ``l2`` solves ``sigmoid(t) + penalty t = share of ones``."""
        ones, n = statistic.values["ones"], statistic.count
        if self.estimator == "l2":
            share, reach = ones / n, torch.full_like(ones, 1 / self.penalty)
            logit = bisect(lambda t: _sigmoid(t) + self.penalty * t - share, -reach, reach)
            return {"p": _sigmoid(logit)}
        p = posterior_mean(self, ones, n, self.prior_mean, slope=1, curve=-1)
        return {"p": p.clamp(max=1)}


def _sigmoid(t: Tensor) -> Tensor:
    """By exp: the last bit of torch.sigmoid depends on a chain's place in memory."""
    return 1 / (1 + (-t).exp())
