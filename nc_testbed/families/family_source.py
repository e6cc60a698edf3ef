"""Data that follow the law of an exponential family, or of a companion of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.representation import sha256
from nc_testbed.data.source import Data, DataLaw

Laws = tuple[tuple[Family, Parameters], ...]
"""Families with the parameters ``[1, ...]`` at which each of them is the truth."""


@dataclass(frozen=True, kw_only=True)
class FamilySource(ABC):
    """Settings common to all families; a source adds its truth.

    rows: real rows of generation 0, drawn by each chain; None = n, or 100 where n is None
    too. test_rows: rows shared by all chains, for metrics that need rows. Raises BadInput
    where one is out of range.
    """

    rows: int | None = None
    test_rows: int = 1000

    def __post_init__(self) -> None:
        valid = self.rows is None or self.rows >= 1
        require(valid, "rows", self.rows, "give at least 1 row, or null for n")
        require(self.test_rows >= 1, "test_rows", self.test_rows, "give at least 1 row")

    @abstractmethod
    def laws(self) -> Laws:
        """The truth, in every family that holds it; rows are drawn from the first."""

    def load(self, chains: int, seed: int, fresh: int, generations: int) -> Data:
        """The rows for chains 0..chains-1; see :class:`nc_testbed.data.source.Source`.

        Fresh rows are keyed by their generation, so a longer run draws the same ones
        first.
        """
        family, truth = self.laws()[0]
        n0 = self.rows or 100
        streams = RandomStreams(seed, tuple(range(chains)))
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
    """The law of rows, with the same parameters in every chain."""

    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, None]:
        chains = len(streams.chains)
        shared = {k: v.expand(chains, *v.shape[1:]) for k, v in truth.items()}
        return family.rows(shared, n, streams, purpose), None

    def log_prob(rows: Tensor) -> Tensor:
        return family.log_prob(truth, rows)[0]

    return DataLaw(draw, log_prob)


def one_value(value: float) -> Tensor:
    """A parameter that all chains share, ``[1]`` float64."""
    return torch.tensor([value], dtype=torch.float64)
