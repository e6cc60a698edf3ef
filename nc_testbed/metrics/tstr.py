"""TSTR: what a classifier learns from the samples, tested on real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns

RIDGE = 1e-3
"""Penalty on the weights, over the mean variance of a feature."""


def ridge_labels(train: Tensor, labels: Tensor, test: Tensor, classes: int) -> Tensor:
    """Labels ``[H]`` of test features ``[H, G]`` by ridge regression on the classes.

    Every class of the training rows ``[M, G]`` counts the same, however many rows it has;
    a class without rows is never said. With no training rows at all every label is -1.

    >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> ridge_labels(x, torch.tensor([2, 0]), x, 3)
    tensor([2, 0])
    """
    counts = torch.bincount(labels, minlength=classes).double()
    if not len(labels):
        return torch.full_like(test[:, 0], -1).long()
    present = (counts > 0).double()
    weight = (1 / counts)[labels] / present.sum()
    targets = torch.nn.functional.one_hot(labels, classes).double()
    centre = weight @ train
    x = train - centre
    gram = (x * weight[:, None]).T @ x
    # The floor keeps the system solvable where all rows are one point.
    penalty = RIDGE * gram.diagonal().mean() + 1e-12
    gram.diagonal().add_(penalty)
    across = (x * weight[:, None]).T @ (targets - weight @ targets)
    scores = (test - centre) @ torch.linalg.solve(gram, across) + weight @ targets
    return scores.masked_fill(present == 0, -torch.inf).argmax(1)


@dataclass(frozen=True)
class TSTR:
    """Train on synthetic, test on real: what the samples teach.

    Ridge regression on the classes in the features of an untrained network, classes
    weighted alike, trained on the samples with the referee's labels (those it takes for
    none of the classes left out), tested on the real held-out rows. A class without
    samples scores 0. Source: Esteban et al. (2017, https://arxiv.org/abs/1706.02633).
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "tstr": Column(
            "balanced accuracy on real rows of a small classifier trained on the samples",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
        "tstr_tail": Column(
            "its accuracy on the rarest third of the classes, only where classes are rare",
            low=0,
            high=1,
            worse="lower",
            group="1 tail",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        chains = range(evaluation.chains)
        right = each(lambda r: _is_right(evaluation, r), chains, evaluation.rows.device)
        by_class = reference.by_class(torch.stack(right))
        columns = {"tstr": by_class.mean(1)}
        thirds = rank_columns("tstr", by_class, reference, ranks=False)
        if thirds:
            columns["tstr_tail"] = thirds["tail_tstr"]
        return columns


def _is_right(evaluation: Evaluation, chain: int) -> Tensor:
    """Held-out rows ``[H]`` bool that one chain's classifier labels rightly."""
    reference = evaluation.reference
    taken = ~evaluation.is_none[chain]
    features = reference.describe_untrained(evaluation.rows[chain, taken])
    labels = evaluation.labels[chain, taken]
    classes = reference.shares.shape[1]
    said = ridge_labels(features, labels, reference.untrained_deep, classes)
    return said == reference.group
