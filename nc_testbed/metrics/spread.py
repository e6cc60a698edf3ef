"""Spread within classes: the variance that vanishes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import covariance, eigenvectors, in_blocks

DIRECTIONS = 8
"""Most directions the spread is taken in: few, so that rare classes have a covariance."""

FLAT = 16 * torch.finfo(torch.float64).eps
"""Variance of a direction, as a share of the largest per feature, that is rounding: it
does not vary."""


def log_det(points: Tensor, m: int) -> Tensor:
    """Mean log determinant of the covariances of blocks of m points, of ``[N, d]``.

    -inf for a singular covariance, as is any of m <= d points.
    """
    sign, value = torch.linalg.slogdet(covariance(in_blocks(points, m)))
    return torch.where(sign > 0, value, -torch.inf).mean()


def _halves(reference: Reference) -> list[tuple[Tensor, Tensor]]:
    """For each chain two halves of every class's held-out rows, as positions.

    One gives the directions, the other is measured in them: rows vary most in directions
    that they chose themselves, and so do samples of a fit in those of its training rows.
    In random order, since a file may be sorted.
    """
    orders = reference.streams("metrics/spread").permutation(len(reference.group))
    halves = []
    for order in orders:
        classes = [order[reference.group[order] == c] for c in range(len(reference.groups))]
        first = torch.cat([rows[: len(rows) // 2] for rows in classes])
        second = torch.cat([rows[len(rows) // 2 :] for rows in classes])
        halves.append((first, second))
    return halves


def _bases(reference: Reference) -> list[Tensor]:
    """Leading principal directions ``[F, d]`` of each chain's first half of the held-out
    features.

    d = 8, or fewer where there are fewer features that vary, or some class has few rows.
    """
    smallest = min(len(rows) for rows in reference.groups)
    bases = []
    for rows, _ in reference.once(_halves):
        values, vectors = eigenvectors(covariance(reference.features[rows]))
        vary = int((values > FLAT * len(values) * values[-1]).sum())
        d = min(DIRECTIONS, vary, (smallest + 1) // 2 - 2)
        bases.append(vectors[:, len(values) - d :])
    return bases


def _labels(reference: Reference) -> Tensor:
    """The referee's labels ``[H]`` of the held-out rows, right or wrong as those of
    synthetic rows are."""
    if not reference.has_labels:
        return reference.group
    return reference.referee.classify(reference.features)[0]


def gap(synthetic: Tensor, real: Tensor) -> Tensor:
    """``log det S_synthetic - log det S_real`` of points ``[M, d]`` and ``[H, d]``, both
    in blocks of min(M, H) rows.

    Of mean 0 for equal laws, whatever these are: both sides are means of the same
    statistic of as many rows. NaN where these are d or fewer, or the real covariance is
    singular.
    """
    m = min(len(synthetic), len(real))
    if m <= real.shape[1]:
        return real.new_full((), torch.nan)
    volume = log_det(real, m)
    return torch.where(volume.isfinite(), log_det(synthetic, m) - volume, torch.nan)


@dataclass(frozen=True)
class Spread:
    """Log determinant of the within-class covariance of the features, against real rows.

    In the 8 leading principal directions of half of the held-out rows, fixed for the run,
    against the other half. Classes are the referee's labels, of real rows too (one class
    where there are none). Mean over the classes with more than 8 rows of
    ``log det S_synthetic - log det S_real``, both of as many rows: the larger set counts
    as the mean of its blocks. So neither few rows nor the shape of a law looks like less
    spread; a change since generation 0 is the difference of two values. -inf: some class
    has collapsed onto fewer dimensions. NaN: no class has enough rows. Directions in
    which real rows do not vary are left out.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "log_spread": Column(
            "that mean: 0 on average for a perfect fit, -8 ln 4 when every standard deviation "
            "has halved",
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
        gaps = torch.stack([self._gaps(evaluation, r) for r in range(evaluation.chains)])
        return {
            "log_spread": gaps.nanmean(1),
            "spread_classes": (~gaps.isnan()).sum(1).double(),
        }

    def _gaps(self, evaluation: Evaluation, r: int) -> Tensor:
        """The difference of every class of one chain, ``[C]``."""
        reference = evaluation.reference
        basis = reference.once(_bases)[r]
        rows = reference.once(_halves)[r][1]
        synthetic = reference.subtract_centre(evaluation.features[r]) @ basis
        real = reference.subtract_centre(reference.features[rows]) @ basis
        real_labels = reference.once(_labels)[rows]
        labels = evaluation.labels[r]
        classes = range(len(reference.groups))
        return torch.stack(
            [gap(synthetic[labels == c], real[real_labels == c]) for c in classes]
        )
