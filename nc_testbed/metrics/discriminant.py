"""Linear discriminant analysis: a fixed classifier without a single random number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def shrink(covariance: Tensor, shrinkage: float) -> Tensor:
    """``(1 - s) S + s tr(S) / d I``, ``[d, d]``: a covariance that can be inverted.

    The identity where S is 0: all rows of a class are alike.
    """
    d = len(covariance)
    mean = covariance.diagonal().mean()
    scale = torch.where(mean > 0, mean, 1.0 / shrinkage)
    identity = torch.eye(d, dtype=covariance.dtype, device=covariance.device)
    return (1 - shrinkage) * covariance + shrinkage * scale * identity


@dataclass(frozen=True)
class LinearDiscriminant:
    """A classifier of Gaussian classes that share their covariance, all equally likely.

    weights ``[C, d]``, biases ``[C]``; the bias of a class without rows is -inf, so that
    no row is ever taken for it. NaN throughout where a row was not finite.
    """

    weights: Tensor
    biases: Tensor

    @classmethod
    def fit(
        cls, points: Tensor, labels: Tensor, classes: int, shrinkage: float
    ) -> LinearDiscriminant:
        """Of points ``[M, d]`` float64 with labels ``[M]`` in 0..classes-1.

        The covariance is that within classes over all rows (divisor M), shrunk by
        ``shrinkage``, above 0 and at most 1, towards its mean variance.
        """
        members = torch.nn.functional.one_hot(labels, classes).to(points)  # [M, C]
        counts = members.sum(0)
        means = (members.T @ points) / counts.clamp(min=1)[:, None]
        residuals = points - means[labels]
        pooled = shrink(residuals.T @ residuals / len(points), shrinkage)
        if not pooled.isfinite().all():
            return cls(torch.full_like(means, torch.nan), torch.full_like(counts, torch.nan))
        weights = torch.linalg.solve(pooled, means.T).T
        biases = -0.5 * (weights * means).sum(1)
        return cls(weights, torch.where(counts > 0, biases, -torch.inf))

    def scores(self, points: Tensor) -> Tensor:
        """Log density of each class up to what they share, ``[N, C]``, of points ``[N,
        d]``."""
        return points @ self.weights.T + self.biases
