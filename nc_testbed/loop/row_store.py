"""The store of a run that draws every row: an archive, and what is asked of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Fit, Progress, no_progress
from nc_testbed.core.machine import CORES
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop import closed_loop as steps
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.lineage import lineage
from nc_testbed.loop.run import BEGINNING, LoopStore, Past, Run


@final
class RowStore(LoopStore):
    """All real rows and as many synthetic sets as the policy looks back on."""

    draw = "rows"
    joins = True
    shrinks = True

    def __init__(self, run: Run, past: Past = BEGINNING) -> None:
        self.run = run
        self.archive = blank_archive(run)
        self.archive.generations = past.skipped
        for synthetic in past.synthetic:
            with run.limits():  # as it was judged when it was drawn
                self.archive.add(synthetic, judge(run, synthetic))

    @staticmethod
    def stored_generations(generations: int, recorded: Sequence[int] | None) -> Sequence[int]:
        """All: the rows of each may be trained on later."""
        return range(generations)

    @staticmethod
    def history(run: Run) -> int:
        """The synthetic sets that the policy looks back on."""
        return run.policy.window or run.generations

    @staticmethod
    def parts(run: Run, m: int) -> list[slice]:
        """All chains on a GPU, a core's share of them on a
        CPU, fewer where memory says so."""
        space = run.data.space
        together = run.chains
        if run.device.type == "cpu":
            together = -(-run.chains // CORES) if run.model.stacks(space) else 1
        chain_bytes = run.model.workspace(space, m)
        together = run.compute.together(together, chain_bytes, run.device)
        return list(parts(run.chains, together))

    def ahead(self) -> Iterable[int]:
        """Every generation after those in the archive."""
        return range(self.archive.generations, self.run.generations)

    def compose(self, streams: RandomStreams, progress: Progress = no_progress) -> TrainingSet:
        """Generation 0's real rows, or what the policy takes from the archive."""
        if streams.generation == 0:
            training = self.archive.view(self.archive.training)
        else:
            training = self.run.policy.compose(self.archive, streams, self.run.budget)
        self._check_origin(training, streams.generation)
        return training

    def sample(self, fit: Fit, streams: RandomStreams) -> Tensor:
        """The synthetic set ``[R, n, D]`` of a fit."""
        return steps.sample(self.run, fit, self.run.sizes[streams.generation + 1], streams)

    def add(self, fit: Fit | None, synthetic: Tensor | None) -> Tensor:
        """Keep a synthetic set, judged where the policy asks; the set, as the archive
        has it."""
        assert synthetic is not None, "a store of rows keeps rows"
        self.archive.add(synthetic, judge(self.run, synthetic))
        if self.archive.window >= self.run.generations:
            return self.archive.last()  # nothing is overwritten: one copy is enough
        return synthetic

    def pictures(self, fit: Fit) -> Tensor:
        """Samples ``[R, m, D]`` on draws that stay the same over generations."""
        streams = self.run.streams(0).enter_scope("pictures")
        return steps.sample(self.run, fit, steps.PICTURES, streams)

    def origin(self, training: TrainingSet) -> dict[str, Any]:
        """The lineage of the rows trained on, for every run whose chains these are."""
        return {"lineage": tuple(lineage(training.part(run)) for run in self.run.runs)}

    def _check_origin(self, training: TrainingSet, generation: int) -> None:
        """Stop unless every real row is the chain's own, and none where none may be.

        Held-out rows are stored apart and have no address; a real address outside the
        chain's training rows and reserve is a fault of a policy, and so is any under
        replace. Raises AssertionError, under ``python -O`` too.
        """
        archive = self.archive
        N = archive.real.shape[1]
        real = training.rows < N
        if generation > 0 and not self.run.policy.trains_on_real and bool(real.any()):
            raise AssertionError("a real row was trained on under a policy that takes none")
        valid = torch.zeros(archive.chains, N, dtype=torch.bool, device=archive.real.device)
        valid.scatter_(1, archive.training, True).scatter_(1, archive.reserve, True)
        allowed = valid.gather(1, training.rows.clamp(max=N - 1)) | ~real
        if not bool(allowed.all()):
            raise AssertionError("a real row outside the chain's training rows and reserve")


def blank_archive(run: Run) -> Archive:
    """An archive that holds the real rows and has
    room for the past that the policy needs."""
    data = run.data
    return Archive(
        data.space,
        data.x,
        data.training,
        data.reserve,
        n=max(run.sizes[1:]),
        window=run.policy.window or run.generations,
        shares=data.shares,
        room=run.compute.budget(run.device) // 2,
        folder=run.scratch,
    )


def judge(run: Run, synthetic: Tensor) -> tuple[Tensor, Tensor] | None:
    """The referee's labels and confidence ``[R, n]`` of a synthetic set, if the policy
    asks; it has none in rows that it takes for no class."""
    if not run.policy.needs_classifier:
        return None
    referee = run.reference.referee
    classification = [referee.classify(referee.describe(rows)) for rows in synthetic]
    labels = torch.stack([c.label for c in classification])
    confidence = [torch.where(c.is_none, 0.0, c.confidence) for c in classification]
    return labels, torch.stack(confidence)
