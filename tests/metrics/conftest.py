"""Small labelled Gaussian data, a transparent referee, and fits that say what they are told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data, DataLaw
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.loop.archive import Archive
from nc_testbed.metrics.classifier import Classification
from nc_testbed.metrics.evaluation import Evaluation, Reference


@dataclass(frozen=True)
class Nearest:
    """Features are the rows; the label is the nearest centre, the confidence its posterior."""

    centres: Tensor
    sha256: str = "nearest"

    @property
    def width(self) -> int:
        return self.centres.shape[1]

    def to(self, device: torch.device) -> Nearest:
        return self

    def describe(self, rows: Tensor) -> Tensor:
        return rows.float()

    def classify(self, features: Tensor) -> Classification:
        confidence, label = self.probabilities(features).max(1)
        return Classification(label, confidence.float(), torch.zeros_like(label).bool())

    def probabilities(self, features: Tensor) -> Tensor:
        square = (features[:, None] - self.centres).square().sum(2)
        return torch.softmax(-square / 2, 1)


@dataclass(frozen=True)
class Plain:
    """No classes: features are the rows."""

    sha256: str = "plain"
    width: int = 10**9

    def to(self, device: torch.device) -> Plain:
        return self

    def describe(self, rows: Tensor) -> Tensor:
        return rows.float()

    def classify(self, features: Tensor) -> Classification:
        raise AssertionError("there is nothing to classify")


@dataclass(frozen=True)
class World:
    """Unit Gaussians around the corners of a simplex, their shares rotated over chains."""

    data: Data
    referee: Any
    streams: RandomStreams
    centres: Tensor

    def draw(self, n: int, purpose: str = "synthetic", shares: Tensor | None = None) -> Tensor:
        """Rows [R, n, D] of the training law, or of other class shares."""
        draws = self.streams(purpose)
        shares = self.data.shares if shares is None else shares
        if shares is None:
            shares = torch.ones(1)
        label = draws.categorical(shares, n)
        return self.centres[label] + draws.normal(n, self.centres.shape[1], dtype=torch.float64)

    def reference(self, rows: int) -> Reference:
        """As a run makes it, but with the world's own seed and chain numbers."""
        Reference.build(self.data, self.referee, rows)  # its checks
        return Reference(self.data, self.referee, rows, self.streams)

    def evaluate(
        self, rows: Tensor, fit: Any = None, generation: int = 0, first: Any = None
    ) -> Evaluation:
        reference = self.reference(rows.shape[1])
        streams, data = self.streams.at(generation), self.data
        store = Archive(data.space, data.x, data.training, data.reserve, 1, 1)
        training = store.view(data.training)
        return Evaluation(fit, rows, reference, streams, first or fit, training)

    def chain(self, r: int) -> World:
        """The same world with one chain."""
        data, one = self.data, slice(r, r + 1)
        law = None if data.shares is None else mixture(self.centres, data.shares[one])
        alone = replace(
            data,
            x=data.x[one],
            y=None if data.y is None else data.y[one],
            training=data.training[one],
            reserve=data.reserve[one],
            shares=None if data.shares is None else data.shares[one],
            rank=None if data.rank is None else data.rank[one],
            law=None if data.law is None else law,
        )
        return replace(self, data=alone, streams=self.streams.part(one))


def mixture(centres: Tensor, weights: Tensor) -> DataLaw:
    """Unit Gaussians with each chain's own weights [R, C]."""
    D = centres.shape[1]

    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, Tensor]:
        draws = streams(purpose)
        label = draws.categorical(weights, n)
        return centres[label] + draws.normal(n, D, dtype=torch.float64), label

    def log_prob(rows: Tensor) -> Tensor:
        square = (rows[..., None, :] - centres).square().sum(-1)  # [H, C]
        joint = weights.log()[:, None] - square / 2 - D / 2 * math.log(2 * math.pi)
        return torch.logsumexp(joint, -1)

    return DataLaw(draw, log_prob, centres, 1.0, weights)


