"""Spread within classes: the variance that vanishes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import covariance, eigenvectors

DIRECTIONS = 8
"""Most directions the spread is taken in: few, so that rare classes have a covariance."""


def log_det(points: Tensor) -> Tensor:
    """Unbiased log determinant of the covariance of Gaussian points ``[m, d]``, float64.

    Less ``sum_{i=1..d} [psi((m - i) / 2) - ln((m - 1) / 2)]``, its bias at m rows
    (Wishart), so that fewer rows do not look like less spread. -inf for a singular
    covariance, -inf or NaN never raised; NaN for m <= d, where it is singular whatever
    the law.
    """
    m, d = points.shape
    if m <= d:
        return torch.full((), torch.nan, dtype=torch.float64, device=points.device)
    sign, value = torch.linalg.slogdet(covariance(points))
    i = torch.arange(1, d + 1, dtype=torch.float64, device=points.device)
    bias = (torch.special.digamma((m - i) / 2) - torch.log(i.new_tensor((m - 1) / 2))).sum()
    return torch.where(sign > 0, value - bias, -torch.inf)


def _basis(reference: Reference) -> Tensor:
    """Leading principal directions ``[F, d]`` of all held-out features.

    d = 8, or fewer where there are fewer features or some class has few held-out rows.
    """
    points = reference.features
    smallest = min(len(rows) for rows in reference.groups)
    d = min(DIRECTIONS, points.shape[1], smallest - 2)
    return eigenvectors(covariance(points))[1][:, -d:]


def _real(reference: Reference) -> Tensor:
    points = reference.subtract_centre(reference.features) @ reference.once(_basis)
    return torch.stack([log_det(points[rows]) for rows in reference.groups])  # [C]


@dataclass(frozen=True)
class Spread:
    """Log determinant of the within-class covariance of the features, against real rows.

    In the 8 leading principal directions of the held-out features, fixed for the run;
    classes are the referee's labels (one class where there are none). Mean over the
    classes with more than 8 synthetic rows of ``log det S_synthetic - log det S_real``,
    each corrected for its number of rows; a change since generation 0 is the difference
    of two values. -inf: some class has collapsed onto fewer dimensions. NaN: no class has
    enough rows.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "log_spread": Column(
            "that mean: 0 for a perfect fit, -8 ln 4 when every standard deviation has halved",
            worse="lower",
            group="4 diversity",
        ),
        "spread_classes": Column(
            "classes in the mean: one that has died leaves it",
            low=0,
            high="C",
            worse="lower",
            unit="classes",
            group="4 diversity",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        basis = reference.once(_basis)
        real = reference.once(_real)
        gaps = []
        for features, labels in zip(evaluation.features, evaluation.labels, strict=True):
            points = reference.subtract_centre(features) @ basis
            volumes = [log_det(points[labels == c]) for c in range(len(real))]
            gaps.append(torch.stack(volumes) - real)
        gap = torch.stack(gaps)  # [R, C]
        return {
            "log_spread": gap.nanmean(1),
            "spread_classes": (~gap.isnan()).sum(1).double(),
        }
