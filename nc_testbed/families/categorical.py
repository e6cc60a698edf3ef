"""Categorical laws: symbols and their shares, listed, uniform or Zipf-Mandelbrot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.errors import require
from nc_testbed.core.family import (
    Family,
    Parameters,
    Statistic,
    add,
    discrete,
    means,
    scale_rows,
    sharpen,
)
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.estimator import FamilyModel, rows_for_mode
from nc_testbed.families.family_source import FamilySource, Laws
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.laws.shared import VarianceFunction, class_laws, constant_law

NEWTON_STEPS = 100
"""More than it takes to solve for penalised logits."""


@final
@dataclass(frozen=True)
class Categorical(Family):
    """``P(x = i) = p_i``, i = 0..K-1.

    Parameters ``{"shares": [R, K]}``, statistic ``{"counts": [R, K]}``. A row is one
    number, the class 0..K-1; its mean is that of the K indicators.
    """

    classes: int

    on_gpu: ClassVar[bool] = False
    tempers: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Numbers in a row: 1, the class's number."""
        return 1

    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., 1]`` are class numbers."""
        return ((rows >= 0) & (rows < self.classes) & (rows == rows.floor())).all(-1)

    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """``counts ~ Multinomial(n, p)``."""
        shares = parameters["shares"].expand(len(streams.chains), -1)
        return Statistic(n, {"counts": BlockGenerator(streams, purpose).multinomial(n, shares)})

    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """Class numbers, ``[R, n, 1]``."""
        return streams(purpose).categorical(parameters["shares"], n).double()[..., None]

    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """Rows of each class."""
        classes = one_hot(rows[..., 0].long(), self.classes)  # [R, m, K]
        return Statistic(
            rows.shape[1], {"counts": scale_rows(classes.double(), weights).sum(1)}
        )

    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """Rows of each class in both sets."""
        return add(a, b)

    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """``ln p_x``; -inf for a class that has died."""
        return parameters["shares"].log()[:, rows[:, 0].long()]

    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised."""
        return {"shares": sharpen(parameters["shares"], temperature)}

    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """The first eight shares and the columns of discrete laws."""
        shares = parameters["shares"]
        return means(shares) | discrete(shares, truth["shares"])


