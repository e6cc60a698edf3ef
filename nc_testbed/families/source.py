"""Data that follow the law of an exponential family, or of a companion of one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.representation import sha256
from nc_testbed.data.source import Data, DataLaw
from nc_testbed.families.bernoulli import Bernoulli
from nc_testbed.families.categorical import Categorical
from nc_testbed.families.exponential import Exponential
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.families.ising import CoupledSpins, IndependentSpins
from nc_testbed.families.linear import LinearGaussian
from nc_testbed.families.poisson import Poisson

Laws = tuple[tuple[Family, Parameters], ...]
"""Families with the parameters ``[1, ...]`` at which each of them is the truth."""


@dataclass(frozen=True, kw_only=True)
class FamilySource(ABC):
    """Settings common to all families; a source adds its truth.

    rows: real rows of generation 0, drawn by each chain; None = n, or 100 where n is None too.
    test_rows: rows shared by all chains, for metrics that need rows.
    Raises BadInput where one is out of range.
    """

    rows: int | None = None
    test_rows: int = 1000

    def __post_init__(self) -> None:
        check_rows(self)

    @abstractmethod
    def laws(self) -> Laws:
        """The truth, in every family that holds it; rows are drawn from the first."""

    def load(self, chains: int, seed: int, fresh: int, generations: int) -> Data:
        """The rows for chains 0..chains-1; see :class:`nc_testbed.data.source.Source`.

        Fresh rows are keyed by their generation, so a longer run draws the same ones first.
        """
        family, truth = self.laws()[0]
        n0, streams = self.rows or 100, RandomStreams(seed, tuple(range(chains)))
        law = _law(family, truth)
        rows = [law.draw(n0, streams, "rows")[0]]
        if fresh:
            rows += [law.draw(fresh, streams.at(g), "fresh")[0] for g in range(1, generations)]
        x = torch.cat(rows, 1)
        position = torch.arange(x.shape[1]).repeat(chains, 1)
        return Data(
            name=type(family).__name__,
            space=Space((family.size,), image=False),
            x=x,
            training=position[:, :n0],
            reserve=position[:, n0:],
            held_out=law.draw(self.test_rows, RandomStreams(0, (SHARED,)), "held_out")[0][0],
            law=law,
            true_parameters=self.laws(),
            record={"source": type(family).__name__, "x_sha256": sha256(x.numpy())},
        )


def _law(family: Family, truth: Parameters) -> DataLaw:
    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, None]:
        chains = len(streams.chains)
        shared = {k: v.expand(chains, *v.shape[1:]) for k, v in truth.items()}
        return family.rows(shared, n, streams, purpose), None

    def log_prob(rows: Tensor) -> Tensor:
        return family.log_prob(truth, rows)[0]

    return DataLaw(draw, log_prob)


@final
@dataclass(frozen=True, kw_only=True)
class BernoulliSource(FamilySource):
    """Coin flips; p: probability of 1, above 0 and below 1."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_rows(self)
        require(0 < self.p < 1, "p", self.p, "give a number above 0 and below 1")

    def laws(self) -> Laws:
        """Bernoulli(p)."""
        return ((Bernoulli(), {"p": _one(self.p)}),)


@final
@dataclass(frozen=True, kw_only=True)
class CategoricalSource(FamilySource):
    """K symbols: shares given, or Zipf-Mandelbrot ``p_i ~ (i + shift)^-exponent``, i = 1..K.

    probs: K numbers > 0 that sum to 1, or None. classes: K >= 2 where probs is None. exponent:
    >= 0, 0 = uniform. shift: > -1; exponent 1 and shift 2.7 are Mandelbrot's for English words.
    Source: B. Mandelbrot 1953, as in A. Suresh et al. 2024 (https://arxiv.org/abs/2412.17646).
    """

    probs: tuple[float, ...] | None = None
    classes: int = 10
    exponent: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        check_rows(self)
        require(self.classes >= 2, "classes", self.classes, "give at least 2")
        require(self.exponent >= 0, "exponent", self.exponent, "give a number >= 0")
        require(self.shift > -1, "shift", self.shift, "give a number > -1")
        if self.probs is not None:
            ok = len(self.probs) >= 2 and min(self.probs) > 0 and abs(sum(self.probs) - 1) < 1e-9
            require(ok, "probs", list(self.probs), "give 2 or more numbers > 0 that sum to 1")

    def laws(self) -> Laws:
        """Categorical with these shares."""
        if self.probs is not None:
            shares = torch.tensor(self.probs, dtype=torch.float64)
        else:
            i = torch.arange(1, self.classes + 1, dtype=torch.float64)
            shares = (i + self.shift) ** -self.exponent
        return ((Categorical(len(shares)), {"shares": (shares / shares.sum())[None]}),)


