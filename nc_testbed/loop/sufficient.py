"""The archive of a run whose rows are never drawn: their sufficient statistics are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.core.rng import RandomStreams


@dataclass
class Statistics:
    """Real and synthetic rows of some chains, as the statistics of as many as are asked
    for.

    It stands where :class:`nc_testbed.loop.archive.Archive` stands for stored rows and
    follows the same law: m rows of the last synthetic set are m draws from the last
    fit. What went before is kept as the running sums ``trained``, so accumulating costs
    no more than replacing.

    truth: parameters ``[1, ...]``. sizes: rows of generation 0's real set, then of every
    synthetic set. reused: real rows by source that are used again (``pool``, ``fixed``).
    closed: no real row may be taken after generation 0. temperature: of synthetic rows.
    """

    family: Family
    truth: Parameters
    sizes: Sequence[int]
    reused: Mapping[str, int]
    streams: RandomStreams
    closed: bool = False
    temperature: float = 1.0
    generation: int = 0
    trained: Statistic | None = None
    parameters: Parameters | None = None

    def advance(self, model: Any, policy: Any, budget: int | None) -> None:
        """Go on by one generation: compose its training
        statistics, fit them, keep the fit."""
        self.add(model.estimate(self.compose(policy, budget)))

    def compose(self, policy: Any, budget: int | None) -> Statistic:
        """The next generation's training statistics."""
        if self.generation == 0:
            self.trained = self.original()
        else:
            self.trained = policy.compose(self, self.streams.at(self.generation), budget)
        return self.trained

    def add(self, parameters: Parameters) -> None:
        """Keep the next generation's fit, of which its synthetic set is drawn when
        asked for."""
        self.parameters = parameters
        self.generation += 1

    @property
    def size(self) -> int:
        """n, the rows of the last synthetic set."""
        return self.sizes[self.generation]

    @property
    def first(self) -> int:
        """n0, the real rows of generation 0."""
        return self.sizes[0]

    def original(self) -> Statistic:
        """Generation 0's real rows, those that are used again among them."""
        self._check_open()
        n0 = self.sizes[0]
        start = self.streams.at(0)
        if "pool" in self.reused:
            return self.family.summarise(self._pool)
        fixed = self.reused.get("fixed", 0)
        others = self._draw(self._truth, n0 - fixed, start, "rows")
        return self.view(self.fixed_rows(fixed, start), others)

    def latest(self, m: int) -> Statistic:
        """m rows of the last fit."""
        assert self.parameters is not None
        law = self.parameters
        streams = self.streams.at(self.generation - 1)
        if self.temperature != 1:
            law = self.family.temper(law, self.temperature)
        return self._draw(law, m, streams, "sample")

    def everything(self, budget: int | None, streams: RandomStreams) -> Statistic:
        """The running sums and the last synthetic set."""
        self._check_open()
        assert budget is None and self.trained is not None, "a budget is drawn from stored rows"
        return self.view(self.trained, self.latest(self.size))

    def fresh(self, k: int, streams: RandomStreams) -> Statistic:
        """k new rows of the truth."""
        return self._draw(self._truth, k, streams, "fresh")

    def pool(self, k: int, streams: RandomStreams) -> Statistic:
        """k of generation 0's rows, or all that there are; they are stored for it."""
        self._check_open()
        k = min(k, self.sizes[0])
        pick = BlockGenerator(streams, "anchors").choice(self.sizes[0], k)[..., None]
        return self.family.summarise(
            self._pool.gather(1, pick.expand(-1, -1, self.family.size))
        )

    def fixed_rows(self, k: int, streams: RandomStreams) -> Statistic:
        """The same k rows of generation 0 in every generation."""
        return self._draw(self._truth, k, streams.at(0), "fixed")

    def collected_rows(self, k: int, streams: RandomStreams) -> Statistic:
        """The real rows so far, which are all that was trained on, and k more."""
        assert self.trained is not None
        return self.view(self.trained, self.fresh(k, streams))

    def view(self, *parts: Statistic) -> Statistic:
        """The statistics of all parts together."""
        first, *others = (part for part in parts if part.count > 0)
        total = first
        for part in others:
            total = self.family.merge(total, part)
        return total

    @cached_property
    def _pool(self) -> torch.Tensor:
        return self.family.rows(self._truth, self.sizes[0], self.streams.at(0), "rows")

    @cached_property
    def _truth(self) -> Parameters:
        R = len(self.streams.chains)
        return {name: value.expand(R, *value.shape[1:]) for name, value in self.truth.items()}

    def _draw(
        self, parameters: Parameters, m: int, streams: RandomStreams, purpose: str
    ) -> Statistic:
        if m == 0:
            return Statistic(0, {})
        if parameters is self._truth:
            self._check_open()
        return self.family.draw(parameters, m, streams, purpose)

    def _check_open(self) -> None:
        if self.closed and self.generation > 0:
            raise AssertionError("a real row was trained on under a policy that takes none")
