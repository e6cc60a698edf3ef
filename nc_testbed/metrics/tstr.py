"""Train on synthetic, test on real: what a classifier learns from the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from nc_testbed.core.space import Space
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.discriminant import LinearDiscriminant
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference

SHRINKAGE = 0.05
"""Of the classifier's covariance."""
SIDE = 14
"""Pixels along an axis that images are averaged down to, about."""


def inputs(rows: Tensor, space: Space) -> Tensor:
    """What the classifier is given of stored rows ``[M, D]``: ``[M, d]`` float64.

    Columns as they are; pixels in 0..1, of images with 28 or more along an axis averaged
    over squares of 2 by 2 or more. Nothing that knows the classes.

    >>> inputs(torch.full((1, 784), 255).byte(), Space((28, 28), image=True)).shape
    torch.Size([1, 196])
    """
    if not space.image:
        return rows.to(torch.float64)
    images = space.floats(rows).reshape(len(rows), -1, *space.event[-2:])
    size = max(1, min(space.event[-2:]) // SIDE)
    return avg_pool2d(images, size).flatten(1).to(torch.float64)


def _scale(rows: Tensor, reference: Reference) -> Tensor:
    """Inputs less their mean, columns also over their standard deviation, on held-out
    rows."""
    real = reference.once(_real_inputs)
    points = inputs(rows, reference.data.space) - real.mean(0)
    if reference.data.space.image:
        return points
    deviation = real.std(0)
    return points / torch.where(deviation > 0, deviation, 1.0)


def _real_inputs(reference: Reference) -> Tensor:
    return inputs(reference.data.held_out, reference.data.space)


def _real_rows(reference: Reference) -> Tensor:
    return _scale(reference.data.held_out, reference)


@dataclass(frozen=True)
class TSTR:
    """Accuracy on real rows of a classifier that saw only samples (Esteban et al., 2017,
    https://arxiv.org/abs/1706.02633).

    Linear discriminant analysis with equal class weights and shrunk covariance: no random
    number, no step to choose. It is given pixels (averaged) or columns and nothing that
    the referee has learnt, since features of a classifier would separate the classes
    whatever the samples taught. Labels are the generator's class of a sample where it
    gives one, else the referee's, also of samples that it takes for none: who trains on
    samples trains on all of them. A class without samples is never predicted and scores
    0. The held-out rows are tested, of which every class has as many. It says nothing of
    spread: rows contracted to their class means teach as well as the real ones.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "any risk increase"
    columns: ClassVar[dict[str, Column]] = {
        "tstr": Column(
            "share of real rows that a classifier trained on the samples gets right, mean over "
            "classes",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
        "tstr_tail": Column(
            "the same of the rarest third of the classes, only where classes are rare",
            low=0,
            high=1,
            worse="lower",
            group="1 tail",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        labels = evaluation.labels if evaluation.classes is None else evaluation.classes

        def right(chain: int) -> Tensor:
            points = _scale(evaluation.rows[chain], reference)
            return self._right(points, labels[chain], reference)

        accuracy = reference.by_class(reference.per_chain(right))  # [R, C]
        columns = {"tstr": accuracy.mean(1)}
        if "tail" in reference.data.provides:
            ranked = accuracy.gather(1, reference.class_of_rank)
            columns["tstr_tail"] = ranked[:, -max(1, ranked.shape[1] // 3) :].mean(1)
        return columns

    def _right(self, points: Tensor, labels: Tensor, reference: Reference) -> Tensor:
        """1 for each held-out row ``[H]`` that is classified as its class, else 0; NaN
        where a sample was not finite."""
        classes = reference.shares.shape[1]
        learnt = LinearDiscriminant.fit(points, labels, classes, SHRINKAGE)
        predicted = learnt.scores(reference.once(_real_rows)).argmax(1)
        is_right = (predicted == reference.group).to(torch.float64)
        return torch.where(learnt.weights.isfinite().all(), is_right, torch.nan)
