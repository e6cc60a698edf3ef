"""Controls: rows whose quality is known, made of a chain's real rows.

What a metric says of a generator can be read only beside what it says of these: real
rows (the ceiling), the law without its rare classes, columns drawn independently, noise,
copies of training rows, rows drawn towards their class mean, few rows repeated, and rows
mixed with junk. Every chain's controls are the same for every seed and whatever chains
lie beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.data.source import Data
from nc_testbed.metrics.control_junk import junk_names, make_junk
from nc_testbed.metrics.control_pool import Pool, class_counts, law_pools, tail_of

NOISE = {"noise_5": 0.05, "noise_15": 0.15, "noise_30": 0.30}
"""Noise images: share of white pixels on black."""
WIDTH = 3.0
"""Noise vectors: standard deviations of every column, around its mean."""
CONTRACTIONS = {"contracted_.9": 0.9, "contracted_.7": 0.7, "contracted_.5": 0.5}
FEW = {"few_1": 1, "few_5": 5, "few_20": 20}
JUNK_PERCENT = (1, 3, 10)
FAR_PERCENT = (10, 25, 50, 75, 90)
RUN_CONTROLS = ("real", "tail_absent", "independent", "noise")
"""What a run shows beside its curves."""


class Sample(NamedTuple):
    """Rows in stored form ``[..., M, D]`` and the class of each ``[..., M]``.

    The class is that of the real row it was made from, None where rows have none.
    """

    rows: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class ChainControls:
    """The makers of one chain's controls, m rows each, sorted by class.

    pool: unseen real rows, by class; training rows where none are unseen. training: the
    chain's training rows, by class. shares: its class shares ``[C]``. tail: its rare
    classes, none where no class is rare. grey: the same of the images that pixels of 0 and
    255 were drawn from, None where they are not known.
    """

    data: Data
    pool: Pool
    training: Pool
    shares: np.ndarray
    tail: tuple[int, ...]
    size: int
    streams: RandomStreams
    grey: ChainControls | None = None

    @cached_property
    def real(self) -> Sample:
        """Rows of the pool, each class exactly at its share (largest remainders)."""
        return self._at(self.shares)

    @cached_property
    def tail_absent(self) -> Sample:
        """The law without its rare classes, the others at their shares among
        themselves."""
        shares = self.shares.copy()
        shares[list(self.tail)] = 0
        return self._at(shares / shares.sum())

    def independent(self) -> Sample:
        """Every pixel or column drawn from its own marginal of the chain's training
        rows."""
        rows = torch.cat(self.training)
        M = self.size
        u = self._draws("independent").uniform(M, rows.shape[1])[0]
        index = (u * len(rows)).long().clamp(max=len(rows) - 1)
        return Sample(rows.gather(0, index), None)

    def noise(self, share: float) -> Sample:
        """White pixels of this share on black; vectors: normal about every column's mean,
        3 of its standard deviations wide."""
        draws = self._draws("noise")
        if self.data.space.image:
            u = draws.uniform(self.size, self.data.space.size)[0]
            return Sample((u < share).to(torch.uint8) * 255, None)
        rows = torch.cat(self.training)
        z = draws.normal(self.size, rows.shape[1], dtype=torch.float64)[0]
        return Sample(rows.mean(0) + WIDTH * rows.std(0, unbiased=False) * z, None)

    def copies(self) -> Sample:
        """The chain's training rows, each class at its share; they repeat where there are
        too few."""
        return self._repeat(self.training, None)

    def few(self, distinct: int) -> Sample:
        """Every class at its share, made of so many distinct real rows, repeated."""
        return self._repeat(self.pool, distinct)

    def contract(self, factor: float) -> Sample:
        """Real rows moved towards the mean of their class's training rows,
        ``mean + factor (x - mean)``.

        Pixels of 0 and 255 are those of the grey images, moved and cut at 1/2: cut by
        themselves they would not move at all before the factor is below 1/2.
        """
        space = self.data.space
        pixels = self.grey or self
        means = torch.stack(
            [space.floats(rows, torch.float64).mean(0) for rows in pixels.training]
        )
        rows, labels = pixels.real
        classes = torch.zeros_like(rows[:, 0], dtype=torch.int64) if labels is None else labels
        values = space.floats(rows, torch.float64)
        moved = means[classes] + factor * (values - means[classes])
        if self._is_binary:
            moved = (moved >= 0.5).double()
        return Sample(space.stored_form(moved), labels)

    def mix(self, base: str, kind: str, share: float) -> Sample:
        """A share of the rows of ``real`` or ``tail_absent``, spread evenly over classes,
        replaced by junk that was made of rows of that same control."""
        rows, labels = getattr(self, base)
        junk = make_junk(kind, self.data.space, rows, labels, self._draws(kind))
        steps = torch.arange(len(rows) + 1, device=rows.device, dtype=torch.float64) * share
        # 1e-9: a product that is a whole number up to rounding counts as that number.
        is_junk = (steps + 1e-9).floor().diff() > 0
        return Sample(torch.where(is_junk[:, None], junk, rows), labels)

    @property
    def _is_binary(self) -> bool:
        if not self.data.space.image:
            return False
        return all(bool(((rows == 0) | (rows == 255)).all()) for rows in self.training)

    def _at(self, shares: np.ndarray) -> Sample:
        counts = class_counts(shares, self.size)
        parts = [rows[:count] for rows, count in zip(self.pool, counts, strict=True)]
        return self._sample(parts)

    def _repeat(self, pool: Pool, distinct: int | None) -> Sample:
        counts = class_counts(self.shares, self.size)
        parts = []
        for rows, count in zip(pool, counts.tolist(), strict=True):
            most = min(len(rows), distinct or len(rows))
            parts.append(rows[torch.arange(count, device=rows.device) % most])
        return self._sample(parts)

    def _sample(self, parts: list[Tensor]) -> Sample:
        rows = torch.cat(parts)
        if self.data.y is None:
            return Sample(rows, None)
        labels = [torch.full((len(part),), c) for c, part in enumerate(parts)]
        return Sample(rows, torch.cat(labels).to(rows.device))

    def _draws(self, purpose: str) -> Generators:
        return self.streams(purpose)


@dataclass(frozen=True)
class ControlSet:
    """The controls of all chains of some data.

    ``names`` are in reading order; those of a tail are left out where no class is rare,
    ``real`` and what is made of it where no real rows are unseen. size: rows of each.
    """

    data: Data
    chains: tuple[ChainControls, ...]

    @classmethod
    def of(
        cls, data: Data, size: int, numbers: tuple[int, ...], grey: Tensor | None = None
    ) -> ControlSet:
        """Controls of ``size`` rows, or as many as the unseen rows allow without
        repetition.

        numbers: of the chains. grey: ``[N, D]`` images that the pixels of ``data.x`` were
        drawn from. Rows of an exact law are drawn afresh and never run out.
        """
        streams = RandomStreams(0, numbers, device=data.x.device).enter_scope("controls")
        shares = _shares(data)
        tails = [tail_of(data, chain) for chain in range(len(numbers))]
        training = _stored_pools(data, data.training, streams, "training")
        pools = training
        if data.law is not None:
            pools = law_pools(data, shares, size, streams)
        elif data.reserve.shape[1]:
            pools = _stored_pools(data, data.reserve, streams, "reserve")
        if data.law is None:
            size = _largest(size, shares, tails, pools)
        chains = []
        for r in range(len(numbers)):
            part = streams.part(slice(r, r + 1))
            chains.append(
                ChainControls(data, pools[r], training[r], shares[r], tails[r], size, part)
            )
        if grey is not None:
            of_grey = cls.of(replace(data, x=grey[None]), size, numbers).chains
            pairs = zip(chains, of_grey, strict=True)
            chains = [replace(chain, grey=other) for chain, other in pairs]
        return cls(data, tuple(chains))

    @property
    def size(self) -> int:
        """m, rows of every control."""
        return self.chains[0].size

    @property
    def has_unseen_rows(self) -> bool:
        """Whether there are real rows that nothing was trained on: ``real`` is made of
        them."""
        return self.data.law is not None or self.data.reserve.shape[1] > 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every control that these data have, each once."""
        once = [name for name in self._makers if name != "noise" or not self.data.space.image]
        return tuple(once)

    def has(self, name: str) -> bool:
        """Whether these data have a control; ``noise`` of images is ``noise_15``."""
        return name in self._makers

    def make(self, name: str) -> Sample:
        """Rows ``[R, m, D]`` of a control in random order, and their classes ``[R, m]``
        or None."""
        maker = self._makers[name]

        def one(chain: ChainControls) -> Sample:
            rows, labels = maker(chain)
            order = chain.streams("order").permutation(len(rows))[0]
            return Sample(rows[order], None if labels is None else labels[order])

        samples = each(one, list(self.chains), self.data.x.device)
        rows = torch.stack([sample.rows for sample in samples])
        labels = [sample.labels for sample in samples if sample.labels is not None]
        return Sample(rows, torch.stack(labels) if labels else None)

    @cached_property
    def _makers(self) -> dict[str, Callable[[ChainControls], Sample]]:
        makers = dict(_plain_makers(self.data))
        makers |= {
            name: partial(ChainControls.contract, factor=factor)
            for name, factor in CONTRACTIONS.items()
        }
        makers |= {
            name: partial(ChainControls.few, distinct=count) for name, count in FEW.items()
        }
        if self.data.has_tail:
            makers |= _mixtures("tail_absent", junk_names(self.data.space), JUNK_PERCENT)
        if self.has_unseen_rows:
            makers |= _mixtures("real", ("far",), FAR_PERCENT)
        else:
            del makers["real"]
        return makers


