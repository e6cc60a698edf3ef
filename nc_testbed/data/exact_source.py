"""Sources with an exact law: every chain draws
rows of its own, and fresh ones never end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.rng import SHARED, Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.imbalance import rarity_ranks
from nc_testbed.data.ranges import check_at_least, check_range
from nc_testbed.data.representation import sha256
from nc_testbed.data.source import Data, DataLaw


@dataclass(frozen=True)
class ClassLaws:
    """The laws of the classes of a two-dimensional source, before they are weighted.

    rows_of(labels, draws): rows ``[R, n, 2]`` float64 for labels ``[R, n]``.
    log_densities(x): of every class at rows ``[..., 2]``, ``[..., C]``, or None where
    they have no closed form. centres ``[C, 2]`` and scale: for mixtures of isotropic
    Gaussians. classes: names of the C classes; none for an unlabelled source.
    """

    name: str
    classes: tuple[str, ...]
    rows_of: Callable[[Tensor, Generators], Tensor]
    log_densities: Callable[[Tensor], Tensor] | None = None
    centres: Tensor | None = None
    scale: float | None = None

    def law(self, weights: Tensor) -> DataLaw:
        """The mixture with weights ``[C]``, or ``[R, C]`` where each chain has its own.

        With weights of each chain's own, ``draw`` and ``log_prob`` serve all R chains at
        once; rows ``[R, M, 2]`` and rows common to all chains ``[M, 2]`` both give
        ``[R, M]``.
        """

        def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, Tensor | None]:
            draws = streams(purpose)
            labels = draws.categorical(weights.to(draws.device), n)
            x = self.rows_of(labels, draws)
            return x, labels if self.classes else None

        def log_prob(x: Tensor) -> Tensor:
            assert self.log_densities is not None
            log_weights = weights.to(x.device).log()
            if weights.dim() == 2:
                log_weights = log_weights[:, None]  # [R, 1, C]
            return (self.log_densities(x) + log_weights).logsumexp(-1)

        return DataLaw(
            draw,
            log_prob=None if self.log_densities is None else log_prob,
            centres=self.centres,
            scale=self.scale,
            weights=weights if self.classes else None,
        )


@dataclass(frozen=True, kw_only=True)
class ExactSource(ABC):
    """Settings common to all exact laws; a source adds the laws of its classes.

    rows: training rows each chain draws. test_rows: rows in the held-out set that all
    chains share, rounded down to the same number of every class. imbalance_ratio:
    ratio >= 1 of the commonest to the rarest class's weight (None: equal weights); the
    rare classes rotate over chains. Raises BadInput where one is out of range.
    """

    rows: int = 1000
    test_rows: int = 2000
    imbalance_ratio: float | None = None

    def __post_init__(self) -> None:
        check_at_least("rows", self.rows, 1)
        check_at_least("test_rows", self.test_rows, 1)
        check_range("imbalance_ratio", self.imbalance_ratio, 1)

    @abstractmethod
    def class_laws(self) -> ClassLaws:
        """The laws of the classes."""

    def load(self, chains: int, seed: int, fresh: int, generations: int) -> Data:
        """The rows for chains 0..chains-1; see :class:`nc_testbed.data.source.Source`.

        Fresh rows are keyed by their generation, so a longer run draws the same ones
        first.
        """
        class_laws = self.class_laws()
        C = max(1, len(class_laws.classes))
        self._check_classes(class_laws)
        ranks = torch.from_numpy(rarity_ranks(np.ones(C), self.imbalance_ratio, chains))
        weights = _weights(ranks, self.imbalance_ratio)
        rotating = self.imbalance_ratio is not None and self.imbalance_ratio > 1
        law = class_laws.law(weights if rotating else weights[0])
        x, y = self._draw(law, RandomStreams(seed, tuple(range(chains))), fresh, generations)
        labels = (torch.arange(self.test_rows // C * C) % C)[None]
        held_out = class_laws.rows_of(labels, RandomStreams(0, (SHARED,))("held_out"))[0]
        position = torch.arange(x.shape[1]).repeat(chains, 1)
        return Data(
            name=class_laws.name,
            space=Space((2,), image=False),
            x=x,
            training=position[:, : self.rows],
            reserve=position[:, self.rows :],
            held_out=held_out,
            y=y,
            held_out_y=None if y is None else labels[0],
            shares=None if y is None else weights,
            rank=None if y is None else ranks,
            classes=class_laws.classes,
            law=law,
            record=self._record(class_laws.name, x, held_out),
        )

    def _check_classes(self, class_laws: ClassLaws) -> None:
        """Refuse an imbalance without classes, and a
        held-out set too small for all of them."""
        C = len(class_laws.classes)
        remedy = f"give null: {class_laws.name} has {C or 'no'} class{'' if C == 1 else 'es'}"
        ok = self.imbalance_ratio is None or C > 1
        require(ok, "imbalance_ratio", self.imbalance_ratio, remedy)
        remedy = f"give at least {C}, one row of each class"
        require(self.test_rows >= C, "test_rows", self.test_rows, remedy)

    def _draw(
        self, law: DataLaw, streams: RandomStreams, fresh: int, generations: int
    ) -> tuple[Tensor, Tensor | None]:
        """Training rows, then the fresh rows of every later generation, ``[R, N, 2]``."""
        draws = [law.draw(self.rows, streams, "rows")]
        if fresh:
            draws += [law.draw(fresh, streams.at(g), "fresh") for g in range(1, generations)]
        labels = [y for _, y in draws if y is not None]
        return torch.cat([x for x, _ in draws], 1), torch.cat(labels, 1) if labels else None

    def _record(self, name: str, x: Tensor, held_out: Tensor) -> dict[str, object]:
        """What was drawn, for the run's provenance."""
        return {
            "source": name,
            "x_sha256": sha256(x.numpy()),
            "held_out_sha256": sha256(held_out.numpy()),
            "split": {"held_out": len(held_out), "reserve": None, "training": self.rows},
            "rows_per_chain": self.rows,
        }


def _weights(ranks: Tensor, imbalance_ratio: float | None) -> Tensor:
    """Class weights ``[R, C]`` proportional to ``IR^(-rank/(C-1))``; equal for None."""
    C = ranks.shape[1]
    by_rank = (imbalance_ratio or 1.0) ** (
        -torch.arange(C, dtype=torch.float64) / max(1, C - 1)
    )
    return (by_rank / by_rank.sum())[ranks]
