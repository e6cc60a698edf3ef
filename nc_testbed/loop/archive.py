"""All rows of a run, and training sets as views of
them: nothing is concatenated or copied."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.storage import storage
from nc_testbed.core.training_set import TrainingSet, rows_of_chains


@dataclass
class Archive:
    """Real rows and the synthetic rows of the generations so far, addressed by one
    number.

    Address a < N is real row a; the others are ``N + slot * n + i``, row i of the
    synthetic set in that slot of the chain's own store. ``window`` slots are kept
    (generation g in slot g mod window), so policies that never look back need not hold
    the whole past.

    real: ``[S, N, D]`` stored rows, S = 1 when all chains share them, else R. training,
    reserve: ``[R, n0]`` and ``[R, m]`` addresses of generation 0's rows and of the
    never-used rows, in the order of their use. synthetic: ``[R, window * n, D]``; a set
    may have fewer than n rows.
    """

    space: Space
    real: Tensor
    training: Tensor
    reserve: Tensor
    n: int
    window: int
    generations: int = 0  # synthetic sets added so far
    shares: Tensor | None = None  # class shares of the real rows [R, C], for policies that ask
    room: float = inf  # bytes of its device that all rows may take
    folder: str | None = None  # where rows beyond that are kept, see storage

    def __post_init__(self) -> None:
        shape = (self.chains, self.window * self.n, self.space.size)
        room = self.room - self.real.nbytes
        self.synthetic = storage(shape, self.space.dtype, self.real.device, room, self.folder)
        self._sizes = [0] * self.window  # rows of the set in every slot
        self._opinion: tuple[Tensor, Tensor] | None = None

    @property
    def chains(self) -> int:
        """Number of chains R."""
        return self.training.shape[0]

    def add(self, synthetic: Tensor, opinion: tuple[Tensor, Tensor] | None = None) -> None:
        """Store the synthetic set ``[R, m, D]``, m <= n, of the next generation.

        opinion: the referee's labels and confidence of these rows, ``[R, m]`` each.
        """
        slot = self.generations % self.window
        start = slot * self.n
        self._sizes[slot] = synthetic.shape[1]
        columns = slice(start, start + synthetic.shape[1])
        self.synthetic[:, columns] = synthetic
        if opinion is not None:
            if self._opinion is None:
                labels, confidence = (x.new_zeros(self.synthetic.shape[:2]) for x in opinion)
                self._opinion = labels, confidence
            for stored, new in zip(self._opinion, opinion, strict=True):
                stored[:, columns] = new
        self.generations += 1

    def part(self, part: slice) -> Archive:
        """The archive of some of the chains, a view: sets
        are added to the whole alone."""
        view = copy(self)
        view.real = rows_of_chains(self.real, part)
        view.training = self.training[part]
        view.reserve = self.reserve[part]
        view.synthetic = self.synthetic[part]
        view.shares = None if self.shares is None else self.shares[part]
        if self._opinion is not None:
            labels, confidence = self._opinion
            view._opinion = labels[part], confidence[part]
        return view

    def last(self) -> Tensor:
        """The last synthetic set ``[R, m, D]``, a view of where it lies."""
        start = (self.generations - 1) % self.window * self.n
        return self.synthetic[:, start : start + self.size]

    @property
    def size(self) -> int:
        """Rows of the last synthetic set."""
        return self._sizes[(self.generations - 1) % self.window]

    @property
    def first(self) -> int:
        """n0, the real rows of generation 0."""
        return self.training.shape[1]

    def original(self) -> Tensor:
        """Addresses ``[R, n0]`` of generation 0's real rows."""
        return self.training

    def latest(self, m: int) -> Tensor:
        """Addresses ``[R, m]`` of the first rows of the last synthetic set."""
        return self.addresses(self.generations - 1)[:, :m]

    def everything(self, budget: int | None, streams: RandomStreams) -> Tensor:
        """Addresses of the real rows of generation 0 and all synthetic ones, or of a
        budget of them, uniformly without replacement."""
        synthetic = [self.addresses(g) for g in range(self.generations)]
        return thin(torch.cat([self.training, *synthetic], 1), budget, streams("budget"))

    def fresh(self, k: int, streams: RandomStreams) -> Tensor:
        """Addresses ``[R, k]`` of the next never-used rows, by generation."""
        start = (streams.generation - 1) * k
        if start + k > self.reserve.shape[1]:
            raise AssertionError("the reserve has run out: a fresh row would be used twice")
        return self.reserve[:, start : start + k]

    def pool(self, k: int, streams: RandomStreams) -> Tensor:
        """Addresses ``[R, k]`` of real rows of generation 0, drawn anew."""
        return thin(self.training, k, streams("anchors"))

    def fixed_rows(self, k: int, streams: RandomStreams) -> Tensor:
        """Addresses ``[R, k]`` of real rows of generation
        0, the same in every generation."""
        return thin(self.training, k, streams.at(0)("anchors"))

    def collected_rows(self, k: int, streams: RandomStreams) -> Tensor:
        """Addresses of generation 0's real rows and of k
        fresh ones per generation since."""
        count = streams.generation * k
        if count > self.reserve.shape[1]:
            raise AssertionError("the reserve has run out: a fresh row would be used twice")
        return torch.cat([self.training, self.reserve[:, :count]], 1)

    def addresses(self, generation: int) -> Tensor:
        """Addresses ``[R, m]`` of one generation's
        synthetic rows, if still in the window."""
        if not max(0, self.generations - self.window) <= generation < self.generations:
            raise IndexError(f"generation {generation} is not in the archive")
        slot = generation % self.window
        start = self.real.shape[1] + slot * self.n
        row = torch.arange(start, start + self._sizes[slot], device=self.real.device)
        return row.expand(self.chains, -1)

    def view(self, *parts: Tensor) -> TrainingSet:
        """The training set made of these addresses, ``[R, m]`` each."""
        rows = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return TrainingSet(self.space, self.real, self.synthetic, rows, self.origins())

    def label_of(self, rows: Tensor) -> Tensor:
        """The referee's class of synthetic rows at
        addresses ``[R, m]``, 0 for real ones."""
        return self._opinion_of(rows, 0)

    def confidence_of(self, rows: Tensor) -> Tensor:
        """The referee's confidence in synthetic rows at addresses ``[R, m]``, 0 for
        real ones."""
        return self._opinion_of(rows, 1)

    def _opinion_of(self, rows: Tensor, part: int) -> Tensor:
        assert self._opinion is not None, "the policy did not say that it asks the referee"
        synthetic = rows - self.real.shape[1]
        opinion = self._opinion[part].gather(1, synthetic.clamp(min=0))
        return torch.where(synthetic >= 0, opinion, 0)

    def origins(self) -> Tensor:
        """Generation of origin by slot, ``[window + 1]``: 0 for real, g + 1 for sampled
        from g."""
        slots = torch.arange(self.window, device=self.real.device)
        last = self.generations - 1
        return torch.cat([slots.new_zeros(1), last - (last - slots) % self.window + 1])


def thin(rows: Tensor, budget: int | None, draws: Generators) -> Tensor:
    """At most ``budget`` of the addresses [R, m], uniformly without replacement.

    >>> from nc_testbed.core.rng import RandomStreams
    >>> rows = torch.arange(10).expand(2, -1)
    >>> thin(rows, 4, RandomStreams(0, (0, 1))("budget")).shape
    torch.Size([2, 4])
    """
    if budget is None or budget >= rows.shape[1]:
        return rows
    return rows.gather(1, draws.permutation(rows.shape[1])[:, :budget])
