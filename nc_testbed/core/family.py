"""The contract of every exponential family: its
rows, statistics, and metrics of parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.rng import RandomStreams

Parameters = dict[str, Tensor]
"""``{name: [R, ...]}`` float64; true parameters, which all chains share, have R = 1."""

MEANS = 8
"""Most coordinates of a mean that are columns."""


@dataclass(frozen=True)
class Statistic:
    """Sufficient statistics of ``count`` rows per chain: ``values`` are
    ``{name: [R, ...]}``.

    The count may be fractional: a prior's pseudo-rows are rows like others.
    """

    count: float
    values: dict[str, Tensor]

    def __post_init__(self) -> None:
        # A file holds a float: an int beyond 2^53 would round otherwise before and after a resume.
        object.__setattr__(self, "count", float(self.count))


class Family(ABC):
    """One family of laws with all its parameters
    free; every method serves R chains at once."""

    on_gpu: ClassVar[bool]
    """Whether it draws normals and gammas alone, which a GPU can draw too."""
    tempers: ClassVar[bool]
    """Whether ``p(x)^(1/T)``, normalised, is a law of the family."""

    @property
    @abstractmethod
    def size(self) -> int:
        """D, how many numbers a row has."""

    @property
    def equal_sets(self) -> bool:
        """Whether all sets must have as many rows as the first."""
        return False

    @abstractmethod
    def draws(self, rows: Tensor) -> Tensor:
        """Whether rows ``[..., D]`` can be drawn by some
        law of the family, ``[...]`` bool."""

    @abstractmethod
    def draw(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        """Statistics of n >= 1 rows, drawn without the
        rows, at a cost that n does not change."""

    @abstractmethod
    def rows(
        self, parameters: Parameters, n: int, streams: RandomStreams, purpose: str
    ) -> Tensor:
        """n rows per chain, ``[R, n, D]``."""

    @abstractmethod
    def summarise(self, rows: Tensor, weights: Tensor | None = None) -> Statistic:
        """The statistics of rows ``[R, m, D]``, with
        weights ``[R, m]`` of mean 1 or without."""

    @abstractmethod
    def merge(self, a: Statistic, b: Statistic) -> Statistic:
        """The statistics of two sets of rows taken together."""

    @abstractmethod
    def log_prob(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Log density or probability ``[R, H]`` of rows ``[H, D]``, nats."""

    @abstractmethod
    def temper(self, parameters: Parameters, temperature: float) -> Parameters:
        """The parameters of ``p(x)^(1/T)``, normalised;
        only where the family ``tempers``."""

    @abstractmethod
    def columns(self, parameters: Parameters, truth: Parameters) -> dict[str, Tensor]:
        """Metrics of the parameters, ``{name: [R]}``; see
        :mod:`nc_testbed.metrics.parameters`."""


def add(a: Statistic, b: Statistic) -> Statistic:
    """The merge of statistics that are sums over rows.

    >>> two_rows = Statistic(2, {"ones": torch.tensor([1.0])})
    >>> add(two_rows, two_rows).values["ones"].tolist()
    [2.0]
    """
    return Statistic(a.count + b.count, {k: v + b.values[k] for k, v in a.values.items()})


def scale_rows(values: Tensor, weights: Tensor | None) -> Tensor:
    """Values of rows ``[R, m, ...]`` times the
    rows' weights ``[R, m]``; None: as they are."""
    if weights is None:
        return values
    return values * weights.view(*weights.shape, *[1] * (values.dim() - 2))


def sharpen(shares: Tensor, temperature: float) -> Tensor:
    """``p_i^(1/T)``, normalised over the last axis.

    >>> sharpen(torch.tensor([[0.2, 0.8]]).double(), 0.5).round(decimals=3).tolist()
    [[0.059, 0.941]]
    """
    # Over the largest first: a high power of a small share would underflow.
    powers = (shares / shares.amax(-1, keepdim=True)) ** (1 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def means(coordinates: Tensor) -> dict[str, Tensor]:
    """``mean`` of one coordinate ``[R, 1]``, or ``mean_1`` .. ``mean_8`` of several.

    >>> list(means(torch.zeros(2, 3)))
    ['mean_1', 'mean_2', 'mean_3']
    """
    if coordinates.shape[1] == 1:
        return {"mean": coordinates[:, 0]}
    return {f"mean_{i + 1}": coordinates[:, i] for i in range(min(MEANS, coordinates.shape[1]))}


def discrete(shares: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Columns of laws on K classes: shares ``[R, K]`` against the truth's ``[1, K]``.

    ``heterozygosity = 1 - sum p_i^2``; ``kl = sum p_i ln(p_i / truth_i)``, nats;
    ``absorbed``: 1 where a single class has all the mass; ``alive_classes``: how many
    have any; ``missing_mass``: the truth's mass of the classes that have none.
    """
    alive = shares > 0
    return {
        "heterozygosity": 1 - shares.square().sum(1),
        "kl": (torch.xlogy(shares, shares) - torch.xlogy(shares, truth)).sum(1),
        "absorbed": (alive.sum(1) == 1).double(),
        "alive_classes": alive.sum(1).double(),
        "missing_mass": (truth * ~alive).sum(1),
    }
