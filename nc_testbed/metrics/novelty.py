"""Novelty: whether samples are nearer to what was trained on than to other real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks, left, right

TIE = 1e-9
"""Squared distances that differ by less, relatively, are equal: features are float32."""


def nearest_squared(points: Tensor, rows: Tensor) -> Tensor:
    """Squared distance ``[M]`` of centred points ``[M, F]`` to the nearest row ``[N, F]``."""
    factor = left(rows)
    parts = blocks(len(points), len(rows), points.device)
    found = [(right(points[part]) @ factor.T).amin(1) for part in parts]
    return torch.cat(found).clamp(min=0)


def share_nearer(points: Tensor, studied: Tensor, others: Tensor) -> Tensor:
    """Share of points ``[M, F]`` nearer to a studied row than to another, ties half.

    >>> one = torch.tensor([[0.0], [3.0]], dtype=torch.float64)
    >>> share_nearer(one, one[:1], one[1:]).item(), share_nearer(one, one, one[1:]).item()
    (0.5, 0.75)
    """
    a = nearest_squared(points, studied)
    b = nearest_squared(points, others)
    rounding = TIE * (points.square().sum(1) + others.square().sum(1).amax())
    is_tie = (a - b).abs() <= rounding
    return torch.where(is_tie, 0.5, (a < b).double()).mean()


def equal_parts(studied: Tensor, others: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Positions in two sets of labels ``[m]``, ``[H]``: as many of every class from both,
    as many as both have, in a random order that is always the same."""
    draws = RandomStreams(0, (SHARED,), device=others.device)
    orders = [
        draws(f"metrics/novelty/{i}").permutation(len(labels))[0]
        for i, labels in enumerate((studied, others))
    ]
    chosen: tuple[list[Tensor], list[Tensor]] = ([], [])
    for c in range(classes):
        found = [
            order[labels[order] == c]
            for order, labels in zip(orders, (studied, others), strict=True)
        ]
        count = min(map(len, found))
        for kept, rows in zip(chosen, found, strict=True):
            kept.append(rows[:count])
    return torch.cat(chosen[0]), torch.cat(chosen[1])


@dataclass(frozen=True)
class Novelty:
    """Share of samples nearer to a row that was trained on than to one that was not.

    In the referee's features, against as many held-out rows of every class, ties half.
    The rows trained on are the chain's real rows of generation 0, or those that the
    evaluation says were studied. A copy of a row that the equal sizes leave out reads .5.
    NaN where the two sets have no class in common. Source: Shi et al. (2025,
    https://arxiv.org/abs/2509.16499), there against all of the training rows.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "novelty": Column(
            "share of samples nearer to a real row that was trained on than to as many held "
            "out: .5 for new rows of the law, 1 for copies",
            low=0,
            high=1,
            worse="higher",
            group="4 diversity",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        chains = range(evaluation.chains)
        device = evaluation.rows.device
        return {"novelty": torch.stack(each(lambda r: _measure(evaluation, r), chains, device))}


def _studied(evaluation: Evaluation, chain: int) -> tuple[Tensor, Tensor]:
    """Rows ``[m, D]`` that were trained on, and their classes ``[m]``."""
    reference = evaluation.reference
    data = reference.data
    if evaluation.studied is not None:
        rows = evaluation.studied
        if not reference.has_labels:
            return rows, torch.zeros_like(rows[:, 0]).long()
        return rows, reference.referee.classify(reference.referee.describe(rows)).label
    order = data.training[chain]
    rows = data.rows_of(chain)[order]
    if data.y is None:
        return rows, torch.zeros_like(order)
    return rows, data.y[chain % len(data.x), order]


def _measure(evaluation: Evaluation, chain: int) -> Tensor:
    """One chain's share."""
    reference = evaluation.reference
    rows, classes = _studied(evaluation, chain)
    members = reference.member[chain].nonzero()[:, 0]
    seen, other = equal_parts(classes, reference.group[members], reference.shares.shape[1])
    if not len(seen):
        return reference.shares.new_tensor(torch.nan)
    described = reference.referee.describe(rows[seen])[:, : reference.referee.width]
    return share_nearer(
        reference.subtract_centre(evaluation.features[chain]),
        reference.subtract_centre(described),
        reference.subtract_centre(reference.features[members[other]]),
    )
