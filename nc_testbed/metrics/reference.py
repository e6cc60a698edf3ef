"""What does not change over generations: the held-out rows, their law, balls and
features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.exactness import row_blocks
from nc_testbed.core.machine import each
from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.source import Data
from nc_testbed.metrics.classifier import Classification, Classifier
from nc_testbed.metrics.neighbours import NEIGHBOURS, Balls, inside_others, left, radii
from nc_testbed.metrics.referee import untrained_network

CONFIDENT = 0.9
"""Least confidence of the referee in a row that counts for its class."""

T = TypeVar("T")


@dataclass(frozen=True)
class Depths:
    """How features of several depths become one space: centre ``[G]``, scale ``[G]``,
    float64."""

    centre: Tensor
    scales: Tensor

    @classmethod
    def of(cls, described: Tensor, width: int) -> Depths:
        """Of real rows' features ``[H, G]``: each of two blocks, the first ``width``
        columns and the others, gets a total variance of 1; a block that never varies is
        left."""
        x = described.to(torch.float64)
        scales = torch.ones_like(x[0])
        for block in (slice(None, width), slice(width, None)):
            total = (x[:, block] - x[:, block].mean(0)).square().mean(0).sum()
            scales[block] = total.rsqrt() if total > 0 else 1.0
        return cls(x.mean(0), scales)

    def scale(self, described: Tensor) -> Tensor:
        """Features ``[M, G]`` in that space, float64."""
        return (described.to(torch.float64) - self.centre) * self.scales


def _describe(referee: Classifier, rows: Tensor) -> Tensor:
    """Features ``[H, G]`` of many rows, some for every core."""
    parts = [rows[block] for block in row_blocks(len(rows), 1024)]
    return torch.cat(each(referee.describe, parts, rows.device))


@dataclass(frozen=True)
class Reference:
    """The real side of every metric, made once a run by :meth:`build`.

    Metrics of the whole law compare with the held-out rows resampled to each chain's
    training law, or weight them by it where they are means; metrics of one class use that
    class's held-out rows, all of them. Parts are computed when first asked for, and then
    kept.
    """

    data: Data
    referee: Classifier
    rows: int  # M, synthetic rows a chain is measured on
    streams: RandomStreams
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def build(
        cls, data: Data, referee: Classifier, rows: int, chains: Sequence[int] | None = None
    ) -> Reference:
        """The reference for these chains, None = 0..R-1, each measured on ``rows``
        synthetic rows.

        Its draws are the same for every seed, as the held-out rows are. Raises BadInput
        with the full key when there are too few rows for balls of k = 5 neighbours.
        """
        numbers = tuple(range(data.training.shape[0]) if chains is None else chains)
        reference = cls(data, referee, rows, RandomStreams(0, numbers, device=data.x.device))
        fewest = NEIGHBOURS + 2
        remedy = f"metrics need at least {fewest} rows"
        require(rows >= fewest, "evaluation.rows", rows, remedy)
        of_class = min(map(len, reference.groups))
        at_shares = int(reference.member.sum(1).min())
        require(of_class >= fewest, "data.test_rows", of_class, f"{remedy} of each class")
        require(
            at_shares >= fewest, "data.test_rows", at_shares, f"{remedy} at a chain's shares"
        )
        return reference

    def once(self, compute: Callable[[Reference], T]) -> T:
        """``compute(reference)``, computed at the first call of the run and then
        remembered: what a metric needs from the real rows, its nulls, bases, spectra."""
        if compute not in self._kept:
            self._kept[compute] = compute(self)
        return self._kept[compute]

    @property
    def chains(self) -> int:
        """Number of chains."""
        return self.data.training.shape[0]

    @property
    def has_labels(self) -> bool:
        """Whether the rows have classes."""
        return "labels" in self.data.provides

    @cached_property
    def depths(self) -> Tensor:
        """Features of several depths of all held-out rows, ``[H, G]`` float32."""
        return _describe(self.referee, self.data.held_out)

    @cached_property
    def _calibrators(self) -> Tensor:
        """Features of several depths of the calibrators, ``[K, G]`` float32."""
        rows = self.data.calibrators
        return self.depths[:0] if rows is None else _describe(self.referee, rows)

    def calibrators_of(self, c: int) -> Tensor:
        """Those of class c ``[K_c, G]``, of all where there are no classes."""
        labels = self.data.calibrators_y
        if labels is None or self.data.held_out_y is None:
            return self._calibrators
        return self._calibrators[labels == c]

    @property
    def features(self) -> Tensor:
        """Of all held-out rows, the units of the last hidden layer, ``[H, F]`` float32."""
        return self.depths[:, : self.referee.width]

    @cached_property
    def _classification(self) -> Classification:
        """What the referee says of the held-out rows."""
        if self.has_labels:
            return self.referee.classify(self.depths)
        everywhere = torch.zeros_like(self.group)
        return Classification(everywhere, everywhere.float() + 1, everywhere.bool())

    @property
    def labels(self) -> Tensor:
        """The referee's labels ``[H]`` of the held-out rows; all 0 without classes."""
        return self._classification.label

    @property
    def is_labelled(self) -> Tensor:
        """Held-out rows ``[H]`` bool that the referee takes for one of the classes."""
        return ~self._classification.is_none

    def accuracy(self, classes: Tensor) -> float:
        """Share of the held-out rows, of these classes ``[H]``, whose likeliest class is
        theirs; how many of them it takes for none, metrics correct for."""
        labels = self.referee.classify(self.depths).label
        return float((labels == classes).double().mean())

    @cached_property
    def _depths(self) -> Depths:
        return Depths.of(self.depths, self.referee.width)

    @cached_property
    def deep(self) -> Tensor:
        """Features of several depths of the held-out rows, ``[H, G]`` float64, centred.

        Two blocks, the last hidden layer and what lies before it, each scaled to a total
        variance of 1 on these rows.
        """
        return self._depths.scale(self.depths)

    def to_deep(self, described: Tensor) -> Tensor:
        """Features ``[M, G]`` of other rows, as those of :attr:`deep`."""
        return self._depths.scale(described)

    @cached_property
    def _untrained_parts(self) -> tuple[Classifier, Depths, Tensor]:
        """A network with random weights, how its features are scaled, and the held-out
        rows'."""
        network = untrained_network(self.data.space).to(self.data.x.device)
        described = _describe(network, self.data.held_out)
        depths = Depths.of(described, network.width)
        return network, depths, depths.scale(described)

    @property
    def untrained_deep(self) -> Tensor:
        """As :attr:`deep`, of the same layers with random weights."""
        return self._untrained_parts[2]

    def describe_untrained(self, rows: Tensor) -> Tensor:
        """Those features ``[M, G]`` float64 of stored rows ``[M, D]``."""
        network, depths, _ = self._untrained_parts
        return depths.scale(network.describe(rows))

    @cached_property
    def centre(self) -> Tensor:
        """Mean feature ``[F]`` float64; distances are taken from here to limit
        cancellation."""
        return self.features.to(torch.float64).mean(0)

    def subtract_centre(self, features: Tensor) -> Tensor:
        """Features as float64 differences from the centre."""
        return features.to(torch.float64) - self.centre

    @cached_property
    def group(self) -> Tensor:
        """Class of every held-out row, ``[H]`` int64; all 0 without labels."""
        labels = self.data.held_out_y
        none = torch.zeros_like(self.data.held_out[:, 0], dtype=torch.int64)
        return none if labels is None else labels

    @cached_property
    def groups(self) -> tuple[Tensor, ...]:
        """Positions of the held-out rows of every class."""
        return tuple((self.group == c).nonzero()[:, 0] for c in range(self.shares.shape[1]))

    @cached_property
    def shares(self) -> Tensor:
        """p, each chain's training law, ``[R, C]`` float64; one class without labels."""
        shares = self.data.shares
        if shares is None:
            return torch.ones(self.chains, 1, dtype=torch.float64, device=self.data.x.device)
        return shares.to(torch.float64)

    @cached_property
    def class_of_rank(self) -> Tensor:
        """The class of every rarity rank, ``[R, C]`` int64, the commonest first."""
        if self.data.rank is None:
            return torch.zeros_like(self.shares, dtype=torch.int64)
        return self.data.rank.argsort(1)

    @cached_property
    def member(self) -> Tensor:
        """Held-out rows that stand for the chain's training law, ``[R, H]`` bool.

        Drawn without replacement, ``n_c = floor(p_c min_j H_j / p_j)`` of class c, which
        is ``floor(H_c p_c / p_max)`` when the held-out set is balanced.
        """
        order = self.streams("metrics/reference").permutation(len(self.group))  # [R, H]
        member = torch.zeros_like(order, dtype=torch.bool)
        held_out = torch.tensor([len(g) for g in self.groups], device=self.shares.device)
        scale = (held_out / self.shares).amin(1, keepdim=True)
        counts = (self.shares * scale + 1e-9).floor().long().tolist()
        for chain, row in enumerate(order):
            classes = self.group[row]
            for c, count in enumerate(counts[chain]):
                member[chain, row[classes == c][:count]] = True
        return member

    def weights(self, shares: Tensor) -> Tensor:
        """Weights ``[R, H]`` of the held-out rows that make their law the shares' ``[R,
        C]``.

        ``p_c / H_c``: the exact expectation over resampling, without its noise.
        """
        out = torch.zeros_like(self.member, dtype=torch.float64)
        for c, rows in enumerate(self.groups):
            out[:, rows] = shares[:, c, None].to(torch.float64) / len(rows)
        return out

    def mean(self, values: Tensor, shares: Tensor | None = None) -> Tensor:
        """Mean ``[R]`` of values ``[R, H]`` of held-out rows under the law (the training
        law).

        Rows of weight 0 do not count, whatever their value.
        """
        weights = self.weights(self.shares if shares is None else shares)
        return torch.where(weights > 0, weights * values, 0.0).sum(1)

    def by_class(self, values: Tensor) -> Tensor:
        """Mean ``[R, C]`` float64 of values ``[R, H]`` over the held-out rows of each
        class."""
        values = values.to(torch.float64)
        return torch.stack([values[:, rows].mean(1) for rows in self.groups], 1)

    @cached_property
    def own(self) -> tuple[Tensor, Tensor]:
        """Squared radii ``[H]`` of every row's k-th and (k + 1)-th neighbour of its
        class."""
        points = self.subtract_centre(self.features)
        out = points.new_empty(2, len(points))
        for rows in self.groups:
            out[:, rows] = torch.stack(radii(points[rows]))
        return out[0], out[1]

    @cached_property
    def balls(self) -> tuple[Balls, ...]:
        """The balls of every chain; those of chains with the same held-out rows are made
        once."""
        points = self.subtract_centre(self.features)
        factor = left(points)
        groups = self.groups
        own = self.own[0]

        def one(member: Tensor) -> Balls:
            overall = torch.full_like(points[:, 0], -torch.inf)
            overall[member] = radii(points[member])[0]
            return Balls(factor, groups, overall, own)

        members, which = self.member.unique(dim=0, return_inverse=True)
        spheres = each(one, list(members), points.device)
        return tuple(spheres[i] for i in which.tolist())

    @cached_property
    def acceptance(self) -> Tensor:
        """Share ``[C]`` of each class's held-out rows that would count for it if
        synthetic.

        Labelled as their class, with confidence, and inside a class ball of the other
        rows.
        """
        classification = self.referee.classify(self.depths)
        counts = (
            (classification.label == self.group)
            & (classification.confidence >= CONFIDENT)
            & ~classification.is_none
        )
        points = self.subtract_centre(self.features)
        radius = self.own[1]
        inside = [inside_others(points[rows], radius[rows]) for rows in self.groups]
        accepted = [counts[rows] & near for rows, near in zip(self.groups, inside, strict=True)]
        return torch.stack([part.to(torch.float64).mean() for part in accepted])

    @cached_property
    def real(self) -> Tensor:
        """Features ``[R, m, F]`` of real rows apart from the held-out ones, drawn as a
        perfect fit would draw them: m = M fresh rows of the exact law, else min(M, n0)
        training rows whose classes are independent draws from the shares."""
        law = self.data.law
        if law is None:
            return self.per_chain(lambda r: self.features_of(self._resample(r)))
        rows = law.draw(self.rows, self.streams, "metrics/real")[0]
        return self.per_chain(lambda r: self.features_of(rows[r]))

    def features_of(self, rows: Tensor) -> Tensor:
        """Units ``[M, F]`` of the last hidden layer of stored rows."""
        return self.referee.describe(rows)[:, : self.referee.width]

    def _resample(self, chain: int) -> Tensor:
        """min(M, n0) training rows: classes drawn, rows of a class in random order.

        Training sets hold exact shares, samples do not: a plain subset would lack that
        noise. A class that runs out of rows starts again.
        """
        data = self.data
        streams = self.streams.part(slice(chain, chain + 1))
        source = chain % len(data.x)
        order = data.training[chain]
        order = order[streams("metrics/real/rows").permutation(len(order))[0]]
        m = min(self.rows, len(order))
        if data.y is None:
            return data.rows_of(chain)[order[:m]]
        classes = streams("metrics/real/classes").categorical(self.shares[chain], m)[0]
        labels = data.y[source, order]
        picked = torch.empty_like(classes)
        for c in classes.unique().tolist():
            want = (classes == c).nonzero()[:, 0]
            have = order[labels == c]
            picked[want] = have[torch.arange(len(want), device=have.device) % len(have)]
        return data.rows_of(chain)[picked]

    def held_out(self, chain: int) -> Tensor:
        """Features ``[N, F]`` of the held-out rows that stand for a chain's law."""
        return self.features[self.member[chain]]

    def per_chain(self, function: Callable[[int], Tensor]) -> Tensor:
        """``[f(0), ..., f(R - 1)]``, ``[R, ...]``: no result can depend on another
        chain."""
        return torch.stack(each(function, range(self.chains), self.data.x.device))