@final
@dataclass(frozen=True, kw_only=True)
class CategoricalModel(FamilyModel):
    """Fits the shares of K classes. Natural parameters: logits of sum 0. Prior:
    Dirichlet.

    classes: K >= 2, None = the data's. prior_mean: K numbers >= 0 that sum to 1; None =
    all equal.
    """

    classes: int | None = None
    prior_mean: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = self.classes is None or self.classes >= 2
        require(valid, "classes", self.classes, "give at least 2, or null for the data's")
        mean = self.prior_mean
        if mean is not None:
            valid = self.classes in (None, len(mean)) and min(mean) >= 0
            valid = valid and abs(sum(mean) - 1) < 1e-9
            remedy = "give a number >= 0 per class, of sum 1, or null"
            require(valid, "prior_mean", list(mean), remedy)

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> CategoricalModel:
        """With the data's number of classes."""
        numbers = [family.classes for family, _ in laws if isinstance(family, Categorical)]
        classes = self.classes or next(iter(numbers), None)
        valid = not numbers or classes == numbers[0]
        require(valid, "classes", classes, f"the data have {numbers}: give null for as many")
        remedy = "these data have no number of classes: give it"
        require(classes is not None, "classes", None, remedy)
        return replace(self, classes=classes)

    def family(self) -> Categorical:
        """Categorical with K classes."""
        assert self.classes is not None, "settings that the data fill in are filled in first"
        return Categorical(self.classes)

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates."""
        return rows_for_mode(self, -self.family().classes / 2)

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"shares": [R, K]}``; a mode at the boundary leaves a class no share."""
        counts = statistic.values["counts"]
        if self.estimator == "l2":
            return {"shares": _penalised_shares(counts / statistic.count, self.penalty)}
        if self.estimator == "map":
            K = counts.shape[1]
            prior = [1 / K] * K if self.prior_mean is None else self.prior_mean
            counts = counts + self.prior_count * counts.new_tensor(prior)
            if self.coordinates == "mean":
                counts = (counts - 1).clamp(min=0)
        return {"shares": counts / counts.sum(1, keepdim=True)}

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Heterozygosity, the first eight shares, and absorption of classes."""
        if self.estimator != "mle":
            return {}
        shares = np.asarray(truth["shares"])
        first = 1 - float((shares**2).sum())
        total = context.spread(first, -1)
        laws = {}
        if total is not None:
            function, spread = total
            values = first - spread
            laws["heterozygosity"] = law(function, values, resting=(0.0,), unit=first)
            for i, share in enumerate(shares[:8]):
                of_class = context.spread(share * (1 - share), -1)
                laws[f"mean_{i + 1}"] = constant_law(context, float(share), of_class)
        return laws | class_laws(context, shares)

    def variance_function(
        self, truth: Mapping[str, Any], metric: str
    ) -> VarianceFunction | None:
        """Of ``mean_i``, the share of class i."""
        if not metric.startswith("mean_"):
            return None
        p = float(truth["shares"][int(metric.removeprefix("mean_")) - 1])
        return VarianceFunction(p * (1 - p), -1)


@final
@dataclass(frozen=True, kw_only=True)
class CategoricalSource(FamilySource):
    """K symbols: listed shares, or Zipf-Mandelbrot ``p_i ~ (i + shift)^-exponent``.

    i = 1..K. probs: K numbers > 0 that sum to 1, or None. classes: K >= 2 where probs is
    None. exponent: >= 0, 0 = uniform. shift: > -1; exponent 1 and shift 2.7 are
    Mandelbrot's for English words. Source: B. Mandelbrot 1953, as in A. Suresh et al.
    2024 (https://arxiv.org/abs/2412.17646).
    """

    probs: tuple[float, ...] | None = None
    classes: int = 10
    exponent: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.classes >= 2, "classes", self.classes, "give at least 2")
        require(self.exponent >= 0, "exponent", self.exponent, "give a number >= 0")
        require(self.shift > -1, "shift", self.shift, "give a number > -1")
        if self.probs is not None:
            valid = len(self.probs) >= 2 and min(self.probs) > 0
            valid = valid and abs(sum(self.probs) - 1) < 1e-9
            remedy = "give 2 or more numbers > 0 that sum to 1"
            require(valid, "probs", list(self.probs), remedy)

    def laws(self) -> Laws:
        """Categorical with these shares."""
        if self.probs is not None:
            shares = torch.tensor(self.probs, dtype=torch.float64)
        else:
            i = torch.arange(1, self.classes + 1, dtype=torch.float64)
            shares = (i + self.shift) ** -self.exponent
        return ((Categorical(len(shares)), {"shares": (shares / shares.sum())[None]}),)


def _penalised_shares(shares: Tensor, penalty: float) -> Tensor:
    """Softmax of the t that solve ``softmax(t) + penalty t = shares``, by Newton steps.

    The Hessian ``diag(p + penalty) - p p'`` is inverted by Sherman and Morrison's
    formula; a step is at most 1 in any logit.
    """
    t = torch.zeros_like(shares)
    for _ in range(NEWTON_STEPS):
        p = t.softmax(1)
        gap = (p + penalty * t - shares) / (p + penalty)
        weight = p / (p + penalty)
        # 1 - sum p^2 / (p + penalty), which loses all digits of a small penalty
        remainder = penalty * weight.sum(1, keepdim=True)
        along = (p * gap).sum(1, keepdim=True) / remainder
        step = gap + weight * along
        t = t - step / step.abs().amax(1, keepdim=True).clamp(min=1)
    return t.softmax(1)
