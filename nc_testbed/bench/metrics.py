"""Metrics of one generation, against scikit-learn and scipy on the same arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from nc_testbed.bench.measure import alternately, line, ratio, wait
from nc_testbed.metrics.frechet import frechet_distance
from nc_testbed.metrics.neighbours import NEIGHBOURS, Balls, left, meet, radii
from nc_testbed.metrics.spectra import covariance, root
from nc_testbed.parallel import each
from nc_testbed.rng import Streams

CHAINS, REAL, SYNTHETIC, FEATURES = 4, 4000, 3700, 64
"""The default run's chains and held-out rows, and about its evaluation rows."""


def metrics(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Recall and the Frechet distance of four chains, R at once against one after the other."""
    draws = Streams(0, tuple(range(CHAINS)), 0, device)("bench")
    real, synthetic = draws.normal(REAL, FEATURES)[0], 0.8 * draws.normal(SYNTHETIC, FEATURES)
    arrays = [rows.double().cpu().numpy() for rows in synthetic]
    x = real.double().cpu().numpy()
    balls = _balls(real)
    law = (real.double().mean(0), covariance(real), root(covariance(real)))
    labels = torch.zeros(SYNTHETIC, dtype=torch.int64, device=device)
    pairs = {
        "recall, precision and coverage, against recall by scikit-learn": (
            lambda rows: meet(balls, rows, labels)[0].double().mean(),
            lambda rows: sklearn_recall(x, rows),
        ),
        "Frechet distance, against scipy.linalg.sqrtm": (
            lambda rows: frechet_distance(rows, *law),
            lambda rows: scipy_frechet(x, rows),
        ),
    }
    return [
        _compared(what, ours, theirs, synthetic, arrays) for what, (ours, theirs) in pairs.items()
    ]


def sklearn_recall(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> float:
    """Share of real rows ``[N, F]`` inside some synthetic row's k = 5 ball, ``[M, F]``."""
    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(synthetic)  # one is the row itself
    radius = near.kneighbors(synthetic)[0][:, -1]
    return float((pairwise_distances(real, synthetic) < radius).any(1).mean())


def scipy_frechet(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> float:
    """The Frechet distance as it is usually written."""
    a, b = (np.cov(rows, rowvar=False) for rows in (real, synthetic))
    gap = ((real.mean(0) - synthetic.mean(0)) ** 2).sum()
    return float(gap + np.trace(a + b) - 2 * np.trace(np.real(sqrtm(a @ b))))


def _balls(real: Tensor) -> Balls:
    radius, everyone = radii(real)[0], torch.arange(len(real), device=real.device)
    return Balls(left(real), (everyone,), radius, radius)


def _compared(
    what: str, ours: Any, theirs: Any, synthetic: Tensor, arrays: list[NDArray[np.float64]]
) -> dict[str, Any]:
    """One row; both arms must say the same of every chain, or the ratio would mean nothing."""
    found: list[list[float]] = [[], []]

    def together() -> None:
        values = each(ours, list(synthetic), synthetic.device)
        wait(synthetic.device)
        found[0] = [float(value) for value in values]

    def one_by_one() -> None:
        found[1] = [theirs(rows) for rows in arrays]

    mine, other = alternately([together, one_by_one], 3)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    return line(f"{what}, {CHAINS} chains", mine, "x", ratio(mine, other))
