"""The Gaussian's factors: no digits are lost, ranks are exact."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from nc_testbed.core.block_rng import BlockGenerator
from nc_testbed.core.family import Statistic
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.factors import add_factors, bartlett, lower
from nc_testbed.families.gaussian import Gaussian

TINY = 2.0**-40  # 1e-12; small multiples of it beside 1 are exact in double precision


def normals(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def streams(chains):
    return RandomStreams(0, tuple(range(chains)))


def exact_scatter(x):
    """Sum of squares about the mean of whole numbers, without rounding."""
    x = [Fraction(v) for v in x]
    mean = sum(x) / len(x)
    return float(sum((v - mean) ** 2 for v in x))


def test_merging_loses_no_digit_at_a_spread_of_1e_12_of_the_mean():
    whole = np.random.default_rng(0).integers(-500, 500, (40, 16)) * 16.0  # so means are exact
    rows = (1 + TINY * torch.from_numpy(whole))[..., None]
    family = Gaussian(1)
    halves = [family.summarise(rows[:, :8]), family.summarise(rows[:, 8:])]
    both = family.merge(*halves)
    expected = np.sqrt([exact_scatter(x.astype(int).tolist()) for x in whole]) * TINY
    np.testing.assert_allclose(both.values["scatter"][:, 0, 0], expected, rtol=1e-14)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_merging_neither_underflows_nor_overflows(d, scale):
    one, other = (scale * normals(7, d, 30, seed=s) for s in (0, 1))
    found = add_factors([lower(one, d), lower(other, d)]) / scale
    expected = lower(torch.cat([one, other], 2) / scale, d)
    torch.testing.assert_close(found @ found.mT, expected @ expected.mT, rtol=1e-11, atol=1e-12)


def test_scatters_at_the_end_of_the_range_still_add():
    size = torch.tensor([1e-200, 0.0, 1e200], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(add_factors([3 * size, -4 * size]), 5 * size, rtol=1e-15, atol=0)


@pytest.mark.parametrize("d", [2, 3, 7])
def test_a_lower_factor_is_lower_and_has_the_same_square(d):
    for m in (1, d - 1, d, 3 * d):
        columns = normals(4, d, m, seed=m)
        B = lower(columns, d)
        assert B.shape == (4, d, d) and B.is_contiguous()
        assert (B.triu(1) == 0).all()
        torch.testing.assert_close(B @ B.mT, columns @ columns.mT, rtol=1e-11, atol=1e-12)
    assert (lower(normals(4, d, 0), d) == 0).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_rows_are_singular_however_their_statistics_are_made(n):
    """Of n rows in three dimensions n - 1 have volume: below 4 the determinant is exactly 0."""
    family, chains = Gaussian(3), 20
    law = {"mean": torch.ones(chains, 3).double() / 3, "factor": normals(chains, 3, 3).tril()}
    truth = {"mean": torch.zeros(1, 3).double(), "factor": torch.eye(3).double()[None]}
    drawn = family.draw(law, n, streams(chains), "x")
    summed = family.summarise(family.rows(law, n, streams(chains), "x"))
    for statistic in (drawn, summed):
        fit = {"mean": statistic.values["mean"], "factor": statistic.values["scatter"]}
        columns = family.columns(fit, truth)
        assert (columns["log_variance"] == -torch.inf).all() == (n < 4)
        assert (columns["absorbed"] == (n == 1)).all()
        assert columns["w2_squared"].isfinite().all()


@pytest.mark.parametrize("degrees", [0, 1, 2, 3, 10**12])
def test_wishart_matrices_have_the_right_rank_and_mean(degrees):
    B = bartlett(degrees, 3, BlockGenerator(streams(4000), "x"))
    W = (B @ B.mT).numpy()
    if degrees < 3:
        assert (np.linalg.matrix_rank(W) == degrees).all()
    error = W.std(0) / 4000**0.5
    assert (np.abs(W.mean(0) - degrees * np.eye(3)) <= 4 * error).all()


def test_counts_may_be_fractions_and_weigh_as_many_rows():
    family, rows = Gaussian(2), normals(5, 6, 2)
    sums = family.summarise(rows)
    half = Statistic(
        3.0, {"mean": sums.values["mean"], "scatter": sums.values["scatter"] / 2**0.5}
    )
    twice = family.merge(half, half)
    assert twice.count == 6
    for name, value in sums.values.items():
        square = [v @ v.mT if name == "scatter" else v for v in (twice.values[name], value)]
        torch.testing.assert_close(*square, rtol=1e-12, atol=1e-14)
