"""Classifier two-sample test: whether samples can be told from real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference

FOLDS = 3
"""Each third is scored by what the others teach."""
RIDGE = 1e-3
"""Added to the variance of every feature, over their mean."""


def weighted_auc(low: Tensor, high: Tensor, weights: Tensor) -> Tensor:
    """``P(low < high) + P(low = high) / 2``, 0 to 1, of low ``[H]`` with weights and
    high ``[M]``.

    >>> weighted_auc(torch.tensor([0.0, 2.0]), torch.tensor([1.0]), torch.tensor([3.0, 1.0]))
    tensor(0.7500)
    """
    order = high.sort().values
    above = len(high) - torch.searchsorted(order, low, right=True)
    ties = torch.searchsorted(order, low, right=True) - torch.searchsorted(order, low)
    wins = (above + ties / 2) / len(high)
    return (weights * wins).sum() / weights.sum()


def folds(rows: int, device: torch.device) -> Tensor:
    """Fold ``[rows]`` of every row, always the same; random, since rows can be in an order
    of their classes."""
    draws = RandomStreams(0, (SHARED,), device=device)
    return draws("metrics/two_sample").permutation(rows)[0] % FOLDS


def indistinguishable(real: Tensor, made: Tensor, weights: Tensor) -> Tensor:
    """``2 (1 - AUC)`` of linear discriminants, 0 to 1, mean over folds.

    real ``[H, F]`` with weights ``[H]``, made ``[M, F]``, float64.
    """
    real_fold = folds(len(real), real.device)
    made_fold = folds(len(made), made.device)
    areas = []
    for fold in range(FOLDS):
        a = real_fold != fold
        b = made_fold != fold
        direction = _direction(real[a], made[b], weights[a])
        scores = real[~a] @ direction
        areas.append(weighted_auc(scores, made[~b] @ direction, weights[~a]))
    return (2 * (1 - torch.stack(areas).mean())).clamp(0, 1)


def _direction(real: Tensor, made: Tensor, weights: Tensor) -> Tensor:
    """Normal ``[F]`` of the linear discriminant, towards what is made."""
    share = (weights / weights.sum())[:, None]
    x = real - (share * real).sum(0)
    y = made - made.mean(0)
    within = ((share * x).T @ x + y.T @ y / len(y)) / 2
    # The floor keeps the system solvable where no feature varies.
    within.diagonal().add_(RIDGE * within.diagonal().mean() + 1e-12)
    return torch.linalg.solve(within, made.mean(0) - (share * real).sum(0))


def _whitening(reference: Reference) -> Tensor:
    """Factor ``[F, F]`` that gives the held-out rows unit covariance."""
    x = reference.subtract_centre(reference.features)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    floor = 1e-6 * values.amax().clamp(min=1e-12)
    return vectors * values.clamp(min=floor).rsqrt()


@dataclass(frozen=True)
class TwoSample:
    """How little a classifier can tell samples from real rows.

    A linear discriminant in 3 folds on the referee's last hidden units (of vectors the
    whitened columns and their squares); held-out rows are weighted to the label shares of
    the samples, so that shares alone tell nothing apart. ``2 (1 - AUC)``, at most 1.
    Source: Lopez-Paz and Oquab (2017, https://arxiv.org/abs/1610.06545).
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "two_sample": Column(
            "2 (1 - AUC) of a linear classifier of samples against real rows: about 1 where "
            "they cannot be told apart, 0 where always",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        chains = range(evaluation.chains)
        return {
            "two_sample": torch.stack(
                each(lambda r: _measure(evaluation, r), chains, evaluation.rows.device)
            )
        }


def _measure(evaluation: Evaluation, chain: int) -> Tensor:
    """One chain's figure; 0 where hardly a real row has a label that the samples have."""
    reference = evaluation.reference
    classes = reference.shares.shape[1]
    made_counts = torch.bincount(evaluation.labels[chain], minlength=classes).double()
    real_counts = torch.bincount(reference.labels, minlength=classes).double()
    weights = (made_counts / real_counts.clamp(min=1))[reference.labels]
    counts = weights > 0
    if counts.sum() < FOLDS:
        return weights.new_tensor(0.0)
    real = _seen(reference, reference.features[counts])
    made = _seen(reference, evaluation.features[chain])
    return indistinguishable(real, made, weights[counts])


def _seen(reference: Reference, features: Tensor) -> Tensor:
    """What the classifier sees of features ``[M, F]``, float64."""
    x = reference.subtract_centre(features)
    if reference.data.space.image:
        return x
    white = x @ reference.once(_whitening)
    return torch.cat([white, white.square()], 1)
