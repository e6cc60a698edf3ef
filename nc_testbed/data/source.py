"""What every source of data gives to the loop: rows, and what is known of their law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nc_testbed.core.family import Family, Parameters
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space


@dataclass(frozen=True)
class DataLaw:
    """The exact law of a source's rows, where there is one.

    draw(n, streams, purpose): ``[R, n, D]`` float64 rows and ``[R, n]`` int64 labels (or
    None). log_prob(x): log density of rows ``[..., D]``, or None where it has no closed
    form. centres ``[C, D]``, scale (standard deviation of one mode) and weights ``[C]``:
    set for mixtures of isotropic Gaussians, so that modes can be counted. Under imbalance
    the rare class rotates over chains: weights are ``[R, C]``, and draw and log_prob
    serve all R chains.
    """

    draw: Callable[[int, RandomStreams, str], tuple[Tensor, Tensor | None]]
    log_prob: Callable[[Tensor], Tensor] | None = None
    centres: Tensor | None = None
    scale: float | None = None
    weights: Tensor | None = None


@dataclass(frozen=True)
class Data:
    """Real rows, how chains use them, and what is known about their law.

    x: ``[S, N, D]`` stored real rows for training and reserve; S = 1 when all chains
    share them, R when every chain draws its own from an exact law. y: ``[S, N]`` int64
    classes. training ``[R, n0]``: rows (positions in x) of generation 0. reserve
    ``[R, m]``: rows that no generation has seen, in the order in which FRESH anchors use
    them. held_out ``[H, D]``, held_out_y ``[H]``: never trained on, the same number of
    each class. calibrators ``[K, D]``, calibrators_y ``[K]``: further rows like them,
    None or empty where there are no more. shares ``[R, C]``: class shares of each chain's
    training rows. rank ``[R, C]``: rarity rank of each class in each chain, 0 the
    commonest. classes: names of the C classes. referee_rows ``[L]`` int64: positions in
    x (S = 1) of the rows that a referee may learn from, neither held out nor in reserve;
    empty where an exact law draws the rows, and a referee learns from rows of its own.
    true_parameters: families that hold the law, with its parameters ``[1, ...]`` in
    each. record: what provenance tells of the rows: sha256 of files, sizes of the split.
    """

    name: str
    space: Space
    x: Tensor
    training: Tensor
    reserve: Tensor
    held_out: Tensor
    y: Tensor | None = None
    held_out_y: Tensor | None = None
    calibrators: Tensor | None = None
    calibrators_y: Tensor | None = None
    shares: Tensor | None = None
    rank: Tensor | None = None
    classes: tuple[str, ...] = ()
    referee_rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    law: DataLaw | None = None
    true_parameters: tuple[tuple[Family, Parameters], ...] = ()
    record: dict[str, object] = field(default_factory=dict)

    @property
    def provides(self) -> frozenset[str]:
        """What these data offer to metrics, of: labels,
        tail, image, planar, modes, density."""
        offers = {
            "labels": self.y is not None,
            "tail": self.has_tail,
            "image": self.space.image,
            "planar": self.space.event == (2,),
            "modes": self.law is not None and self.law.centres is not None,
            "density": self.law is not None and self.law.log_prob is not None,
        }
        return frozenset(word for word, holds in offers.items() if holds)

    @property
    def has_shared_rows(self) -> bool:
        """Whether all chains have the same stored rows."""
        return len(self.x) == 1

    def rows_of(self, chain: int) -> Tensor:
        """The stored rows ``[N, D]`` of a chain; its
        ``training`` and ``reserve`` say which."""
        return self.x[0 if self.has_shared_rows else chain]

    def without_labels(self) -> Data:
        """The same rows as if nobody knew their classes."""
        unknown = {"y": None, "held_out_y": None, "calibrators_y": None}
        return replace(self, **unknown, shares=None, rank=None, classes=())

    @property
    def has_tail(self) -> bool:
        """Whether the commonest class has at least twice the share of the rarest."""
        if self.shares is None:
            return False
        return bool((self.shares.amax(1) >= 2 * self.shares.amin(1)).all())


@runtime_checkable
class Source(Protocol):
    """Settings of a data source; ``load`` reads or draws the rows."""

    def load(self, chains: int, seed: int, fresh: int, generations: int) -> Data:
        """The rows for chains 0..chains-1 on the CPU.

        ``fresh`` never-seen real rows are needed in every generation after generation 0.
        Raises BadInput with the key relative to the ``data`` group.
        """
        ...
