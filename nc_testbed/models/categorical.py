"""Categorical model: the shares of K symbols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.families.categorical import Categorical
from nc_testbed.families.estimator import FamilyModel, check_estimator, least_for_mean_coordinates


@final
@dataclass(frozen=True, kw_only=True)
class CategoricalModel(FamilyModel):
    """Fits the shares of K classes. Natural parameters: logits that sum to 0. Prior: Dirichlet.

    classes: K >= 2, None = the data's. prior_mean: K numbers >= 0 that sum to 1; None = all equal.
    """

    classes: int | None = None
    prior_mean: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_estimator(self)
        ok = self.classes is None or self.classes >= 2
        require(ok, "classes", self.classes, "give at least 2, or null for the data's")
        mean = self.prior_mean
        if mean is not None:
            ok = self.classes in (None, len(mean)) and min(mean) >= 0 and abs(sum(mean) - 1) < 1e-9
            require(ok, "prior_mean", list(mean), "give a number >= 0 per class, of sum 1, or null")

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> CategoricalModel:
        """With the data's number of classes."""
        found = [family.classes for family, _ in laws if isinstance(family, Categorical)]
        classes = self.classes or next(iter(found), None)
        same = not found or classes == found[0]
        require(same, "classes", classes, f"the data have {found}: give null for as many")
        require(
            classes is not None, "classes", None, "these data have no number of classes: give it"
        )
        return replace(self, classes=classes)

    def family(self) -> Categorical:
        """Categorical with K classes."""
        assert self.classes is not None, "settings left to the data are filled in first"
        return Categorical(self.classes)

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates."""
        return least_for_mean_coordinates(self, -self.family().classes / 2)

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"shares": [R, K]}``; a mode at the boundary leaves a class without any share."""
        counts = statistic.values["counts"]
        if self.estimator == "l2":
            return {"shares": _penalised(counts / statistic.count, self.penalty)}
        if self.estimator == "map":
            K = counts.shape[1]
            prior = [1 / K] * K if self.prior_mean is None else self.prior_mean
            counts = counts + self.prior_count * counts.new_tensor(prior)
            if self.coordinates == "mean":
                counts = (counts - 1).clamp(min=0)
        return {"shares": counts / counts.sum(1, keepdim=True)}


def _penalised(shares: Tensor, penalty: float) -> Tensor:
    """Softmax of the logits that solve ``softmax(t) + penalty t = shares``, by Newton steps.

    The Hessian ``diag(p + penalty) - p p'`` is inverted by Sherman and Morrison's formula; a
    step is at most 1 in any logit, and 100 are more than it takes.
    """
    t = torch.zeros_like(shares)
    for _ in range(100):
        p = t.softmax(1)
        gap, scaled = (p + penalty * t - shares) / (p + penalty), p / (p + penalty)
        # 1 - sum p^2 / (p + penalty), which loses all digits of a small penalty
        rest = penalty * scaled.sum(1, keepdim=True)
        along = (p * gap).sum(1, keepdim=True) / rest
        step = gap + scaled * along
        t = t - step / step.abs().amax(1, keepdim=True).clamp(min=1)
    return t.softmax(1)