@final
@dataclass(frozen=True, kw_only=True)
class PoissonSource(FamilySource):
    """Counts; rate: their mean, > 0."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        check_rows(self)
        require(self.rate > 0, "rate", self.rate, "give a number > 0")

    def laws(self) -> Laws:
        """Poisson(rate)."""
        return ((Poisson(), {"rate": _one(self.rate)}),)


@final
@dataclass(frozen=True, kw_only=True)
class ExponentialSource(FamilySource):
    """Waiting times; scale: their mean, > 0."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_rows(self)
        require(self.scale > 0, "scale", self.scale, "give a number > 0")

    def laws(self) -> Laws:
        """Exponential with this mean."""
        return ((Exponential(), {"scale": _one(self.scale)}),)


@final
@dataclass(frozen=True, kw_only=True)
class GaussianSource(FamilySource):
    """``N(mean, variance I)`` in ``dim`` dimensions, 1 to 100; variance > 0."""

    mean: float = 0.0
    variance: float = 1.0
    dim: int = 1

    def __post_init__(self) -> None:
        check_rows(self)
        require(self.variance > 0, "variance", self.variance, "give a number > 0")
        require(1 <= self.dim <= 100, "dim", self.dim, "give 1 to 100 dimensions")

    def laws(self) -> Laws:
        """The isotropic Gaussian."""
        mean = torch.full((1, self.dim), self.mean, dtype=torch.float64)
        factor = math.sqrt(self.variance) * torch.eye(self.dim, dtype=torch.float64)[None]
        return ((Gaussian(self.dim), {"mean": mean, "factor": factor}),)


@final
@dataclass(frozen=True, kw_only=True)
class IsingSource(FamilySource):
    """``P(s) ~ exp(theta_1 sum s + theta_2 sum_{i<j} s_i s_j)``, N spins s of -1 or 1.

    spins: N, 2 to 1000. theta_1: the field; with theta_2 = 0 the mean spin is tanh theta_1.
    theta_2: the coupling of every pair (divide by N for the mean-field scaling).
    """

    spins: int = 10
    theta_1: float = 0.0
    theta_2: float = 0.0

    def __post_init__(self) -> None:
        check_rows(self)
        require(2 <= self.spins <= 1000, "spins", self.spins, "give 2 to 1000 spins")

    def laws(self) -> Laws:
        """Coupled spins; without coupling independent ones too."""
        family = CoupledSpins(self.spins)
        theta = torch.tensor([[self.theta_1, self.theta_2]], dtype=torch.float64)
        coupled = (family, {"levels": family.law(theta), "theta": theta})
        if self.theta_2 != 0:
            return (coupled,)
        up = 1 / (1 + math.exp(-2 * self.theta_1))
        return ((IndependentSpins(self.spins), {"up": _one(up)}), coupled)


@final
@dataclass(frozen=True, kw_only=True)
class LinearSource(FamilySource):
    """``y = x . w + noise z``: standard normal x, weights of length 1 in equal parts.

    dim: features, 1 to 100. noise: standard deviation, > 0. design: ``fresh`` rows x in every
    set, or the ``same`` for ever.
    """

    dim: int = 5
    noise: float = 1.0
    design: Literal["fresh", "same"] = "fresh"

    def __post_init__(self) -> None:
        check_rows(self)
        require(1 <= self.dim <= 100, "dim", self.dim, "give 1 to 100 features")
        require(self.noise > 0, "noise", self.noise, "give a number > 0")

    def laws(self) -> Laws:
        """Linear with Gaussian rows and noise."""
        weights = torch.full((1, self.dim), 1 / math.sqrt(self.dim), dtype=torch.float64)
        return ((LinearGaussian(self.dim, self.noise, self.design), {"weights": weights}),)


def check_rows(source: FamilySource) -> None:
    """Raise BadInput for a common setting out of range."""
    ok = source.rows is None or source.rows >= 1
    require(ok, "rows", source.rows, "give at least 1 row, or null for n")
    require(source.test_rows >= 1, "test_rows", source.test_rows, "give at least 1 row")


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)
