"""The steps of a fit by Adam: their inputs, and on
a GPU one step recorded and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Progress
from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.models.adam import Adam

BLOCK = 64
"""Steps whose noise is drawn at once; part of the stream's definition on a GPU."""
WARM_UP = 3
"""Steps before one is recorded, in which libraries choose their algorithms."""


class Inputs:
    """Rows in random order, again and again, and noise, for one step after the other.

    A recorded step reads the same memory at every replay. So the inputs of a whole block
    lie in memory of their own, and a counter on the device says which of them come next.
    Rows that cannot be read while a step is replayed (drawn afresh, or not on the device)
    lie there too; of the others only positions do. shape: rows of a batch, and numbers of
    noise for each.
    """

    def __init__(
        self,
        training: TrainingSet,
        shape: tuple[int, int],
        steps: int,
        streams: RandomStreams,
    ):
        self._training = training
        self.steps = steps
        self.device = training.rows.device
        self._positions = _positions(training.size, shape[0], steps, streams("fit.order"))
        self._noise = _noise(steps, shape, streams("fit.noise"))
        self._next = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._block: dict[str, Tensor] = {}

    def blocks(self) -> Iterator[int]:
        """Load block after block; the number of steps in each."""
        for positions, noise in zip(self._positions, self._noise, strict=True):
            block = {"noise": noise}
            if self._training.weights is not None:
                flat = positions.transpose(0, 1).flatten(1)
                weights = self._training.weights.gather(1, flat).float()
                block["weights"] = weights.view(len(flat), len(noise), -1).transpose(0, 1)
            if self._training.in_place:
                block["positions"] = positions
            else:
                block["rows"] = torch.stack(
                    [self._training.gather(index) for index in positions]
                )
            self._load(block)
            yield len(positions)

    def take(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows ``[R, B, D]``, noise ``[R, B, L]`` and
        weights ``[R, B]`` of the next step."""
        step = {k: values.index_select(0, self._next)[0] for k, values in self._block.items()}
        self._next.add_(1)
        rows = step["rows"] if "rows" in step else self._training.gather(step["positions"])
        return rows, step["noise"], step.get("weights")

    def rewind(self) -> None:
        """Take the block's steps from its first one on."""
        self._next.zero_()

    def _load(self, block: dict[str, Tensor]) -> None:
        """Copy a block to the memory that steps read.

        The first block makes that memory, and no later one is longer.
        """
        self.rewind()
        if not self._block:
            self._block = {name: values.contiguous() for name, values in block.items()}
        else:
            for name, values in block.items():
                self._block[name][: len(values)] = values


def take_steps(
    step: Callable[[], None], adam: Adam, inputs: Inputs, progress: Progress
) -> None:
    """Take all the steps there are inputs for; see :func:`record_step`.

    A block in which a chain has got lost is taken again: the others end with the same
    bits.
    """
    done = 0
    take = None

    def restart() -> None:
        adam.restart()
        inputs.rewind()

    for size in inputs.blocks():
        adam.checkpoint()
        take = take or record_step(step, restart, inputs.device)
        for _ in range(size):
            take()
            done += 1
            progress(done, inputs.steps)
        if adam.lost():
            restart()
            for _ in range(size):
                adam.watch(step)
        else:
            adam.hold()


def record_step(
    step: Callable[[], None], restart: Callable[[], None], device: torch.device
) -> Callable[[], None]:
    """On a GPU a step that is launched as one graph, else the step itself.

    The step must read and write memory that stays where it is and never wait for the
    device. ``restart`` undoes the steps that warm up; recording a step takes none.
    """
    if device.type != "cuda":
        return step
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
            restart()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # On the stream of the warm-up, where libraries have made their workspaces.
    with torch.cuda.graph(graph, stream=side):
        step()
    return graph.replay


def _positions(m: int, batch: int, steps: int, draws: Generators) -> Iterator[Tensor]:
    """Positions ``[S, R, B]`` of up to BLOCK steps:
    the rows in random order, again and again."""
    order = draws.permutation(m)
    for size in _sizes(steps):
        missing = math.ceil((size * batch - order.shape[1]) / m)
        order = torch.cat([order, *(draws.permutation(m) for _ in range(missing))], 1)
        block, order = order.tensor_split([size * batch], 1)
        yield block.unflatten(1, (size, batch)).transpose(0, 1)


def _noise(steps: int, shape: tuple[int, int], draws: Generators) -> Iterator[Tensor]:
    """Standard normals ``[S, R, B, L]`` of up to BLOCK steps."""
    return (draws.normal(size, *shape).transpose(0, 1) for size in _sizes(steps))


def _sizes(steps: int) -> Iterable[int]:
    """Steps in every block."""
    return (min(BLOCK, steps - start) for start in range(0, steps, BLOCK))
