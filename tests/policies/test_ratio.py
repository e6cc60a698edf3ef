"""The density ratio of known laws is found, and where there is none to find nothing breaks."""

import numpy as np
import pytest

from nc_testbed.policies.ratio import log_density_ratio


def gaussian_pair(n, dim, rng):
    """Real rows N(1/2, 1.5), synthetic rows N(0, 1) in every coordinate, and the true log ratio."""
    synthetic = rng.normal(size=(n, dim))
    real = 0.5 + np.sqrt(1.5) * rng.normal(size=(n, dim))
    square = synthetic**2 / 2 - (synthetic - 0.5) ** 2 / 3 - np.log(1.5) / 2
    return real, synthetic, square.sum(1)


@pytest.mark.parametrize("dim", [1, 3])
def test_the_ratio_of_two_gaussians_is_approached_as_one_over_root_n(dim):
    rng, errors = np.random.default_rng(0), []
    for n in (250, 4000):
        each = []
        for _ in range(20):
            real, synthetic, truth = gaussian_pair(n, dim, rng)
            estimate = log_density_ratio(real, synthetic)
            each.append(np.sqrt(np.mean((estimate - truth) ** 2)))
        errors.append(np.mean(each))
    assert errors[0] < 0.4
    assert 3 < errors[0] / errors[1] < 5.3  # 16 times the rows: 4


def test_correlated_rows_with_a_redundant_coordinate():
    rng = np.random.default_rng(0)
    real, synthetic, truth = gaussian_pair(5000, 2, rng)
    mix = np.array([[1.0, 3.0, 4.0, 0.0], [0.0, 2.0, 2.0, 0.0]])  # third = sum; last constant
    estimate = log_density_ratio(real @ mix + 7, synthetic @ mix + 7)
    assert np.sqrt(np.mean((estimate - truth) ** 2)) < 0.15


def test_numbers_of_rows_do_not_shift_it():
    rng = np.random.default_rng(0)
    real, synthetic, truth = gaussian_pair(8000, 1, rng)
    estimate = log_density_ratio(real[:2000], synthetic)
    assert abs(np.mean(estimate - truth)) < 0.06


def test_equal_laws_have_ratio_one():
    x = np.random.default_rng(0).normal(size=(20_000, 3))
    assert np.abs(log_density_ratio(x[:10_000], x[10_000:])).mean() < 0.05


def effective(log_ratio):
    share = np.exp(log_ratio - log_ratio.max())
    return share.sum() ** 2 / (share**2).sum()


def test_laws_far_apart_leave_few_effective_rows():
    """Nothing is clipped: weights collapse as those of the true ratio do, 4 x - 8."""
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(1000, 1)) + 4, rng.normal(size=(1000, 1))
    found = effective(log_density_ratio(real, synthetic))
    true = effective(4 * synthetic[:, 0] - 8)  # 11 rows of 1000; the penalty leaves twice that
    assert true / 4 < found < 4 * true < 50


@pytest.mark.parametrize(
    ("real", "synthetic"),
    [
        (np.ones((5, 3)), np.ones((4, 3))),
        (np.ones((1, 1)), np.zeros((1, 1))),
        (np.arange(15.0).reshape(5, 3), np.ones((4, 3))),
        (np.full((5, 2), 1e6), np.full((5, 2), 1e6 + 1e-10)),
    ],
)
def test_collapsed_rows_are_no_exception(real, synthetic):
    ratio = log_density_ratio(real, synthetic)
    assert np.isfinite(ratio).all()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
