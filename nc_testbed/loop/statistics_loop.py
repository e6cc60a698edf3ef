"""The closed loop on sufficient statistics: thousands of chains, any n, no rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nc_testbed.core.block_rng import BLOCK, GPU_BLOCK
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.family import Parameters, Statistic
from nc_testbed.core.interfaces import Generation, Policy, Progress, no_progress
from nc_testbed.core.machine import CORES, each
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.status import status
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.loop.sufficient import Statistics

TOGETHER = 64
"""At most so many blocks of chains are taken through the generations together: more would leave
the processor's cache, fewer would leave its cores waiting for the interpreter."""


@dataclass(frozen=True)
class Laboratory:
    """Everything a loop on statistics needs, fixed before it starts.

    truth: parameters ``[1, ...]`` in the model's family. sizes: rows of generation 0's real set,
    then of the synthetic set drawn from every generation. recorded: generations that are
    measured and yielded, ascending; the others are passed through.
    """

    model: FamilyModel
    truth: Parameters
    policy: Policy
    seed: int
    chains: int
    generations: int
    sizes: tuple[int, ...]
    budget: int | None
    recorded: tuple[int, ...]
    device: torch.device
    temperature: float = 1.0

    def archives(self) -> list[Statistics]:
        """The chains in parts of whole blocks, each with an archive of its own."""
        blocks = min(TOGETHER, -(-self.chains // (BLOCK * CORES)))
        together = GPU_BLOCK if self.device.type == "cuda" else blocks * BLOCK
        truth = {name: value.to(self.device) for name, value in self.truth.items()}
        held = self.policy.real_row_budget(self.sizes[1], self.budget)
        held = {source: k for source, k in held.items() if source != "fresh"}
        return [
            Statistics(
                family=self.model.family(),
                truth=truth,
                sizes=self.sizes,
                held=held,
                streams=RandomStreams(
                    self.seed, tuple(range(part.start, part.stop)), 0, self.device
                ),
                closed=not self.policy.trains_on_real,
                temperature=self.temperature,
            )
            for part in parts(self.chains, together)
        ]


def statistics_loop(
    lab: Laboratory, last: Generation | None = None, progress: Progress = no_progress
) -> Iterator[Generation]:
    """Every recorded generation, each from the statistics that the policy takes from the past.

    ``last`` is a generation already recorded: the loop goes on after it with the same streams,
    so it ends where an uninterrupted one ends.
    """
    archives, first = lab.archives(), 0
    if last is not None:
        first = last.number + 1
        for archive in archives:
            _restore(archive, last)
    for generation in (g for g in lab.recorded if g >= first):
        done: list[int] = []

        def run(archive: Statistics, until: int = generation, done: list[int] = done) -> None:
            with torch.inference_mode():  # a tenth of a small chain's time is torch's bookkeeping
                while archive.generation <= until:
                    archive.advance(lab.model, lab.policy, lab.budget)
            done.append(1)
            progress(len(done), len(archives))

        with one_thread():
            each(run, archives, lab.device)
            left = _gathered(archives, generation)
        yield left


def _gathered(archives: list[Statistics], number: int) -> Generation:
    """One generation of all chains."""
    fits = [archive.parameters for archive in archives]
    sums = [archive.trained for archive in archives]
    family, truth = archives[0].family, archives[0].truth
    columns = [family.columns(fit, truth) for fit in fits if fit is not None]
    count = torch.tensor(float(sums[0].count if sums[0] else 0), dtype=torch.float64)
    statistic = _joined([part.values for part in sums if part is not None])
    weights = _joined([fit for fit in fits if fit is not None])
    record = {name: value.cpu() for name, value in _joined(columns).items()}
    return Generation(
        number,
        weights=weights,
        record=record | {"status": status(weights, record)},
        statistic=statistic | {"count": count},
    )


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _restore(archive: Statistics, last: Generation) -> None:
    """Put an archive where it was when this generation had been fitted."""
    chains = slice(archive.streams.chains[0], archive.streams.chains[-1] + 1)
    device, sums = archive.streams.device, dict(last.statistic or {})
    count = float(sums.pop("count"))
    # Copies, since products round by where a chain begins in memory and files begin anywhere.
    values = {name: value[chains].to(device).clone() for name, value in sums.items()}
    archive.trained = Statistic(count, values)
    archive.parameters = {k: v[chains].to(device).clone() for k, v in last.weights.items()}
    archive.generation = last.number + 1
