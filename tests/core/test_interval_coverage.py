"""How often a 95% interval of a mean covers, by simulation.

Nominal is .95; at least .91 is asked of the laws that columns of metrics have. 8,000
replicates have a standard error of .003 at .91.
"""

import numpy as np
import pytest

from nc_testbed.core.intervals import interval
from nc_testbed.core.paired import paired_interval

REPLICATES = 8000
LAWS = {
    "normal": (lambda rng, size: rng.normal(size=size), 0.0, (-np.inf, np.inf)),
    "Beta(9, 1)": (lambda rng, size: rng.beta(9, 1, size), 0.9, (0, 1)),
    "Beta(50, 1)": (lambda rng, size: rng.beta(50, 1, size), 50 / 51, (0, 1)),
    "beta-binomial(250; 3, 1)": (
        lambda rng, size: rng.binomial(250, rng.beta(3, 1, size)) / 250,
        0.75,
        (0, 1),
    ),
    "0/1 at .99": (lambda rng, size: (rng.random(size) < 0.99) * 1.0, 0.99, (0, 1)),
    "0/1 at .9999": (lambda rng, size: (rng.random(size) < 0.9999) * 1.0, 0.9999, (0, 1)),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0, (0, np.inf)),
}


def coverage(name: str, R: int) -> float:
    draw, mean, bounds = LAWS[name]
    ci = interval(draw(np.random.default_rng(R), (R, REPLICATES)), *bounds)
    return float(((ci.low <= mean) & (mean <= ci.high)).mean())


@pytest.mark.parametrize("R", [10, 20])
@pytest.mark.parametrize("name", LAWS)
def test_intervals_cover(name, R):
    assert coverage(name, R) >= 0.91


def test_one_chain_in_ten_that_dies_is_covered_by_no_interval_of_a_mean():
    """Measured at R = 10: .65, for a third of such runs has no dead chain (.9^10 = .35): so
    tables show the share of chains lost, the lowest and the highest beside the mean."""
    rng = np.random.default_rng(0)
    is_dead = rng.random((10, REPLICATES)) < 0.1
    x = np.where(is_dead, 0.02, 0.8 + 0.02 * rng.normal(size=(10, REPLICATES)))
    ci = interval(x, 0, 1)
    mean = 0.9 * 0.8 + 0.1 * 0.02
    covers = (ci.low <= mean) & (mean <= ci.high)
    assert not covers[~is_dead.any(0)].any()
    assert covers[is_dead.any(0)].mean() > 0.9


def test_t_would_not_have_covered_shares_of_chains():
    """What 0/1 columns had: at .99 nine runs in ten of ten chains have width zero."""
    rng = np.random.default_rng(0)
    x = (rng.random((10, REPLICATES)) < 0.99) * 1.0
    plain = interval(x)
    assert ((plain.low <= 0.99) & (plain.high >= 0.99)).mean() < 0.2


@pytest.mark.parametrize(("p", "q", "both"), [(0.9, 0.8, 0.75), (0.99, 0.97, 0.97)])
def test_intervals_of_paired_shares_cover(p, q, both):
    rng = np.random.default_rng(1)
    kinds = rng.multinomial(1, [both, p - both, q - both, 1 - p - q + both], (2000, 20))
    x = kinds[..., 0] + kinds[..., 1]
    y = kinds[..., 0] + kinds[..., 2]
    cis = [paired_interval(a, b, 0, 1) for a, b in zip(x, y, strict=True)]
    covers = [ci.low <= p - q <= ci.high for ci in cis]
    assert np.mean(covers) >= 0.91
