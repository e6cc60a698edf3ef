"""Metrics of one generation, against scikit-learn and scipy on the same arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigvalsh, sqrtm
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, NearestNeighbors
from torch import Tensor

from nc_testbed.bench.gmm_fit import mixtures
from nc_testbed.bench.timing import alternately, ratio, table_row, wait
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.machine import each
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.metrics.frechet import frechet_distance
from nc_testbed.metrics.kid import kernel_means, mean_pair
from nc_testbed.metrics.neighbours import NEIGHBOURS, Balls, left, meet, radii
from nc_testbed.metrics.spectra import covariance, matrix_root
from nc_testbed.metrics.vendi import vendi_score
from nc_testbed.models.gmm import GMM, Mixture
from nc_testbed.models.kde import KDEFit

# As in the default run: its chains and held-out rows, and about its evaluation rows.
CHAINS = 4
REAL = 4000
SYNTHETIC = 3700
FEATURES = 64
PLANE = Space((2,), image=False)
Array = NDArray[np.float64]


def time_metrics(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Metrics of four chains, all at once, against scikit-learn and scipy one after the
    other.

    What a run computes once, on real rows alone, is given to both. ``chains`` changes
    nothing.
    """
    draws = RandomStreams(0, tuple(range(CHAINS)), 0, device)("bench")
    real = draws.normal(REAL, FEATURES)[0]
    synthetic = 0.8 * draws.normal(SYNTHETIC, FEATURES)
    x = real.double().cpu().numpy()
    balls = _balls(real)
    law = (real.double().mean(0), covariance(real), matrix_root(covariance(real)))
    labels = torch.zeros(SYNTHETIC, dtype=torch.int64, device=device)
    pairs: dict[str, tuple[Any, Any]] = {
        "recall, precision, coverage and density, against recall by scikit-learn": (
            lambda rows: meet(balls, rows, labels)[0].double().mean(),
            lambda rows: sklearn_recall(x, rows),
        ),
        "Frechet distance, against scipy.linalg.sqrtm": (
            lambda rows: frechet_distance(rows, *law),
            lambda rows: scipy_frechet(x, rows),
        ),
        "KID, against scikit-learn's polynomial_kernel": (
            lambda rows: mean_pair(rows) - 2 * _across(real, rows),
            lambda rows: sklearn_kid(x, rows),
        ),
        "Vendi score, against scipy.linalg.eigvalsh": (vendi_score, scipy_vendi),
    }
    arrays = [rows.double().cpu().numpy() for rows in synthetic]

    def at_once(metric: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: torch.stack(each(metric, list(synthetic), device))

    def one_by_one(metric: Callable[[Array], float]) -> Callable[[], list[float]]:
        return lambda: [metric(rows) for rows in arrays]

    rows = [
        _compare(name, at_once(metric), one_by_one(reference))
        for name, (metric, reference) in pairs.items()
    ]
    return rows + likelihoods(real[:, :2].double(), synthetic[..., :2].double())


def likelihoods(real: Tensor, synthetic: Tensor) -> list[dict[str, Any]]:
    """Held-out likelihood of rows ``[H, 2]`` by fits
    to rows ``[R, M, 2]``, by scikit-learn too."""
    mixture = mixtures(GMM(8, max_iter=5), synthetic)
    width = torch.full_like(synthetic[:, 0], 0.3)
    x = real.cpu().numpy()
    kernels = KDEFit(PLANE, synthetic, width, torch.ones_like(synthetic[..., 0]))
    singles = [_sklearn_mixture(mixture, r) for r in range(CHAINS)]
    trees = [KernelDensity(bandwidth=0.3, rtol=1e-8).fit(rows.cpu()) for rows in synthetic]
    return [
        _compare(
            "nll of Gaussian mixtures, K = 8, D = 2, against scikit-learn",
            lambda: -mixture.log_prob(real).mean(1),
            lambda: [-single.score(x) for single in singles],
        ),
        _compare(
            "nll of kernel density estimates, D = 2, against scikit-learn",
            lambda: -kernels.log_prob(real).mean(1),
            lambda: [-tree.score(x) / len(x) for tree in trees],
        ),
    ]


def sklearn_recall(real: Array, synthetic: Array) -> float:
    """Share of real rows ``[N, F]`` inside some
    synthetic row's k = 5 ball, ``[M, F]``."""
    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(synthetic)  # one is the row itself
    radius = near.kneighbors(synthetic)[0][:, -1]
    return float((pairwise_distances(real, synthetic) < radius).any(1).mean())


def scipy_frechet(real: Array, synthetic: Array) -> float:
    """The Frechet distance as it is usually written."""
    a, b = (np.cov(rows, rowvar=False) for rows in (real, synthetic))
    gap = ((real.mean(0) - synthetic.mean(0)) ** 2).sum()
    return float(gap + np.trace(a + b) - 2 * np.trace(np.real(sqrtm(a @ b))))


def sklearn_kid(real: Array, synthetic: Array) -> float:
    """The kernel distance less its part of real rows alone."""
    kernel = polynomial_kernel(synthetic, degree=3)
    M = len(synthetic)
    mean = (kernel.sum() - np.trace(kernel)) / (M * (M - 1))
    return float(mean - 2 * polynomial_kernel(real, synthetic, degree=3).mean())


def scipy_vendi(rows: Array) -> float:
    """The score from the eigenvalues of the cosine kernel's dual."""
    x = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = eigvalsh(x.T @ x / len(x))
    return float(np.exp(-(values * np.log(values)).sum()))


def _across(real: Tensor, rows: Tensor) -> Tensor:
    """Mean kernel between real and synthetic rows."""
    shares = (x.new_full((1, len(x)), 1 / len(x), dtype=torch.float64) for x in (real, rows))
    of_real, of_rows = shares
    return kernel_means(real, of_real, rows, of_rows)[0]


def _balls(real: Tensor) -> Balls:
    """The k-nearest-neighbour balls of real rows that are all of one class."""
    radius = radii(real)[0]
    everyone = torch.arange(len(real), device=real.device)
    return Balls(left(real), (everyone,), radius, radius)


def _sklearn_mixture(fit: Mixture, r: int) -> GaussianMixture:
    """scikit-learn's object for one of our mixtures."""
    weights, means, covariances = (
        x[r].cpu().numpy() for x in (fit.weights, fit.means, fit.covariances())
    )
    mixture = GaussianMixture(len(weights))
    mixture.weights_ = weights
    mixture.means_ = means
    mixture.covariances_ = covariances
    mixture.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(covariances))
    return mixture


def _compare(
    name: str, at_once: Callable[[], Tensor], looped: Callable[[], list[float]]
) -> dict[str, Any]:
    """One row of the table. Raises AssertionError
    unless both give every chain the same value."""
    values: list[Any] = [None, None]

    def measure_at_once() -> None:
        with one_thread():  # as in the loop
            result = at_once()
        wait(result.device)
        values[0] = result.cpu().numpy()

    def measure_looped() -> None:
        values[1] = looped()

    seconds, others = alternately([measure_at_once, measure_looped], 3)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6)
    time = f"{1e3 * float(np.median(seconds)):.3g} ms"
    return table_row(f"{name}, {CHAINS} chains in {time}", seconds, "x", ratio(seconds, others))
