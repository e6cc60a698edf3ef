"""Where every training row of a run came from: recomposed, or counted by the policy's rule."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from nc_testbed.config.config_file import root
from nc_testbed.core.errors import require
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.machine import memory_limit
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.closed_loop import compose, judge
from nc_testbed.loop.lineage import lineage
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.record.directory import RunDirectory, write
from nc_testbed.run.execute import recorded, synthetic
from nc_testbed.run.prepare import Prepared

Counted = dict[int, int]


@dataclass(frozen=True)
class Rows:
    """The training rows of a generation, ``[R, m]`` each.

    origin: 0 = real, g + 1 = sampled from generation g. row: the row's number in what it came
    from, the real rows or the chain's synthetic set. weights: None where all count the same.
    """

    generation: int
    origin: Tensor
    row: Tensor
    weights: Tensor | None
    lineage: dict[str, Any]

    @staticmethod
    def of(generation: int, training: TrainingSet, n: int) -> Rows:
        """n: the rows of the largest synthetic set."""
        N, rows = training.real.shape[1], training.rows
        row = torch.where(rows < N, rows, (rows - N) % n)
        return Rows(generation, training.origin(), row, training.weights, lineage(training))


def recomposed(prepared: Prepared, config: Mapping[str, Any], run: Path, T: int) -> Iterator[Rows]:
    """The training rows of generations 0..T-1, composed once more as the run composed them.

    config: as the run stored it. Raises BadInput where the data or the referee are not the run's.
    """
    directory, world = RunDirectory(run), prepared.world(print)
    same = root(recorded(config, world)) == root(config)
    require(same, "run", run, "was made from other real data or with another referee than here")
    archive = world.archive()
    for g in range(T):
        with one_thread(), memory_limit(world.compute, world.device):
            training = compose(world, archive, world.streams(g))
            rows = Rows.of(g, training, archive.n)
            made = synthetic(directory, world, g)
            archive.add(made, judge(world, made))
        yield rows


def export(rows: Sequence[Rows], out: Path) -> None:
    """Write ``origin_0003``, ``row_0003`` and, where rows are weighted, ``weight_0003`` of every
    generation to a .npz or a .safetensors file."""
    tensors = {}
    for one in rows:
        g = f"{one.generation:04d}"
        tensors |= {f"origin_{g}": one.origin.int().cpu(), f"row_{g}": one.row.int().cpu()}
        if one.weights is not None:
            tensors[f"weight_{g}"] = one.weights.cpu()
    if out.suffix == ".safetensors":
        write(out, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    else:
        sink = io.BytesIO()
        np.savez_compressed(sink, **{name: tensor.numpy() for name, tensor in tensors.items()})
        write(out, sink.getvalue())


def counted(lab: Laboratory, generations: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The lineage ``{"rows": {origin: rows}}`` of a chain of a run on sufficient statistics."""
    return {
        g: {"rows": {str(origin): n for origin, n in sorted(_counts(lab, g).items()) if n}}
        for g in generations
    }


def _counts(lab: Laboratory, generation: int) -> Counted:
    if generation == 0:
        return {0: lab.sizes[0]}
    streams = RandomStreams(lab.seed, (0,), generation)
    return lab.policy.compose(Counts(lab.sizes, generation), streams, lab.budget)


@dataclass(frozen=True)
class Counts:
    """A store whose parts are {origin: rows}: what a policy takes, without the rows."""

    sizes: Sequence[int]
    generation: int

    @property
    def size(self) -> int:
        """n, the rows of the last synthetic set."""
        return self.sizes[self.generation]

    @property
    def first(self) -> int:
        """n0, the real rows of generation 0."""
        return self.sizes[0]

    def original(self) -> Counted:
        """Generation 0's real rows."""
        return {0: self.first}

    def latest(self, m: int) -> Counted:
        """m rows of the last synthetic set."""
        return {self.generation: m}

    def everything(self, budget: int | None, streams: RandomStreams) -> Counted:
        """All rows so far; a budget of them would need the rows."""
        assert budget is None, "a budget is drawn from stored rows"
        return dict(enumerate(self.sizes[: self.generation + 1]))

    def fresh(self, k: int, streams: RandomStreams) -> Counted:
        """k real rows."""
        return {0: k}

    pool = fixed = fresh

    def collected(self, k: int, streams: RandomStreams) -> Counted:
        """Real rows alone."""
        return {0: self.first + self.generation * k}

    def view(self, *parts: Counted) -> Counted:
        """The sum of all parts."""
        return {g: sum(part.get(g, 0) for part in parts) for part in parts for g in part}
