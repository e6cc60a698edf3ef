"""One-parameter families drawn by their sufficient statistic, with numpy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Family:
    """``rows(rng, phi, size)`` draws statistics of single rows, ``mean(rng, phi, n)`` n rows'."""

    truth: float
    c: float
    function: tuple[float, float, float]
    rows: Any
    mean: Any

    @property
    def variance(self):
        return self.variance_at(self.truth)

    def variance_at(self, phi):
        a, b, c = self.function
        return a + b * phi + c * phi**2


FAMILIES = {
    "bernoulli": Family(
        0.3,
        -1,
        (0, 1, -1),
        lambda rng, phi, size: rng.binomial(1, phi, size).astype(float),
        # The running mean of an accumulation can leave [0, 1] by a rounding error.
        lambda rng, phi, n: rng.binomial(n, np.clip(phi, 0, 1)) / n,
    ),
    "poisson": Family(
        2.0,
        0,
        (0, 1, 0),
        lambda rng, phi, size: rng.poisson(phi, size).astype(float),
        lambda rng, phi, n: rng.poisson(n * phi) / n,
    ),
    "gaussian mean": Family(
        1.0,
        0,
        (4, 0, 0),
        lambda rng, phi, size: phi + 2 * rng.standard_normal(size),
        lambda rng, phi, n: phi + 2 * rng.standard_normal(phi.shape) / n**0.5,
    ),
    "exponential": Family(
        1.5,
        1,
        (0, 0, 1),
        lambda rng, phi, size: rng.gamma(1, phi, size),
        lambda rng, phi, n: rng.gamma(n, phi / n),
    ),
    "known mean": Family(
        2.0,
        2,
        (0, 0, 2),
        lambda rng, phi, size: phi * rng.chisquare(1, size),
        lambda rng, phi, n: phi * rng.chisquare(n, phi.shape) / n,
    ),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture
def families():
    return FAMILIES


@pytest.fixture
def refit_gaussian():
    """``(mean, variance)`` of n rows of N(mean, variance), for every chain."""

    def refit(rng, mean, variance, n, ddof):
        chains = mean.shape
        new = mean + np.sqrt(variance / n) * rng.standard_normal(chains)
        return new, variance * rng.chisquare(n - 1, chains) / (n - ddof)

    return refit