def _plain_makers(data: Data) -> Iterator[tuple[str, Callable[[ChainControls], Sample]]]:
    """The makers of what has one form."""
    yield "real", lambda chain: chain.real
    if data.has_tail:
        yield "tail_absent", lambda chain: chain.tail_absent
    yield "independent", ChainControls.independent
    for name, share in NOISE.items() if data.space.image else ():
        yield name, partial(ChainControls.noise, share=share)
    yield "noise", partial(ChainControls.noise, share=NOISE["noise_15"])
    yield "copies", ChainControls.copies


def _mixtures(
    base: str, kinds: tuple[str, ...], percents: tuple[int, ...]
) -> dict[str, Callable[[ChainControls], Sample]]:
    """The makers of one control with some percent of junk."""
    return {
        f"{base}+{kind}_{percent}": partial(
            ChainControls.mix, base=base, kind=kind, share=percent / 100
        )
        for kind in kinds
        for percent in percents
    }


def _shares(data: Data) -> np.ndarray:
    """Class shares of every chain ``[R, C]``; one class without labels."""
    if data.shares is None:
        return np.ones((len(data.training), 1))
    return data.shares.to("cpu", torch.float64).numpy()


def _stored_pools(
    data: Data, addresses: Tensor, streams: RandomStreams, purpose: str
) -> list[Pool]:
    """Stored rows of every chain at these addresses ``[R, m]``, by class, each in random
    order."""
    classes = _shares(data).shape[1]
    order = streams(purpose).permutation(addresses.shape[1]).to(addresses.device)
    shuffled = addresses.gather(1, order)
    pools = []
    for chain, row in enumerate(shuffled):
        rows = data.rows_of(chain)[row]
        if data.y is None:
            pools.append((rows,))
            continue
        y = data.y[0 if data.has_shared_rows else chain, row]
        pools.append(tuple(rows[y == c] for c in range(classes)))
    return pools


def _largest(
    size: int, shares: np.ndarray, tails: list[tuple[int, ...]], pools: list[Pool]
) -> int:
    """The most rows, up to ``size``, that no chain's pool runs out of: for ``real``, and
    for the law without its tail."""
    laws = []
    for chain, tail in enumerate(tails):
        available = np.array([len(rows) for rows in pools[chain]])
        laws.append((shares[chain], available))
        if tail:
            others = shares[chain].copy()
            others[list(tail)] = 0
            laws.append((others / others.sum(), available))
    for law, available in laws:
        # A largest remainder adds less than 1 row: no size above this bound can do.
        bound = ((available[law > 0] + 1) / law[law > 0]).min()
        size = min(size, int(bound))
    while size and any((class_counts(law, size) > most).any() for law, most in laws):
        size -= 1
    return size
