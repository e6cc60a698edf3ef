"""Gaussian estimators against numerical search with automatic derivatives."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from nc_testbed.core.errors import BadInput
from nc_testbed.core.family import Statistic
from nc_testbed.families.gaussian import Gaussian, GaussianModel, GaussianSource

CENTRE, KNOWN, WIDE = 0.7, 2.0, 1.5  # the prior's mean, a known variance, the prior's variance
MEAN = -0.4  # a known mean


def rows(d, n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((4, n, d)) * 1.3 + 1)


def fitted(x, **settings):
    d = x.shape[2]
    model = GaussianModel(
        dim=d, mean=MEAN, variance=KNOWN, prior_mean=CENTRE, prior_variance=WIDE, **settings
    )
    fit = model.estimate(Gaussian(d).summarise(x))
    return fit["mean"].numpy(), (fit["factor"] @ fit["factor"].mT).numpy()


def mean_square(x, centre, weights=None):
    """Second moment about a centre ``[d, d]``."""
    return ((x - centre).mT @ (x - centre)) / len(x)


def partition(theta, d, learn):
    """The log partition function of the natural parameters of what is learned.

    Both: ``S^-1 m`` and the lower triangle of ``-S^-1 / 2``; one of them where the other is known.
    """
    if learn == "mean":
        return KNOWN * theta.square().sum() / 2
    first, second = (theta[:d], theta[d:]) if learn == "both" else (None, theta)
    P = torch.zeros(d, d, dtype=torch.float64)
    i, j = torch.tril_indices(d, d)
    P = P.index_put((i, j), -second)
    P = P + P.T  # the precision: off-diagonal entries are counted once, the diagonal twice
    normal = -torch.logdet(P) / 2
    return normal if first is None else normal + first @ torch.linalg.solve(P, first) / 2


def totals(x, learn):
    """Sums over rows of the statistics that go with those natural parameters, rows weighted."""
    d, centre = x.shape[1], MEAN if learn == "variance" else 0.0
    i, j = torch.tril_indices(d, d)
    squares = (x - centre)[:, i] * (x - centre)[:, j]
    if learn == "mean":
        return x / 1.0
    return squares if learn == "variance" else torch.cat([x, squares], 1)


def prior_row(d, learn):
    """The statistics of a row of the prior: mean ``CENTRE``, covariance ``WIDE`` I."""
    x = torch.full((1, d), CENTRE, dtype=torch.float64)
    i, j = torch.tril_indices(d, d)
    row = totals(x, learn)[0]
    row[-len(i) :] += WIDE * (i == j) if learn != "mean" else 0
    return row


def stationary(x, fit, learn, estimator, coordinates, A=3.0, penalty=0.2):
    """The gradient, at the fit, of the objective that it should maximise."""
    mean, S = fit
    d = x.shape[1]
    P = np.linalg.inv(S)
    i, j = np.tril_indices(d)
    second = -P[i, j] * np.where(i == j, 0.5, 1.0)
    # The statistic that goes with an off-diagonal entry is x_i x_j, once.
    first = P @ mean
    parts = {"mean": [first], "variance": [second], "both": [first, second]}[learn]
    theta = torch.tensor(np.concatenate(parts), dtype=torch.float64, requires_grad=True)
    T, n = totals(x, learn).sum(0), len(x)

    def psi(t):
        return partition(t, d, learn)

    if estimator == "map":
        T, n = T + A * prior_row(d, learn), n + A
    objective = T @ theta - n * psi(theta)
    if estimator == "l2":
        objective = objective / n - penalty / 2 * theta.square().sum()
    if (estimator, coordinates) == ("map", "mean"):
        V = torch.autograd.functional.hessian(psi, theta, create_graph=True)
        objective = objective - torch.logdet(V)
    (gradient,) = torch.autograd.grad(objective, theta)
    return gradient.numpy() / n


@pytest.mark.parametrize("coordinates", ["natural", "mean"])
@pytest.mark.parametrize("estimator", ["mle", "map", "l2"])
@pytest.mark.parametrize("learn", ["both", "mean", "variance"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_fit_maximises_its_objective(d, learn, estimator, coordinates):
    if estimator == "l2" and (d > 1 or coordinates == "mean"):
        return  # refused
    x = rows(d, 9)
    settings = {"estimator": estimator, "coordinates": coordinates}
    mean, S = fitted(x, learn=learn, prior_count=3.0, penalty=0.2, **settings)
    for r in range(4):
        gradient = stationary(x[r], (mean[r], S[r]), learn, estimator, coordinates)
        np.testing.assert_allclose(gradient, 0, atol=1e-9)
        if learn == "mean":
            np.testing.assert_allclose(S[r], KNOWN * np.eye(d))
        if learn == "variance":
            np.testing.assert_allclose(mean[r], MEAN)


def test_the_gradient_here_is_not_blind():
    """Another estimator's fit is no maximum of this one's objective."""
    x = rows(2, 9)
    mean, S = fitted(x)
    off = stationary(x[0], (mean[0], S[0]), "both", "map", "natural")
    assert np.abs(off).max() > 0.01
    mean, S = fitted(x, estimator="map", prior_count=3.0)
    off = stationary(x[0], (mean[0], S[0]), "both", "map", "mean")
    assert np.abs(off).max() > 0.01


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("d", [1, 3])
def test_mle_and_unbiased_covariance_are_numpys(d, ddof):
    x = rows(d, 7)
    mean, S = fitted(x, ddof=ddof)
    for r in range(4):
        np.testing.assert_allclose(mean[r], x[r].mean(0), rtol=1e-13)
        expected = np.atleast_2d(np.cov(x[r].T.numpy(), ddof=ddof))
        np.testing.assert_allclose(S[r], expected, rtol=1e-12, atol=1e-13)
    assert GaussianModel(dim=d, ddof=ddof).least_rows() == 1 + ddof


@pytest.mark.parametrize("spread", [1e-12, 1e-5, 1.0, 1e5])
def test_the_penalised_fit_of_both_is_found_at_any_spread(spread):
    """``penalty p / 2 + q - 1 / p - (x / (1 + penalty p))^2 = 0`` in the precision p."""
    x, S, lam = 3.0, spread**2, 0.1
    statistic = Statistic(
        50,
        {
            "mean": torch.tensor([[x]], dtype=torch.float64),
            "scatter": torch.tensor([[[spread * math.sqrt(50)]]], dtype=torch.float64),
        },
    )
    fit = GaussianModel(dim=1, estimator="l2", penalty=lam).estimate(statistic)

    def slope(log_p):
        p = math.exp(log_p)
        return lam * p / 2 - 1 / p + S + x**2 * (1 - 1 / (1 + lam * p) ** 2)

    p = math.exp(optimize.brentq(slope, -60, 60, xtol=1e-14))
    assert float(fit["factor"]) ** 2 == pytest.approx(1 / p, rel=1e-9)
    assert float(fit["mean"]) == pytest.approx(x / (1 + lam * p), rel=1e-9)


def test_one_row_is_fitted_by_a_point():
    mean, S = fitted(rows(2, 1))
    np.testing.assert_allclose(mean, rows(2, 1)[:, 0])
    assert (S == 0).all()


def test_settings_left_to_the_data_are_filled_in():
    laws = GaussianSource(mean=2.0, variance=9.0, dim=3).laws()
    filled = GaussianModel(learn="mean").like(laws, 3)
    assert (filled.dim, filled.mean) == (3, 2.0)
    assert filled.variance == pytest.approx(9.0)
    kept = GaussianModel(learn="mean", variance=1.0, dim=2, mean=0.0).like(laws, 3)
    assert (kept.dim, kept.mean, kept.variance) == (2, 0.0, 1.0)
    with pytest.raises(BadInput, match=r"^variance=None: "):
        GaussianModel(learn="mean").like((), 2)
    with pytest.raises(BadInput, match=r"^mean=None: "):
        GaussianModel(learn="variance").like((), 2)
    assert GaussianModel().like((), 5).family() == Gaussian(5)
