"""All rows of a run, and training sets as views of them: nothing is concatenated or copied."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nc_testbed.rng import Draws
from nc_testbed.types import Space


@dataclass
class Archive:
    """Real rows and the synthetic rows of the generations so far, addressed by one number.

    Address a < N is real row a; the others are ``N + slot * n + i``, row i of the synthetic set
    in that slot of the chain's own store. ``window`` slots are kept (generation g in slot
    g mod window), so policies that never look back need not hold the whole past.

    real: ``[S, N, D]`` stored rows, S = 1 when all chains share them, else R.
    training, reserve: ``[R, n0]`` and ``[R, m]`` addresses of generation 0's rows and of the
    never-used rows, in the order of their use. synthetic: ``[R, window * n, D]``.
    """

    space: Space
    real: Tensor
    training: Tensor
    reserve: Tensor
    n: int
    window: int
    generations: int = 0  # synthetic sets added so far

    def __post_init__(self) -> None:
        shape = (self.chains, self.window * self.n, self.space.size)
        self.synthetic = torch.empty(shape, dtype=self.space.dtype, device=self.real.device)

    @property
    def chains(self) -> int:
        """R."""
        return self.training.shape[0]

    def add(self, synthetic: Tensor) -> None:
        """Store the synthetic set ``[R, n, D]`` of the next generation."""
        start = (self.generations % self.window) * self.n
        self.synthetic[:, start : start + self.n] = synthetic
        self.generations += 1

    def latest(self) -> Tensor:
        """Addresses ``[R, n]`` of the last generation's synthetic rows."""
        return self.addresses(self.generations - 1)

    def addresses(self, generation: int) -> Tensor:
        """Addresses ``[R, n]`` of one generation's synthetic rows, if still in the window."""
        if not max(0, self.generations - self.window) <= generation < self.generations:
            raise IndexError(f"generation {generation} is not in the archive")
        start = self.real.shape[1] + (generation % self.window) * self.n
        row = torch.arange(start, start + self.n, device=self.real.device)
        return row.expand(self.chains, -1)

    def view(self, rows: Tensor) -> TrainingSet:
        """The training set made of these addresses, ``[R, m]``."""
        return TrainingSet(self.space, self.real, self.synthetic, rows, self.origins())

    def origins(self) -> Tensor:
        """Generation of origin by slot, ``[window + 1]``: 0 for real, g + 1 for sampled from g."""
        slots = torch.arange(self.window, device=self.real.device)
        last = self.generations - 1
        return torch.cat([slots.new_zeros(1), last - (last - slots) % self.window + 1])


@dataclass(frozen=True)
class TrainingSet:
    """m rows per chain as a view of the archive; :meth:`gather` copies only a batch.

    rows: ``[R, m]`` addresses. slot_origin: ``[window + 1]``, see :meth:`Archive.origins`.
    """

    space: Space
    real: Tensor
    synthetic: Tensor
    rows: Tensor
    slot_origin: Tensor

    @property
    def size(self) -> int:
        """m, rows per chain."""
        return self.rows.shape[1]

    def gather(self, index: Tensor) -> Tensor:
        """The stored rows at these positions: ``index`` [R, B] in 0..m-1 to ``[R, B, D]``."""
        address = self.rows.gather(1, index)
        N = self.real.shape[1]
        chain = torch.arange(len(address), device=address.device)[:, None]
        real = self.real[chain if len(self.real) > 1 else 0, address.clamp(max=N - 1)]
        if self.synthetic.shape[1] == 0:
            return real
        synthetic = self.synthetic[chain, (address - N).clamp(min=0)]
        return torch.where((address < N)[..., None], real, synthetic)

    def all(self) -> Tensor:
        """Every row, ``[R, m, D]``, for models that need the whole set at once."""
        m = torch.arange(self.size, device=self.rows.device)
        return self.gather(m.expand(len(self.rows), -1))

    def origin(self) -> Tensor:
        """Where each row came from, ``[R, m]``: 0 = real, g + 1 = sampled from generation g."""
        N, slots = self.real.shape[1], len(self.slot_origin) - 1
        n = max(1, self.synthetic.shape[1] // max(1, slots))
        slot = torch.where(self.rows < N, -1, (self.rows - N) // n)
        return self.slot_origin[slot + 1]

    def part(self, part: slice) -> TrainingSet:
        """The training sets of some of the chains."""
        real = self.real[part] if len(self.real) > 1 else self.real
        return replace(self, real=real, synthetic=self.synthetic[part], rows=self.rows[part])


def thin(rows: Tensor, budget: int | None, draws: Draws) -> Tensor:
    """At most ``budget`` of the addresses [R, m], uniformly without replacement.

    >>> from nc_testbed.rng import Streams
    >>> rows = torch.arange(10).expand(2, -1)
    >>> thin(rows, 4, Streams(0, (0, 1))("budget")).shape
    torch.Size([2, 4])
    """
    if budget is None or budget >= rows.shape[1]:
        return rows
    return rows.gather(1, draws.permutation(rows.shape[1])[:, :budget])
