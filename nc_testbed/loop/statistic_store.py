"""The store of a run that draws no row: sufficient statistics, in blocks of chains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BLOCK, GPU_BLOCK
from nc_testbed.core.exactness import copy_aligned
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.core.interfaces import Fit, Progress, no_progress
from nc_testbed.core.machine import CORES, each
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data
from nc_testbed.loop.run import BEGINNING, LoopStore, Past, Run
from nc_testbed.loop.sufficient import Statistics

TOGETHER = 64
"""At most so many blocks of chains are taken through the generations together: more
would leave the processor's cache, fewer would leave its cores waiting for the
interpreter."""


@dataclass(frozen=True)
class UndrawnRows:
    """A training set of which the sufficient statistics were drawn, and no row."""

    statistic: Statistic
    space: Space

    @property
    def size(self) -> int:
        """Rows per chain that lie in memory: none."""
        return 0

    def part(self, part: slice) -> UndrawnRows:
        """The training sets of some of the chains."""
        values = {name: value[part] for name, value in self.statistic.values.items()}
        return UndrawnRows(Statistic(self.statistic.count, values), self.space)

    def sum_up(self, family: Family) -> Statistic:
        """The sufficient statistics."""
        return self.statistic


@final
class StatisticStore(LoopStore):
    """The chains in parts of whole blocks, each with an archive of its own.

    Streams belong to fixed blocks of chains (see :mod:`nc_testbed.core.block_rng`), so
    every part goes through the generations by itself, on a core of its own, as far as
    the next recorded one.
    """

    draw = "statistics"
    joins = False
    shrinks = False

    def __init__(self, run: Run, past: Past = BEGINNING) -> None:
        self.run = run
        self._slices = self.parts(run, 0)
        self.archives = [blank_statistics(run, part) for part in self._slices]
        if past.last is not None and past.statistic is not None:
            for part, archive in zip(self._slices, self.archives, strict=True):
                _restore(archive, past.last.state_dict(), past.statistic, part)
                archive.generation = past.skipped

    @staticmethod
    def stored_generations(generations: int, recorded: Sequence[int] | None) -> Sequence[int]:
        """The recorded ones: the others are passed through."""
        return range(generations) if recorded is None else recorded

    @staticmethod
    def history(run: Run) -> int:
        """None: the last fit stands for its synthetic set."""
        return 0

    @staticmethod
    def parts(run: Run, m: int) -> list[slice]:
        """Parts of whole blocks, a core's share at most on a CPU."""
        blocks = min(TOGETHER, -(-run.chains // (BLOCK * CORES)))
        together = GPU_BLOCK if run.device.type == "cuda" else blocks * BLOCK
        return list(parts(run.chains, together))

    def ahead(self) -> Iterable[int]:
        """The recorded generations that have not been reached."""
        begin = self.archives[0].generation
        return (g for g in self.run.stored_generations if g >= begin)

    def compose(self, streams: RandomStreams, progress: Progress = no_progress) -> UndrawnRows:
        """What the policy takes, after all generations between here and there."""
        model: Any = self.run.model
        policy = self.run.policy
        budget = self.run.budget
        finished: list[Statistics] = []

        def compose_part(archive: Statistics) -> Statistic:
            # Without it torch's bookkeeping takes a tenth of a small chain's time.
            with torch.inference_mode():
                while archive.generation < streams.generation:
                    archive.advance(model, policy, budget)
                statistic = archive.compose(policy, budget)
            finished.append(archive)
            progress(len(finished), len(self.archives))
            return statistic

        statistics = each(compose_part, self.archives, self.run.device)
        values = {
            name: torch.cat([part.values[name] for part in statistics])
            for name in statistics[0].values
        }
        return UndrawnRows(Statistic(statistics[0].count, values), self.run.data.space)

    def sample(self, fit: Fit, streams: RandomStreams) -> None:
        """Nothing: the next generation draws the statistics of as many rows as it takes."""

    def add(self, fit: Fit, synthetic: Tensor | None) -> None:
        """Keep a fit, which stands for its synthetic set."""
        weights = fit.state_dict()
        for part, archive in zip(self._slices, self.archives, strict=True):
            archive.add({name: value[part] for name, value in weights.items()})

    def pictures(self, fit: Fit) -> None:
        """None: a picture is made of rows."""

    def origin(self, training: UndrawnRows) -> dict[str, Any]:
        """The statistics that the fit was made from, and the number of their rows."""
        count = torch.tensor(training.statistic.count, dtype=torch.float64)
        return {"statistic": training.statistic.values | {"count": count}}


def law_data(family: Family, truth: Parameters, chains: int, device: torch.device) -> Data:
    """Data of which the law is known and no row was drawn."""
    space = Space((family.size,), image=False)
    rows = torch.empty(1, 0, family.size, dtype=space.dtype, device=device)
    addresses = torch.empty(chains, 0, dtype=torch.int64, device=device)
    law = {name: value.to(device) for name, value in truth.items()}
    return Data(
        name=type(family).__name__,
        space=space,
        x=rows,
        training=addresses,
        reserve=addresses,
        held_out=rows[0],
        true_parameters=((family, law),),
    )


def blank_statistics(run: Run, part: slice) -> Statistics:
    """The archive of some of a run's chains before generation 0."""
    budgets = run.policy.real_row_budget(run.sizes[1], run.budget)
    ((family, truth),) = run.data.true_parameters
    assert isinstance(run.seed, int), "runs on statistics are not joined"
    return Statistics(
        family=family,
        truth=truth,
        sizes=run.sizes,
        reused={source: k for source, k in budgets.items() if source != "fresh"},
        streams=RandomStreams(run.seed, tuple(range(part.start, part.stop)), 0, run.device),
        closed=not run.policy.trains_on_real,
        temperature=run.sampling.temperature,
    )


def _restore(
    archive: Statistics,
    weights: dict[str, Tensor],
    statistic: Any,
    part: slice,
) -> None:
    """Put an archive where it was when a generation had been fitted."""
    device = archive.streams.device
    values = {
        name: copy_aligned(value[part], device)
        for name, value in statistic.items()
        if name != "count"
    }
    archive.trained = Statistic(float(statistic["count"]), values)
    archive.parameters = {name: copy_aligned(v[part], device) for name, v in weights.items()}
