"""Covariances and spectra of healthy, collapsed and diverged points."""

from __future__ import annotations

import numpy as np
import torch

from nc_testbed.metrics.spectra import covariance, eigenvalues, matrix_root


def points(n=30, d=5):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0)).double()


def test_covariance_is_numpys_and_exactly_zero_for_copies():
    x = points()
    np.testing.assert_allclose(covariance(x), np.cov(x.numpy().T), rtol=1e-12)
    for value in (0.1, 1 / 3, 1e-9 + 1):
        assert (covariance(torch.full((301, 3), value).double() / 7) == 0).all()


def test_root_squares_to_the_matrix():
    cov = covariance(points(4))  # of rank 3
    torch.testing.assert_close(matrix_root(cov) @ matrix_root(cov), cov)


def test_eigenvalues_of_nothing_finite_are_nan():
    assert eigenvalues(torch.full((3, 3), torch.inf)).isnan().all()
    assert (eigenvalues(covariance(points(3))) >= 0).all()
