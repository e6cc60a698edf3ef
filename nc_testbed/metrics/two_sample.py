"""Two-sample test: whether a classifier can tell samples from real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.discriminant import shrunk
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import covariance, eigenvectors

FOLDS = 3
SHRINKAGE = 1e-3
"""Of the discriminant's covariance."""
FARTHEST = 30.0
"""Standard deviations beyond which a whitened column is no farther: a few wild values
must not decide alone."""
LEAST_VARIANCE = 1e-6
"""Of whitened directions, over the largest: columns that depend on each other."""


def area_under_curve(x: Tensor, u: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """``P(X > Y) + P(X = Y) / 2`` of scores ``[M]`` and ``[N]`` with weights u and v >= 0.

    >>> two = torch.tensor([1.0, 2.0])
    >>> area_under_curve(two, torch.ones(2), two, torch.tensor([1.0, 0.0])).item()
    0.75
    """
    values, place = torch.cat([x, y]).unique(return_inverse=True)
    a = torch.zeros_like(values).index_add_(0, place[: len(x)], u.to(values))
    b = torch.zeros_like(values).index_add_(0, place[len(x) :], v.to(values))
    below = b.cumsum(0) - b / 2
    return (a * below).sum() / (a.sum() * b.sum())


def indistinguishable(samples: Tensor, real: Tensor, weights: Tensor, folds: Tensor) -> Tensor:
    """``2 (1 - AUC)`` in 0..1 of a linear discriminant in three folds: 1 where samples
    cannot be told from real rows, 0 where all can.

    samples ``[M, d]``, real ``[N, d]`` float64. weights ``[N]`` >= 0 of the real rows, and
    their folds ``[N]``, 0 to 2. The fold of a sample is its place modulo 3: samples come
    in no order. NaN where a sample is not finite.
    """
    if not samples.isfinite().all():
        return samples.new_full((), torch.nan)
    areas = [_fold(samples, real, weights, folds == fold, fold) for fold in range(FOLDS)]
    return (2 * (1 - torch.stack(areas).mean())).clamp(0, 1)


def _fold(samples: Tensor, real: Tensor, weights: Tensor, is_real: Tensor, fold: int) -> Tensor:
    """Area under the curve of one third, by the discriminant of the other two."""
    is_sample = torch.arange(len(samples), device=samples.device) % FOLDS == fold
    weight = weights[~is_real, None] / weights[~is_real].sum()
    real_mean = (weight * real[~is_real]).sum(0)
    sample_mean = samples[~is_sample].mean(0)
    r = (real[~is_real] - real_mean) * weight.sqrt()
    s = samples[~is_sample] - sample_mean
    within = shrunk((r.T @ r + s.T @ s / len(s)) / 2, SHRINKAGE)
    axis = torch.linalg.solve(within, sample_mean - real_mean)
    scores = samples[is_sample] @ axis
    equal = torch.ones_like(scores)
    return area_under_curve(scores, equal, real[is_real] @ axis, weights[is_real])


@dataclass(frozen=True)
class Whitening:
    """Columns to uncorrelated ones of variance 1, and their squares: what a linear
    discriminant needs to see a change of spread or of dependence.

    centre ``[D]``, axes ``[D, D]``, float64.
    """

    centre: Tensor
    axes: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Whitening:
        """By real rows ``[N, D]``; a column that never varies keeps its scale."""
        x = rows.to(torch.float64)
        deviation = covariance(x).diagonal().sqrt()
        scale = torch.where(deviation > 0, deviation, 1.0)
        values, vectors = eigenvectors(covariance(x / scale))
        least = values.amax().clamp(min=1e-300) * LEAST_VARIANCE
        return cls(x.mean(0), vectors / values.clamp(min=least).sqrt() / scale[:, None])

    def squares(self, rows: Tensor) -> Tensor:
        """Whitened columns and their squares, ``[M, 2 D]`` float64 of rows ``[M, D]``."""
        z = ((rows.to(torch.float64) - self.centre) @ self.axes).clamp(-FARTHEST, FARTHEST)
        return torch.cat([z, z * z], 1)


def _whitening(reference: Reference) -> Whitening:
    return Whitening.of(reference.features)


def _standardised(reference: Reference) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[F]`` of the units on held-out rows, 1 for a silent
    one."""
    deviation = covariance(reference.features).diagonal().sqrt()
    return reference.centre, torch.where(deviation > 0, deviation, 1.0)


def _points(reference: Reference, features: Tensor) -> Tensor:
    """What the discriminant is given of features ``[M, F]``."""
    if not reference.data.space.image:
        return reference.once(_whitening).squares(features)
    centre, deviation = reference.once(_standardised)
    return (features.to(torch.float64) - centre) / deviation


def _real_points(reference: Reference) -> Tensor:
    return _points(reference, reference.features)


def _real_folds(reference: Reference) -> Tensor:
    """Folds ``[H]`` of the held-out rows, every class spread over all three."""
    folds = torch.zeros_like(reference.group)
    for rows in reference.groups:
        folds[rows] = torch.arange(len(rows), device=rows.device) % FOLDS
    return folds


@dataclass(frozen=True)
class TwoSample:
    """Classifier two-sample test (Lopez-Paz and Oquab, 2017,
    https://arxiv.org/abs/1610.06545): ``2 (1 - AUC)`` of samples against held-out rows.

    The classifier is a linear discriminant in three folds, on the referee's units for
    images, else on whitened columns and their squares (Clemencon et al., 2009, on ranking
    as a test). Held-out rows are weighted to the classes of the accepted samples, each
    over the acceptance of real rows, so that shares of classes alone tell nothing apart:
    other columns measure those. At the training law where no sample is accepted.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "two_sample": Column(
            "how hard samples are to tell from real rows of the same classes: 1 where they "
            "cannot be told apart (a perfect fit is at 0.95 or more), 0 where all can",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        real = reference.once(_real_points)
        folds = reference.once(_real_folds)
        weights = reference.weights(_accepted_shares(evaluation))

        def one(chain: int) -> Tensor:
            samples = _points(reference, evaluation.features[chain])
            return indistinguishable(samples, real, weights[chain], folds)

        return {"two_sample": reference.per_chain(one)}


def _accepted_shares(evaluation: Evaluation) -> Tensor:
    """Class shares ``[R, C]`` of the accepted samples, corrected for real rows'
    acceptance."""
    reference = evaluation.reference
    if not reference.has_labels:
        return reference.shares
    counts = evaluation.counts(evaluation.is_accepted)
    corrected = torch.where(reference.acceptance > 0, counts / reference.acceptance, 0.0)
    total = corrected.sum(1, keepdim=True)
    return torch.where(total > 0, corrected / total, reference.shares)