def world(
    shares: tuple[float, ...] | None = (0.6, 0.3, 0.1),
    chains: int = 3,
    held_out: int = 100,
    n0: int = 300,
    D: int = 8,
    seed: int = 0,
    apart: float = 8.0,
) -> World:
    """A world; ``held_out`` rows of each class, ``shares`` by rank, None for no labels."""
    C = 1 if shares is None else len(shares)
    centres = torch.zeros(C, D, dtype=torch.float64)
    for c in range(C):  # on a circle when in the plane, else on different axes
        angle = 2 * math.pi * c / C
        spot = torch.tensor([math.cos(angle), math.sin(angle)])
        centres[c] = apart * (spot if D == 2 else torch.eye(D)[c])
    rank = (torch.arange(C) + torch.arange(chains)[:, None]) % C
    p = torch.tensor([1.0] if shares is None else shares, dtype=torch.float64)[rank]
    streams = RandomStreams(seed, tuple(range(chains)))
    level = ((torch.arange(n0) + 0.5) / n0).expand(chains, -1).double().contiguous()
    y = torch.searchsorted(p.cumsum(1), level).clamp(max=C - 1)  # exact shares, sorted
    x = centres[y] + streams("real").normal(n0, D, dtype=torch.float64)
    held_y = torch.arange(C).repeat(held_out)
    noise = RandomStreams(seed, (-1,))("held-out").normal(len(held_y), D, dtype=torch.float64)[
        0
    ]
    labels: dict[str, Any] = {
        "y": y,
        "held_out_y": held_y,
        "shares": p,
        "rank": rank,
        "classes": tuple(map(str, range(C))),
    }

    data = Data(
        name="gaussians",
        space=Space((D,), image=False),
        x=x,
        training=torch.arange(n0).expand(chains, -1),
        reserve=torch.zeros(chains, 0, dtype=torch.int64),
        held_out=centres[held_y] + noise,
        law=mixture(centres, p) if D == 2 else None,
        true_parameters=((Gaussian(D), unit(centres[:1])),),  # the first component alone
        **({} if shares is None else labels),
    )
    referee = Plain() if shares is None else Nearest(centres)
    return World(data, referee, streams, centres)


def unit(mean: Tensor) -> dict[str, Tensor]:
    """The parameters of unit Gaussians around these means."""
    D = mean.shape[1]
    return {"mean": mean, "factor": torch.eye(D, dtype=torch.float64).expand(len(mean), D, D)}


@dataclass(frozen=True)
class ExactFit:
    """N(mean[r], I) for chain r."""

    mean: Tensor

    def log_prob(self, rows: Tensor) -> Tensor:
        D, R = rows.shape[-1], len(self.mean)
        pairs = zip(rows.expand(R, *rows.shape[-2:]), self.mean, strict=True)
        each = [-(x - m).square().sum(1) / 2 - D / 2 * math.log(2 * math.pi) for x, m in pairs]
        return torch.stack(each)

    def columns(self, true_parameters: Any) -> dict[str, Tensor]:
        ((family, truth),) = true_parameters
        return family.columns(unit(self.mean.double()), truth)


@dataclass(frozen=True)
class BoundFit:
    """Noisy bounds of the same, and rows less the mean for latents."""

    mean: Tensor

    def latent_means(self, rows: Tensor) -> Tensor:
        return rows - self.mean[:, None]

    def elbo(self, rows: Tensor, streams: RandomStreams) -> Tensor:
        noise = streams("elbo").uniform(rows.shape[-2], dtype=torch.float64)
        return ExactFit(self.mean).log_prob(rows) - noise

    def iwae(self, rows: Tensor, samples: int, streams: RandomStreams) -> Tensor:
        noise = streams("iwae").uniform(len(rows), dtype=torch.float64)
        return ExactFit(self.mean).log_prob(rows) - noise / samples


@pytest.fixture(scope="session")
def make_world():
    """The factory of worlds."""
    return world


@pytest.fixture(scope="session")
def exact_fit():
    return ExactFit


@pytest.fixture(scope="session")
def bound_fit():
    return BoundFit
