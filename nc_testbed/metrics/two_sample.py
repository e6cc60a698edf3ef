"""Two-sample test: whether a classifier can tell samples from real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.discriminant import shrink
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import covariance, eigenvectors

FOLDS = 3
SHRINKAGE = 1e-3
"""Of the discriminant's covariance."""
FARTHEST = 30.0
"""Standard deviations beyond which a feature is no farther: a few wild values must not
decide alone."""
LEAST_VARIANCE = 1e-6
"""Of whitened directions, over the largest: columns that depend on each other."""


def area_under_curve(x: Tensor, u: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """``P(X > Y) + P(X = Y) / 2`` of scores ``[M]`` and ``[N]`` with weights u and v >= 0.

    >>> two = torch.tensor([1.0, 2.0])
    >>> area_under_curve(two, torch.ones(2), two, torch.tensor([1.0, 0.0])).item()
    0.75
    """
    values, position = torch.cat([x, y]).unique(return_inverse=True)
    a = torch.zeros_like(values).index_add_(0, position[: len(x)], u.to(values))
    b = torch.zeros_like(values).index_add_(0, position[len(x) :], v.to(values))
    below = b.cumsum(0) - b / 2
    return (a * below).sum() / (a.sum() * b.sum())


def indistinguishable(
    samples: Tensor, real: Tensor, weights: Tensor, folds: Tensor, squares: bool = False
) -> Tensor:
    """``2 (1 - AUC)`` in 0..1 of a linear discriminant in three folds: 1 where samples
    cannot be told from real rows, 0 where all can.

    samples ``[M, d]``, real ``[N, d]`` float64. weights ``[N]`` >= 0 of the real rows, and
    their folds ``[N]``, 0 to 2. The fold of a sample is its position modulo 3: samples
    come in no order. squares: see spread and dependence too, see :class:`Whitening`. NaN
    where a sample is not finite.
    """
    if not samples.isfinite().all():
        return samples.new_full((), torch.nan)
    sample_folds = torch.arange(len(samples), device=samples.device) % FOLDS
    equal = torch.ones_like(samples[:, 0])
    areas = []
    for fold in range(FOLDS):
        x, u = _split(samples, equal, sample_folds == fold)
        y, v = _split(real, weights, folds == fold)
        if squares:
            whitening = Whitening.of(x[0], y[0], v[0])
            x = [whitening.squares(part) for part in x]
            y = [whitening.squares(part) for part in y]
        axis = _axis(x[0], y[0], v[0])
        areas.append(area_under_curve(x[1] @ axis, u[1], y[1] @ axis, v[1]))
    return (2 * (1 - torch.stack(areas).mean())).clamp(0, 1)


def _split(
    points: Tensor, weights: Tensor, is_tested: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Points and weights to learn from, and those to test on."""
    parts = (~is_tested, is_tested)
    return [points[part] for part in parts], [weights[part] for part in parts]


def _axis(samples: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """The discriminant's direction ``[d]``, of samples ``[M, d]`` and weighted real rows
    ``[N, d]``, both sets counting as much."""
    share = weights[:, None] / weights.sum()
    real_mean = (share * real).sum(0)
    sample_mean = samples.mean(0)
    r = (real - real_mean) * share.sqrt()
    s = samples - sample_mean
    pooled = shrink((r.T @ r + s.T @ s / len(s)) / 2, SHRINKAGE)
    return torch.linalg.solve(pooled, sample_mean - real_mean)


@dataclass(frozen=True)
class Whitening:
    """Columns to uncorrelated ones, and their squares: what a linear discriminant needs
    to see a change of spread or of dependence.

    centre ``[D]``, axes ``[D, D]``. By both sets alike: rows whitened by themselves have
    squares of mean 1 exactly, and would be told from fresh rows of the same law.
    """

    centre: Tensor
    axes: Tensor

    @classmethod
    def of(cls, samples: Tensor, real: Tensor, weights: Tensor) -> Whitening:
        """Of samples ``[M, D]`` and weighted real rows ``[N, D]``, both sets counting as
        much."""
        points = torch.cat([samples, real])
        equal = torch.ones_like(samples[:, 0]) / len(samples)
        share = torch.cat([equal, weights / weights.sum()])[:, None] / 2
        centre = (share * points).sum(0)
        x = (points - centre) * share.sqrt()
        values, vectors = eigenvectors(x.T @ x)
        floor = values.amax().clamp(min=1e-300) * LEAST_VARIANCE
        return cls(centre, vectors / values.clamp(min=floor).sqrt())

    def squares(self, points: Tensor) -> Tensor:
        """Whitened columns and their squares, ``[M, 2 D]`` of points ``[M, D]``."""
        z = (points - self.centre) @ self.axes
        return torch.cat([z, z * z], 1)


def _scale(reference: Reference) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[F]`` of the features on held-out rows, 1 where they
    never vary."""
    deviation = covariance(reference.features).diagonal().sqrt()
    return reference.centre, torch.where(deviation > 0, deviation, 1.0)


def _points(reference: Reference, features: Tensor) -> Tensor:
    """What the discriminant is given of features ``[M, F]``: standardised, and cut."""
    centre, deviation = reference.once(_scale)
    return ((features.to(torch.float64) - centre) / deviation).clamp(-FARTHEST, FARTHEST)


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
        squares = not reference.data.space.image
        weights = reference.weights(_accepted_shares(evaluation))

        def one(chain: int) -> Tensor:
            samples = _points(reference, evaluation.features[chain])
            return indistinguishable(samples, real, weights[chain], folds, squares)

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
