"""Where every training row of a run came from:
recomposed, or counted by the policy's rule."""

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
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.lineage import lineage
from nc_testbed.loop.row_store import RowStore
from nc_testbed.record.directory import RunDirectory, write
from nc_testbed.record.facts import with_facts
from nc_testbed.run.execute import synthetic
from nc_testbed.run.prepare import Prepared

Counted = dict[int, int]


@dataclass(frozen=True)
class TrainingRows:
    """The training rows of a generation, ``[R, m]`` each.

    origin: 0 = real, g + 1 = sampled from generation g. row: the row's number in what
    it came from, the real rows or the chain's synthetic set. weights: None where all
    count the same.
    """

    generation: int
    origin: Tensor
    row: Tensor
    weights: Tensor | None
    lineage: dict[str, Any]

    @staticmethod
    def of(generation: int, training: TrainingSet, n: int) -> TrainingRows:
        """n: the rows of the largest synthetic set."""
        N = training.real.shape[1]
        row = torch.where(training.rows < N, training.rows, (training.rows - N) % n)
        origin = training.origin()
        return TrainingRows(generation, origin, row, training.weights, lineage(training))


def recompose(
    prepared: Prepared, config: Mapping[str, Any], path: Path, T: int
) -> Iterator[TrainingRows]:
    """The training rows of generations 0..T-1, composed once more as the run composed
    them.

    config: as the run stored it. Raises BadInput where the data or the referee are not
    the run's.
    """
    directory = RunDirectory(path)
    run = prepared.run(print)
    same = root(with_facts(config, run)) == root(config)
    remedy = "was made from other real data or with another referee than here"
    require(same, "run", path, remedy)
    store = RowStore(run)
    for g in range(T):
        with run.limits():
            training = store.compose(run.streams(g))
            rows = TrainingRows.of(g, training, store.archive.n)
            store.add(None, synthetic(directory, run, g))
        yield rows


def export(generations: Sequence[TrainingRows], out: Path) -> None:
    """Write ``origin_0003``, ``row_0003`` and, where rows are weighted, ``weight_0003``
    of every generation to a .npz or a .safetensors file."""
    tensors = {}
    for rows in generations:
        g = f"{rows.generation:04d}"
        tensors[f"origin_{g}"] = rows.origin.int().cpu()
        tensors[f"row_{g}"] = rows.row.int().cpu()
        if rows.weights is not None:
            tensors[f"weight_{g}"] = rows.weights.cpu()
    if out.suffix == ".safetensors":
        write(out, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    else:
        sink = io.BytesIO()
        np.savez_compressed(sink, **{name: tensor.numpy() for name, tensor in tensors.items()})
        write(out, sink.getvalue())


def count_rows(run: Prepared, generations: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The lineage ``{"rows": {origin: rows}}`` of
    a chain of a run on sufficient statistics."""
    lineages = {}
    for g in generations:
        counts = sorted(_counts(run, g).items())
        lineages[g] = {"rows": {str(origin): n for origin, n in counts if n}}
    return lineages


def _counts(run: Prepared, generation: int) -> Counted:
    if generation == 0:
        return {0: run.sizes[0]}
    streams = RandomStreams(run.settings.seed, (0,), generation)
    return run.policy.compose(Counts(run.sizes, generation), streams, run.settings.budget)


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

    pool = fixed_rows = fresh

    def collected_rows(self, k: int, streams: RandomStreams) -> Counted:
        """Real rows alone."""
        return {0: self.first + self.generation * k}

    def view(self, *parts: Counted) -> Counted:
        """The sum of all parts."""
        return {g: sum(part.get(g, 0) for part in parts) for part in parts for g in part}
