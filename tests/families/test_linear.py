"""Least squares against numpy, ridges against the objectives they maximise."""

import numpy as np
import pytest
import torch
from scipy import optimize

from nc_testbed.core.errors import BadInput
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.linear import LinearGaussian, LinearModel, LinearSource

NOISE = 0.7


def rows(d, n, R=4, seed=0):
    weights = torch.linspace(-1, 2, d, dtype=torch.float64).expand(R, d)
    streams = RandomStreams(seed, tuple(range(R)))
    return LinearGaussian(d, NOISE).rows({"weights": weights}, n, streams, "x")


def fitted(x, **settings):
    model = LinearModel(dim=x.shape[2] - 1, noise=NOISE, design="fresh", **settings)
    return model.estimate(model.family().summarise(x))["weights"].numpy()


@pytest.mark.parametrize(("d", "n"), [(1, 1), (1, 20), (3, 3), (3, 40), (20, 25)])
def test_the_mle_is_least_squares(d, n):
    x = rows(d, n)
    for r, found in enumerate(fitted(x)):
        expected = np.linalg.lstsq(x[r, :, :d].numpy(), x[r, :, d].numpy())[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("estimator", ["map", "l2"])
@pytest.mark.parametrize("n", [2, 30])
def test_a_ridge_maximises_its_objective(estimator, n):
    x, A, lam = rows(3, n), 4.0, 0.3
    found = fitted(x, estimator=estimator, prior_count=A, penalty=lam)
    for r in range(4):
        X, y = x[r, :, :3].numpy(), x[r, :, 3].numpy()

        def loss(w, X=X, y=y):
            squares = ((y - X @ w) ** 2).sum() / (2 * NOISE**2)
            if estimator == "map":  # A pseudo-rows with X'X = I each and labels 0
                return squares + A * (w @ w) / (2 * NOISE**2)
            # natural parameters w / noise^2, per row
            return squares / n + lam / 2 * ((w / NOISE**2) ** 2).sum()

        best = optimize.minimize(loss, np.zeros(3), tol=1e-12).x
        np.testing.assert_allclose(found[r], best, atol=1e-5)


def test_the_fewest_rows_are_as_many_as_weights_or_one():
    assert LinearModel(dim=7, noise=1.0, design="fresh").least_rows() == 7
    assert LinearModel(dim=7, noise=1.0, design="fresh", estimator="l2").least_rows() == 1


@pytest.mark.parametrize("path", ["draw", "rows"])
def test_the_same_design_has_the_same_rows_x_in_every_generation(path):
    weights = {"weights": torch.ones(3, 4, dtype=torch.float64)}
    streams = RandomStreams(0, (0, 1, 2))
    made = {}
    for design in ("same", "fresh"):
        family = LinearGaussian(4, NOISE, design)
        sets = [getattr(family, path)(weights, 9, streams.at(g), "x") for g in (1, 2)]
        statistics = [s if path == "draw" else family.summarise(s) for s in sets]
        for name in ("gram", "cross"):
            made[design, name] = torch.equal(*(s.values[name] for s in statistics))
    assert made["same", "gram"] and not made["fresh", "gram"]
    assert not made["same", "cross"]  # labels have new noise in every set


def test_settings_left_to_the_data_are_filled_in():
    laws = LinearSource(dim=4, noise=0.3, design="same").laws()
    filled = LinearModel().like(laws, 5)
    assert filled.family() == LinearGaussian(4, 0.3, "same")
    assert LinearModel(noise=1.0).like((), 3).family() == LinearGaussian(2, 1.0, "fresh")
    with pytest.raises(BadInput, match=r"^noise=None: "):
        LinearModel().like((), 3)
