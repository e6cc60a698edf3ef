"""Density ratio estimation: how much likelier a row is among real rows than synthetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

Array = NDArray[np.float64]

COMPONENTS = 20
"""Principal components kept: with squares and products 230 coefficients, few enough for a
fit to a thousand rows."""
FLAT = 1e-12
"""Variance below which an axis is rounding error: it would be blown up to a feature."""
STEPS = 1000
"""Most L-BFGS iterations; tens are usual."""


def log_density_ratio(real: Array, synthetic: Array) -> Array:
    """``log p_real(x) / p_synthetic(x)`` estimated at every synthetic row, ``[m]``, nats.

    The log odds of a probabilistic classifier that tells n real from m synthetic rows,
    plus ``log m / n``, as
    ``p_real / p_synthetic = (m / n) P(real | x) / P(synthetic | x)``. The classifier is
    logistic regression (L2 penalty 1) on the standardised rows' first 20 principal
    components, standardised, with their squares and products. For two Gaussian laws in at
    most 20 dimensions the log ratio is quadratic and the estimate consistent; elsewhere
    it is the best such quadratic. It is evaluated at the rows it was fitted to, which
    makes it bolder where they are few; the penalty makes it milder, most where laws lie
    far apart. 0 where rows are not finite, or too large for their squares to be: then
    nothing can be told, and the fit says so.

    real: ``[n, D]``; synthetic: ``[m, D]``, n, m >= 1. A function of its rows alone if
    the caller keeps linear algebra to one thread.

    Density ratio estimation by probabilistic classification: Sugiyama, Suzuki, Kanamori
    2012, https://doi.org/10.1017/CBO9781139035613, chapter 4.

    >>> x = np.random.default_rng(0).normal(size=(4000, 1))
    >>> ratio = log_density_ratio(x[:2000] + 1, x[2000:])  # in truth x - 1/2
    >>> bool(np.abs(ratio - (x[2000:, 0] - 0.5)).mean() < 0.1)
    True
    """
    n = len(real)
    m = len(synthetic)
    rows = np.concatenate([real, synthetic])
    is_real = np.repeat([True, False], [n, m])
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.square(rows - rows.mean(0)).sum())
    scores = principal_scores(rows) if finite else rows[:, :0]
    if not scores.shape[1]:
        return np.zeros(m)
    classifier = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        LogisticRegression(max_iter=STEPS),
    ).fit(scores, is_real)
    return classifier.decision_function(scores[n:]) + np.log(m / n)


def principal_scores(rows: Array) -> Array:
    """Standardised rows ``[N, D]`` on their first axes that vary, ``[N, k]``, k <= 20.

    >>> principal_scores(np.ones((5, 3))).shape, principal_scores(np.eye(5)[[0, 1, 1]]).shape
    ((5, 0), (3, 1))
    """
    z = StandardScaler().fit_transform(rows)
    with np.errstate(invalid="ignore"):  # rows all alike: PCA divides 0 by 0
        pca = PCA(min(COMPONENTS, *z.shape), svd_solver="full").fit(z)
    return pca.transform(z)[:, pca.explained_variance_ > FLAT]
