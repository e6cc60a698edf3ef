"""Training sets: views of stored rows, of which only a batch is ever copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from nc_testbed.core.family import Family, Statistic
from nc_testbed.core.space import Space


class RowStream(Protocol):
    """A source of rows that never ends, see :class:`nc_testbed.loop.stream.Stream`."""

    def batch(self, size: int) -> Tensor:
        """The next rows, ``[R, size, D]``."""
        ...


@dataclass(frozen=True)
class TrainingSet:
    """m rows per chain as a view of the archive; :meth:`gather` copies only a batch.

    real: ``[S, N, D]``, S = 1 where all chains share them, else R. synthetic:
    ``[R, M, D]``, the sets of the last generations one after the other, n rows each.
    rows: ``[R, m]`` addresses, of real rows below N, of synthetic ones N and above.
    slot_origin: ``[window + 1]``, which generation each synthetic set is from, see
    :meth:`nc_testbed.loop.archive.Archive.origins`. weights: ``[R, m]`` >= 0 with mean 1
    in every chain, or None where all rows count the same. stream: where fresh rows come
    from that stand for the synthetic ones; None: the stored ones.
    """

    space: Space
    real: Tensor
    synthetic: Tensor
    rows: Tensor
    slot_origin: Tensor
    weights: Tensor | None = None
    stream: RowStream | None = None

    @property
    def size(self) -> int:
        """m, rows per chain."""
        return self.rows.shape[1]

    @property
    def in_place(self) -> bool:
        """Whether :meth:`gather` reads memory of its own
        device alone, the same every time."""
        return self.stream is None and self.synthetic.device == self.rows.device

    def gather(self, index: Tensor) -> Tensor:
        """The rows at these positions: ``index`` [R, B] in 0..m-1 to ``[R, B, D]``.

        With a stream every synthetic position gives a row that was never given before.
        """
        address = self.rows.gather(1, index)
        N = self.real.shape[1]
        chain = torch.arange(len(address), device=address.device)[:, None]
        real = self.real[chain if len(self.real) > 1 else 0, address.clamp(max=N - 1)]
        if self.synthetic.shape[1] == 0:
            return real
        if self.stream is None:
            # Beside a GPU the archive may lie in the host's memory: its rows are picked there.
            device = self.synthetic.device
            row = (address - N).clamp(min=0).to(device)
            synthetic = self.synthetic[chain.to(device), row].to(real.device)
        else:
            synthetic = self.stream.batch(index.shape[1])
        return torch.where((address < N)[..., None], real, synthetic)

    def all(self) -> Tensor:
        """Every row, ``[R, m, D]``, for models that need the whole set at once."""
        m = torch.arange(self.size, device=self.rows.device)
        return self.gather(m.expand(len(self.rows), -1))

    def sum_up(self, family: Family) -> Statistic:
        """Sufficient statistics of all rows, weighted as they are."""
        return family.summarise(self.all(), self.weights)

    def origin(self) -> Tensor:
        """Where each row came from, ``[R, m]``: 0 = real, g
        + 1 = sampled from generation g."""
        N = self.real.shape[1]
        slots = len(self.slot_origin) - 1
        n = max(1, self.synthetic.shape[1] // max(1, slots))
        slot = torch.where(self.rows < N, -1, (self.rows - N) // n)
        return self.slot_origin[slot + 1]

    @property
    def has_synthetic(self) -> bool:
        """Whether any row is synthetic."""
        return bool((self.rows >= self.real.shape[1]).any())

    def with_weights(self, weights: Tensor) -> TrainingSet:
        """The same rows with these weights ``[R, m]``, on top of those they have.

        A chain whose weights are all zero gets equal ones: there is nothing else to fit.
        """
        product = weights if self.weights is None else weights * self.weights
        mean = product.mean(1, keepdim=True)
        return replace(self, weights=torch.where(mean > 0, product / mean, 1.0))

    def with_stream(self, stream: RowStream) -> TrainingSet:
        """The same real rows, with fresh draws in the place of the synthetic ones."""
        return replace(self, stream=stream)

    def part(self, part: slice) -> TrainingSet:
        """The training sets of some of the chains."""
        assert self.stream is None, "a stream belongs to all the chains it was made for"
        return replace(
            self,
            real=rows_of_chains(self.real, part),
            synthetic=self.synthetic[part],
            rows=self.rows[part],
            weights=None if self.weights is None else self.weights[part],
        )


def rows_of_chains(real: Tensor, part: slice) -> Tensor:
    """The real rows ``[S, N, D]`` of some chains: all of them where S = 1, since all
    share them.

    >>> rows_of_chains(torch.zeros(1, 9, 2), slice(3, 5)).shape[0]
    1
    >>> rows_of_chains(torch.zeros(7, 9, 2), slice(3, 5)).shape[0]
    2
    """
    return real[part] if len(real) > 1 else real
