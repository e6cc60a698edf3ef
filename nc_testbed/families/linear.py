"""Linear regression with known noise: the model of the accumulation theorems."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic, add, scale_rows
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.factors import apply_factor, bartlett
from nc_testbed.families.family_source import FamilySource, Laws
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.theory import accumulate


@final
@dataclass(frozen=True)
class LinearGaussian(Family):
    """``y = x . w + noise z`` with standard normal x of d coordinates and z.

    Parameters ``{"weights": [R, d]}``; the noise (a standard deviation) is known and
    added anew to synthetic labels. Statistic ``{"gram": [R, d, d], "cross": [R, d]}``:
    X'X and X'y. design: ``fresh`` rows x in every set, or the ``same`` n rows for ever,
    as in the theorem of Gerstgrasser et al. 2024 (https://arxiv.org/abs/2404.01413). A
    row is x, then y.
    """

    dim: int
    noise: float
    design: Literal["fresh", "same"] = "fresh"

    on_gpu: ClassVar[bool] = True
    tempers: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """Numbers in a row: d + 1."""
        return self.dim + 1

    @property
    def equal_sets(self) -> bool:
        """Whether every set has the same rows x, and so must have as many."""
        return self.design == "same"

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., d + 1]`` are numbers."""
        return ~rows.isnan().any(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``X'X = B B'`` Wishart(n), ``X'y = X'X w + noise B z``."""
        d = self.dim
        B = bartlett(n, d, BlockGenerator(*self._design(streams, purpose)))
        z = BlockGenerator(streams, f"{purpose}/labels").normal(B.shape[2])
        gram = B @ B.mT
        weights = parameters["weights"].expand(len(streams.chains), d)
        cross = apply_factor(gram, weights) + self.noise * apply_factor(B, z)
        return Statistic(n, {"gram": gram, "cross": cross})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Rows (x, y), ``[R, n, d + 1]``."""
        at, name = self._design(streams, purpose)
        x = at(name).normal(n, self.dim, dtype=torch.float64)
        z = streams(f"{purpose}/labels").normal(n, 1, dtype=torch.float64)
        y = apply_factor(x, parameters["weights"].expand(len(x), self.dim))[..., None]
        return torch.cat([x, y + self.noise * z], 2)

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """X'X and X'y."""
        products = rows.mT @ scale_rows(rows, weights)
        d = self.dim
        parts = {"gram": products[:, :d, :d], "cross": products[:, :d, d]}
        return Statistic(rows.shape[1], {k: v.contiguous() for k, v in parts.items()})

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """X'X and X'y of both sets of rows."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Log density of x and of y given x."""
        x = rows[:, : self.dim]
        y = rows[:, self.dim]
        residual = (y - parameters["weights"] @ x.mT) / self.noise  # [R, H]
        constant = (self.dim + 1) / 2 * math.log(2 * math.pi) + math.log(self.noise)
        return -(residual.square() + x.square().sum(1)) / 2 - constant

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """Raise NotImplementedError: it is no law of this family."""
        raise NotImplementedError("p^(1/T) is no law of this family")

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """``risk = |w - w_0|^2``, test error above the
        noise; ``kl = risk / (2 noise^2)``."""
        risk = (parameters["weights"] - truth["weights"]).square().sum(1)
        return {"risk": risk, "kl": risk / (2 * self.noise**2)}

    def _design(self, streams: RandomStreams, purpose: str) -> tuple[RandomStreams, str]:
        """Streams and purpose that draw the rows x: generation 0's for the same rows."""
        return (streams.at(0), "design") if self.design == "same" else (streams, purpose)


@final
@dataclass(frozen=True, kw_only=True)
class LinearModel(FamilyModel):
    """Fits the weights of ``y = x . w + noise z``; synthetic rows get new noise.

    dim: features, 1 to 100. noise: standard deviation. design: ``fresh`` rows x in every
    set, or the ``same`` for ever. What is None is the data's. ``map``: the prior's
    pseudo-rows have ``X'X = I`` each and labels 0.
    """

    dim: int | None = None
    noise: float | None = None
    design: Literal["fresh", "same"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = self.dim is None or 1 <= self.dim <= 100
        require(valid, "dim", self.dim, "give 1 to 100 features, or null for the data's")
        valid = self.noise is None or self.noise > 0
        require(valid, "noise", self.noise, "give a number > 0, or null for the data's")
        valid = self.coordinates == "natural"
        require(valid, "coordinates", self.coordinates, "give natural: the weights are both")

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> LinearModel:
        """With the data's dimension, noise and design."""
        real = next((family for family, _ in laws if isinstance(family, LinearGaussian)), None)
        noise = self.noise or (real.noise if real else None)
        require(
            noise is not None,
            "noise",
            None,
            "these data have no known one: give a number",
        )
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
        """False: its products are not padded, see :mod:`nc_testbed.core.exactness`."""
        return False

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"weights": [R, d]}``, ``(X'X + ridge I) w = X'y``."""
        gram = statistic.values["gram"]
        cross = statistic.values["cross"]
        per_row = self.penalty / self.family().noise ** 2
        ridges = {"mle": 0.0, "map": self.prior_count, "l2": statistic.count * per_row}
        ridge = ridges[self.estimator]
        eye = torch.eye(cross.shape[1], dtype=gram.dtype, device=gram.device)
        weights = torch.linalg.solve_ex(gram + ridge * eye, cross)[0]
        # As a file gives it back: a layout by columns would be summed in another order.
        return {"weights": weights.contiguous()}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """The risk, under replace, or accumulate with the same rows x."""
        everything = context.kind == "accumulated" and context.budget is None
        same = everything and self.design == "same"
        valid = context.n is not None and context.n > self.family().dim + 1
        if self.estimator != "mle" or not valid or not (context.replaces or same):
            return {}
        policy = "accumulate" if same else "replace"
        risk = accumulate.regression_risk
        noise = self.family().noise
        values = risk(context.t, context.sizes[0], self.family().dim, noise**2, policy)
        return {"risk": law(risk, values)}


@final
@dataclass(frozen=True, kw_only=True)
class LinearSource(FamilySource):
    """``y = x . w + noise z``: standard normal x, weights of length 1 in equal parts.

    dim: features, 1 to 100. noise: standard deviation, > 0. design: ``fresh`` rows x in
    every set, or the ``same`` for ever.
    """

    dim: int = 5
    noise: float = 1.0
    design: Literal["fresh", "same"] = "fresh"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.dim <= 100, "dim", self.dim, "give 1 to 100 features")
        require(self.noise > 0, "noise", self.noise, "give a number > 0")

    def laws(self) -> Laws:
        """Linear with Gaussian rows and noise."""
        weights = torch.full((1, self.dim), 1 / math.sqrt(self.dim), dtype=torch.float64)
        return ((LinearGaussian(self.dim, self.noise, self.design), {"weights": weights}),)
