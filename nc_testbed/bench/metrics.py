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

from nc_testbed.bench.gmm import mixtures
from nc_testbed.bench.measure import alternately, line, ratio, wait
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

CHAINS, REAL, SYNTHETIC, FEATURES = 4, 4000, 3700, 64
"""The default run's chains and held-out rows, and about its evaluation rows."""
PLANE = Space((2,), image=False)
Array = NDArray[np.float64]


def metrics(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Metrics of four chains, R at once against one after the other. What a run computes once,
    on real rows alone, is given to both. ``chains`` changes nothing."""
    draws = RandomStreams(0, tuple(range(CHAINS)), 0, device)("bench")
    real, synthetic = draws.normal(REAL, FEATURES)[0], 0.8 * draws.normal(SYNTHETIC, FEATURES)
    x, balls = real.double().cpu().numpy(), _balls(real)
    law = (real.double().mean(0), covariance(real), matrix_root(covariance(real)))
    labels = torch.zeros(SYNTHETIC, dtype=torch.int64, device=device)
    pairs = {
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

    def together(ours: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: torch.stack(each(ours, list(synthetic), device))

    lines = [
        _compared(what, together(ours), lambda theirs=theirs: [theirs(rows) for rows in arrays])
        for what, (ours, theirs) in pairs.items()
    ]
    return lines + likelihoods(real[:, :2].double(), synthetic[..., :2].double())


def likelihoods(real: Tensor, synthetic: Tensor) -> list[dict[str, Any]]:
    """Held-out likelihood of rows ``[H, 2]`` by fits to rows ``[R, M, 2]``, by scikit-learn too."""
    mixture = mixtures(GMM(8, max_iter=5), synthetic)
    width, x = torch.full_like(synthetic[:, 0], 0.3), real.cpu().numpy()
    kernels = KDEFit(PLANE, synthetic, width, torch.ones_like(synthetic[..., 0]))
    singles = [_sklearn_mixture(mixture, r) for r in range(CHAINS)]
    trees = [KernelDensity(bandwidth=0.3, rtol=1e-8).fit(rows.cpu()) for rows in synthetic]
    return [
        _compared(
            "nll of Gaussian mixtures, K = 8, D = 2, against scikit-learn",
            lambda: -mixture.log_prob(real).mean(1),
            lambda: [-single.score(x) for single in singles],
        ),
        _compared(
            "nll of kernel density estimates, D = 2, against scikit-learn",
            lambda: -kernels.log_prob(real).mean(1),
            lambda: [-tree.score(x) / len(x) for tree in trees],
        ),
    ]


def sklearn_recall(real: Array, synthetic: Array) -> float:
    """Share of real rows ``[N, F]`` inside some synthetic row's k = 5 ball, ``[M, F]``."""
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
    own = polynomial_kernel(synthetic, degree=3)
    M = len(synthetic)
    within = (own.sum() - np.trace(own)) / (M * (M - 1))
    return float(within - 2 * polynomial_kernel(real, synthetic, degree=3).mean())


def scipy_vendi(rows: Array) -> float:
    """The score from the eigenvalues of the cosine kernel's dual."""
    x = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = eigvalsh(x.T @ x / len(x))
    return float(np.exp(-(values * np.log(values)).sum()))


def _across(real: Tensor, rows: Tensor) -> Tensor:
    """Mean kernel between real and synthetic rows."""
    one, other = (x.new_full((1, len(x)), 1 / len(x), dtype=torch.float64) for x in (real, rows))
    return kernel_means(real, one, rows, other)[0]


def _balls(real: Tensor) -> Balls:
    radius, everyone = radii(real)[0], torch.arange(len(real), device=real.device)
    return Balls(left(real), (everyone,), radius, radius)


def _sklearn_mixture(fit: Mixture, r: int) -> GaussianMixture:
    """scikit-learn's object for one of our mixtures."""
    weights, means, covariances = (
        x[r].cpu().numpy() for x in (fit.weights, fit.means, fit.covariances())
    )
    mixture = GaussianMixture(len(weights))
    mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, covariances
    mixture.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(covariances))
    return mixture


def _compared(
    what: str, ours: Callable[[], Tensor], theirs: Callable[[], list[float]]
) -> dict[str, Any]:
    """One row; both arms must say the same of every chain, or the ratio would mean nothing."""
    found: list[Any] = [None, None]

    def together() -> None:
        with one_thread():  # as the loop has it
            values = ours()
        wait(values.device)
        found[0] = values.cpu().numpy()

    def one_by_one() -> None:
        found[1] = theirs()

    mine, other = alternately([together, one_by_one], 3)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    own = f"{1e3 * float(np.median(mine)):.3g} ms"
    return line(f"{what}, {CHAINS} chains in {own}", mine, "x", ratio(mine, other))
