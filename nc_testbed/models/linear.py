"""Linear regression by least squares, the noise known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, final

import torch

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel, check_estimator
from nc_testbed.families.linear import LinearGaussian


@final
@dataclass(frozen=True, kw_only=True)
class LinearModel(FamilyModel):
    """Fits the weights of ``y = x . w + noise z``; synthetic rows get new noise of known size.

    dim: features, 1 to 100. noise: standard deviation. design: ``fresh`` rows x in every set, or
    the ``same`` for ever. What is None is the data's. ``map``: the prior's pseudo-rows have
    ``X'X = I`` each and labels 0.
    """

    dim: int | None = None
    noise: float | None = None
    design: Literal["fresh", "same"] | None = None

    def __post_init__(self) -> None:
        check_estimator(self)
        ok = self.dim is None or 1 <= self.dim <= 100
        require(ok, "dim", self.dim, "give 1 to 100 features, or null for the data's")
        ok = self.noise is None or self.noise > 0
        require(ok, "noise", self.noise, "give a number > 0, or null for the data's")
        ok = self.coordinates == "natural"
        require(ok, "coordinates", self.coordinates, "give natural: the weights are both")

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> LinearModel:
        """With the data's dimension, noise and design."""
        real = next((family for family, _ in laws if isinstance(family, LinearGaussian)), None)
        noise = self.noise or (real.noise if real else None)
        require(noise is not None, "noise", None, "these data have no known one: give a number")
        design = self.design or (real.design if real else "fresh")
        return replace(self, dim=self.dim or size - 1, noise=noise, design=design)

    def family(self) -> LinearGaussian:
        """Linear with Gaussian rows and noise."""
        assert self.dim and self.noise and self.design, "what is the data's is filled in first"
        return LinearGaussian(self.dim, self.noise, self.design)

    def least_rows(self) -> int:
        """As many as weights for least squares, 1 with a prior or a penalty."""
        return self.family().dim if self.estimator == "mle" else 1

    def stacks(self, space: Space) -> bool:
        """False: a product of matrices rounds by where a chain begins in memory."""
        return False

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"weights": [R, d]}``, ``(X'X + ridge I) w = X'y``."""
        gram, cross = statistic.values["gram"], statistic.values["cross"]
        per_row = self.penalty / self.family().noise ** 2
        ridges = {"mle": 0.0, "map": self.prior_count, "l2": statistic.count * per_row}
        ridge = ridges[self.estimator]
        eye = torch.eye(cross.shape[1], dtype=gram.dtype, device=gram.device)
        weights = torch.linalg.solve_ex(gram + ridge * eye, cross)[0]
        return {"weights": weights.contiguous()}  # sums round by the order in memory
