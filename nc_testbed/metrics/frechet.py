"""Frechet distance in the referee's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import covariance, eigenvalues, matrix_root


def frechet_distance(points: Tensor, mean: Tensor, cov: Tensor, cov_root: Tensor) -> Tensor:
    """Squared Wasserstein-2 distance of two Gaussians, float64, from 0 up.

    ``|m - m'|^2 + tr S + tr S' - 2 tr (S' ^ 1/2 S S' ^ 1/2) ^ 1/2`` (Dowson and Landau,
    1982, https://doi.org/10.1016/0047-259X(82)90077-X; Heusel et al., 2017,
    https://arxiv.org/abs/1706.08500), m and S of the points ``[N, F]``, m' and S' given.
    """
    cov_points = covariance(points)
    gap = (points.double().mean(0) - mean).square().sum()
    cross = eigenvalues(cov_root @ cov_points @ cov_root).sqrt().sum()
    return gap + cov_points.trace() + cov.trace() - 2 * cross


def _gaussians(reference: Reference) -> list[tuple[Tensor, Tensor, Tensor]]:
    def one(chain: int) -> tuple[Tensor, Tensor, Tensor]:
        points = reference.held_out(chain)
        cov = covariance(points)
        return points.double().mean(0), cov, matrix_root(cov)

    return each(one, range(reference.chains), reference.data.x.device)


def _floor(reference: Reference) -> Tensor:
    """Other real rows against the held-out ones, ``[R]``, at M rows.

    Where a chain has only m < M training rows, extrapolated linearly in 1/m, the leading
    order of the bias, from all of them and the mean of their two halves (derived).
    """
    laws = reference.once(_gaussians)
    real = reference.real
    raw = reference.per_chain(lambda r: frechet_distance(real[r], *laws[r]))
    m = real.shape[1]
    if m == reference.rows:
        return raw
    halves = [
        reference.per_chain(lambda r, half=half: frechet_distance(real[r, half::2], *laws[r]))
        for half in (0, 1)
    ]
    return raw - (1 - m / reference.rows) * (sum(halves) / 2 - raw)


@dataclass(frozen=True)
class Frechet:
    """Frechet distance of the Gaussians fitted to real and synthetic features.

    ``|m - m'|^2 + tr S + tr S' - 2 tr (S'^1/2 S S'^1/2)^1/2``. The real rows are the
    held-out ones resampled to the chain's training law.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "any risk increase"
    columns: ClassVar[dict[str, Column]] = {
        "frechet": Column(
            "distance between real and synthetic features, less that of other real rows, as many "
            "as synthetic ones; about 0 for a perfect fit, then often below",
            unit="features squared",
            group="2 quality",
            overall=2,
        ),
        "frechet_raw": Column(
            "the distance, biased upwards at finite M",
            low=0,
            unit="features squared",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        features = evaluation.features
        laws = reference.once(_gaussians)
        raw = reference.per_chain(lambda r: frechet_distance(features[r], *laws[r]))
        return {"frechet": raw - reference.once(_floor), "frechet_raw": raw}
