"""Fidelity: how much of what is generated is like something real, in two unlike spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.matching import TIE
from nc_testbed.metrics.neighbours import NEIGHBOURS, blocks, left, radii, right
from nc_testbed.metrics.reference import Reference

SAMPLES = 2000
"""Most samples of a chain that are looked at, the first: a mean of so many is known to
0.01."""


@dataclass(frozen=True)
class ClippedBalls:
    """k = 5 balls of real rows whose radii are at most their median, and what real rows
    read.

    points: ``[N, F + 2]``, the rows' :func:`nc_testbed.metrics.neighbours.left` factor.
    radius: ``[N]``, squared. votes ``[N]``: of every row among the others.
    """

    points: Tensor
    radius: Tensor
    votes: Tensor

    @classmethod
    def around(cls, points: Tensor) -> ClippedBalls:
        """The balls of centred points ``[N, F]``, N >= k + 2."""
        radius = radii(points)[0]
        radius = radius.clamp(max=radius.median())
        balls = cls(left(points), radius, points[:, 0])
        # Closed balls: a row that is the k-th neighbour of another is one of its k.
        return cls(balls.points, radius, balls.count(points, closed=True))

    def count(self, points: Tensor, closed: bool = False) -> Tensor:
        """Votes ``[M]`` float64: ``min(balls that a point lies in, k) / k``.

        closed: leave every point's own ball out, and count rows at a distance equal to
        the radius.
        """
        radius = self.radius * (1 + TIE if closed else 1 - TIE)
        votes = []
        for block in blocks(len(points), len(self.points), points.device):
            distance = right(points[block]) @ self.points.T  # [B, N]
            inside = distance <= radius
            if closed:
                inside[:, block].diagonal().fill_(False)
            votes.append(inside.sum(1).clamp(max=NEIGHBOURS))
        return torch.cat(votes).to(torch.float64) / NEIGHBOURS


def _balls(reference: Reference) -> list[ClippedBalls]:
    """Every chain's, of the held-out rows that stand for its law."""
    deep = reference.deep
    members = list(reference.member)
    return each(lambda rows: ClippedBalls.around(deep[rows]), members, deep.device)


def _untrained_balls(reference: Reference) -> list[ClippedBalls]:
    deep = reference.untrained_deep
    members = list(reference.member)
    return each(lambda rows: ClippedBalls.around(deep[rows]), members, deep.device)


def _real_votes(reference: Reference) -> Tensor:
    """Mean vote ``[R, C]`` of the real rows that the referee labels as each class.

    Of a label that no real row has, the mean of all.
    """
    means = []
    for balls, member in zip(reference.once(_balls), reference.member, strict=True):
        labels = reference.labels[member]
        overall = balls.votes.mean()
        of_class = [balls.votes[labels == c] for c in range(reference.shares.shape[1])]
        means.append(
            torch.stack([x.mean() if len(x) and x.sum() > 0 else overall for x in of_class])
        )
    return torch.stack(means)


@dataclass(frozen=True)
class Fidelity:
    """Clipped density of the samples that the referee takes for one of the classes.

    Clipped density (Salvy et al., 2025, https://arxiv.org/abs/2507.01761; there the votes
    are recalibrated, here they are divided by what real rows read): k = 5 balls of the
    held-out rows at the chain's law, radii at most their median; a sample's vote is
    ``min(balls that it lies in, 5) / 5``, 0 if the referee says "none of these", over the
    mean leave-one-out vote of real rows with the sample's label. The mean over samples is
    divided by the share of held-out rows that the referee takes for a class. Features are
    those of several depths, samples the first 2,000. The second column is the same without
    labels in the features of the same layers with random weights, a space that was not made
    alike.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "fidelity": Column(
            "clipped density of the samples that are taken for a class: how much of what is "
            "made is like something real, about 1 for real rows and 0 for noise",
            low=0,
            worse="lower",
            group="2 quality",
            fidelity=1,
        ),
        "fidelity_untrained": Column(
            "clipped density in the layers of an untrained network: a second, unlike space; "
            "only what both say is said of fidelity",
            low=0,
            worse="lower",
            group="2 quality",
        ),
        "accepted": Column(
            "share of samples that the referee takes for one of the classes, over that of real "
            "rows",
            low=0,
            worse="lower",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        chains = range(evaluation.chains)
        device = evaluation.rows.device
        accepted = (~evaluation.is_none).double()
        # Before chains are shared out: what is kept must not be made on every core.
        reference.once(_real_votes)
        reference.once(_untrained_balls)
        votes = torch.stack(each(lambda r: _votes(evaluation, r), chains, device))
        untrained = torch.stack(
            each(lambda r: _untrained_density(evaluation, r), chains, device)
        )
        real = reference.is_labelled.double().mean()
        return {
            "fidelity": (votes * accepted[:, :SAMPLES]).mean(1) / real,
            "fidelity_untrained": untrained,
            "accepted": accepted.mean(1) / real,
        }


def _votes(evaluation: Evaluation, chain: int) -> Tensor:
    """Votes ``[M]`` of one chain's samples over those of real rows with their label."""
    reference = evaluation.reference
    balls = reference.once(_balls)[chain]
    votes = balls.count(reference.to_deep(evaluation.depths[chain, :SAMPLES]))
    return votes / reference.once(_real_votes)[chain, evaluation.labels[chain, :SAMPLES]]


def _untrained_density(evaluation: Evaluation, chain: int) -> Tensor:
    """Clipped density of one chain's samples in the untrained network."""
    reference = evaluation.reference
    balls = reference.once(_untrained_balls)[chain]
    features = reference.describe_untrained(evaluation.rows[chain, :SAMPLES])
    return balls.count(features).mean() / balls.votes.mean()
