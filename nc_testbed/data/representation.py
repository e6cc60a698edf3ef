"""What is done to stored rows before any chain
sees them: binarise, standardise, project."""

from __future__ import annotations

import hashlib

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.core.rng import Generators

_BLOCK = 4096
"""Rows drawn at a time, so that 60,000 images need no 200 MB of uniforms at once."""


def binarize(x: np.ndarray, draws: Generators) -> np.ndarray:
    """Pixels of ``x`` [N, D] uint8 drawn as 255 with probability v/255, else as 0.

    Source: R. Salakhutdinov and I. Murray 2008 (stochastic binarisation of MNIST).
    """
    out = np.empty_like(x)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        u = draws.uniform(*block.shape)[0].numpy()
        out[start : start + _BLOCK] = (u * np.float32(255) < block) * np.uint8(255)
    return out


def standardize(x: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both tables less the mean of ``x`` [N, D] over its standard deviation (ddof=0).

    A column that is constant in ``x`` is only centred.
    """
    mean = x.mean(0)
    sd = x.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    return (x - mean) / sd, (others - mean) / sd


def project(
    x: np.ndarray, others: np.ndarray, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both tables on the first principal axes of ``x`` [N, D], float64
    ``[., dimensions]``.

    Raises BadInput (``projection``) above min(N, D). Source: scikit-learn's PCA, an exact
    solver (its default picks a randomised one for some shapes).
    """
    most = min(x.shape)
    require(dimensions <= most, "projection", dimensions, f"give at most {most}, or null")
    # Imported here: it takes a second, and few runs project.
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if len(x) >= x.shape[1] else "full"
    pca = PCA(dimensions, svd_solver=solver)
    return pca.fit_transform(x), pca.transform(others)


def sha256(x: np.ndarray) -> str:
    """Hexadecimal sha256 of the array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data).hexdigest()
