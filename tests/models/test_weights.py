"""Rows of weight two are rows that are there twice, whatever the model."""

import dataclasses

import pytest
import torch

from nc_testbed.config.build import build_target
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.gmm import GMM
from nc_testbed.models.kde import KDE
from nc_testbed.models.vae import VAE

R, N = 3, 24
FAMILIES = ["bernoulli", "categorical", "exponential", "gaussian", "ising", "linear", "poisson"]


def sets(space, real):
    """Rows 0..11 twice, and the same rows once with weights: rows 12..23 have none."""
    order = torch.arange(N).expand(R, -1)
    store = Archive(space, real, order, order[:, :0], N, 1)
    twice = store.view(torch.cat([order[:, :12], order[:, :12]], 1))
    weights = torch.cat([torch.full((R, 12), 2.0), torch.zeros(R, 12)], 1).double()
    return twice, store.view(order).with_weights(weights)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_honours_weights(name):
    target = f"nc_testbed.families.{name}.{name.capitalize()}Source"
    data = build_target({"_target_": target, "rows": N}, "data", ()).load(R, 0, 0, 1)
    kind = f"nc_testbed.families.{name}.{name.capitalize()}Model"
    model = build_target({"_target_": kind}, "model", ()).like(
        data.true_parameters, data.space.size
    )
    fits = [model.fit(rows, RandomStreams(0, (0, 1, 2))) for rows in sets(data.space, data.x)]
    for key, value in fits[0].parameters.items():
        torch.testing.assert_close(fits[1].parameters[key], value)


def test_a_kernel_density_honours_weights():
    real = RandomStreams(0, (0, 1, 2))("x").normal(N, 2, dtype=torch.float64)
    twice, weighted = (
        KDE().fit(rows, RandomStreams(0, (0, 1, 2))) for rows in sets(Space((2,), False), real)
    )
    torch.testing.assert_close(twice.log_prob(real[0]), weighted.log_prob(real[0]))
    for name, value in twice.columns(()).items():
        torch.testing.assert_close(weighted.columns(())[name], value)
    drawn = weighted.sample(500, RandomStreams(0, (0, 1, 2)), Sampling("mean"))
    assert all(not torch.isin(drawn[r, :, 0], real[r, 12:, 0]).any() for r in range(R))


def test_a_mixture_honours_weights():
    real = RandomStreams(0, (0, 1, 2))("x").normal(N, 2, dtype=torch.float64)
    real[:, ::2] += 10  # two blobs, so that no component shrinks to the floor
    model = GMM(components=2, covariance="diagonal", max_iter=200, tolerance=0.0)
    twice, weighted = sets(Space((2,), False), real)
    start = model.fit(twice, RandomStreams(0, (0, 1, 2)))
    warm = dataclasses.replace(model, start="warm")
    fits = [warm.fit(rows, RandomStreams(0, (0, 1, 2)), start) for rows in (twice, weighted)]
    for key in ("weights", "means", "factors", "log_likelihood"):
        torch.testing.assert_close(
            getattr(fits[0], key), getattr(fits[1], key), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize(
    "model",
    [VAE(hidden=(16,), latent_dim=2, steps=300, batch_size=16, lr=1e-2),
     ConvVAE(channels=(4, 8), latent_dim=2, steps=300, batch_size=16, lr=1e-2)],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_an_autoencoder_learns_from_weighted_rows_alone(model):
    """Half of the rows are black, half white; the black ones have no weight."""
    pixels = torch.cat([torch.full((12, 16), 255), torch.zeros(12, 16)])[None]
    space = Space((4, 4), image=True)
    _, weighted = sets(space, pixels.to(torch.uint8))
    fit = model.fit(weighted, RandomStreams(0, (0, 1, 2)))
    rows = fit.sample(50, RandomStreams(0, (0, 1, 2)), Sampling())
    assert float(rows.double().mean() / 255) > 0.95
