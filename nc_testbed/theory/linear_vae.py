"""Linear VAEs (probabilistic PCA) that are refitted to their own decoder MEANS.

The fit of a spectrum lambda with decoder variance s2 has decoder means of variance
max(lambda - s2, 0) along each principal direction: what is noise to the decoder is lost.
Samples with the decoder's noise keep it. ``t`` counts refits, t = generation + 1, and t =
1 is the fit to the truth; the results are the variances of the t-th fit's decoder means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def decoder_mean_spectrum(
    t: ArrayLike, eigenvalues: ArrayLike, noise: float
) -> NDArray[np.float64]:
    """Variances of the decoder means under replace (F1).

    nu_t = max(lambda - t s2, 0)

    Arguments: t >= 1 refits ``[...]``; eigenvalues lambda >= 0 of the truth ``[K]``;
    noise s2 >= 0, the decoder's fixed variance. Returns ``[..., K]``. Conditions: exact
    for infinite n, at least as many latents as directions above s2. Source: derived.

    >>> decoder_mean_spectrum([1, 3], [1.0, 0.25], 0.1).round(2).tolist()
    [[0.9, 0.15], [0.7, 0.0]]
    """
    return _shrunk(np.asarray(t, dtype=np.float64), eigenvalues, noise)


def fresh_spectrum(
    t: ArrayLike, eigenvalues: ArrayLike, noise: float, share: float
) -> NDArray[np.float64]:
    """Variances of the decoder means when a share of every training set is fresh truth
    (F2).

    nu_t = max(lambda - s2 (1 - (1-f)^t)/f, 0), in the end max(lambda - s2/f, 0): a
    direction survives only if f > s2/lambda

    Arguments: t, eigenvalues, noise as :func:`decoder_mean_spectrum`; share f in (0, 1]
    of real rows from t = 2 on. Conditions: exact for infinite n. Source: derived.

    >>> fresh_spectrum([1, 1000], [1.0, 0.25], 0.1, 0.2).round(2).tolist()
    [[0.9, 0.15], [0.5, 0.0]]
    """
    lost = (1 - (1 - share) ** np.asarray(t, dtype=np.float64)) / share
    return _shrunk(lost, eigenvalues, noise)


def accumulated_spectrum(
    t: ArrayLike, eigenvalues: ArrayLike, noise: float
) -> NDArray[np.float64]:
    """Variances of the decoder means when all rows so far are trained on (F2).

    nu_t = max(lambda - s2 H_t, 0), H_t = 1 + 1/2 + ... + 1/t

    Arguments: t, eigenvalues, noise as :func:`decoder_mean_spectrum`. Conditions: exact
    for infinite n, as many rows from each generation. Source: derived.

    >>> accumulated_spectrum([1, 3], [1.0, 0.25], 0.1).round(2).tolist()
    [[0.9, 0.15], [0.82, 0.07]]
    """
    t = np.asarray(t)
    harmonic = np.cumsum(1 / np.arange(1, int(t.max()) + 1, dtype=np.float64))
    return _shrunk(harmonic[t - 1], eigenvalues, noise)


def _shrunk(steps: NDArray[np.float64], eigenvalues: ArrayLike, noise: float):
    """Eigenvalues less ``steps`` times the noise, never below zero, ``[..., K]``."""
    spectrum = np.asarray(eigenvalues, dtype=np.float64)
    return np.maximum(spectrum - noise * steps[..., None], 0.0)
