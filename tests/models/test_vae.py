import dataclasses
import math

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models.vae import VAE, VAEFit

IMAGE, PLANE = Space((4, 5), image=True), Space((3,), image=False)
SMALL = VAE(hidden=(16,), latent_dim=2, steps=30, batch_size=16, lr=1e-3)
GAUSSIAN = dataclasses.replace(SMALL, likelihood="gaussian")
MODELS = [(SMALL, IMAGE), (GAUSSIAN, PLANE), (GAUSSIAN, IMAGE)]


def training(space: Space, chains: int, rows: int = 37):
    x = RandomStreams(7, (0,))("x").normal(rows, space.size)
    real = space.stored_form(x.sigmoid()) if space.image else x.double()
    addresses = torch.arange(rows).expand(chains, -1)
    return Archive(space, real, addresses, addresses[:, :0], rows, 1).view(addresses)


def streams(*chains: int) -> RandomStreams:
    return RandomStreams(0, chains)


@pytest.mark.parametrize(("model", "space"), MODELS)
def test_chains_do_not_feel_each_other(model, space):
    assert model.stacks(space)
    together = model.fit(training(space, 3), streams(0, 1, 2))
    rows = together.sample(11, streams(0, 1, 2), Sampling())
    held = rows[0, :7]
    for chain in range(3):
        alone = model.fit(training(space, 1), streams(chain))
        for name, value in together.state_dict().items():
            assert torch.equal(value[chain], alone.state_dict()[name][0]), name
        assert torch.equal(alone.sample(11, streams(chain), Sampling())[0], rows[chain])
        bound = alone.elbo(held, streams(chain))[0]
        assert torch.equal(bound, together.elbo(held, streams(0, 1, 2))[chain])


def test_only_whole_lines_are_stacked():
    mnist = Space((28, 28), image=True)
    assert VAE().stacks(mnist)
    assert not VAE(batch_size=50).stacks(mnist)
    assert not VAE(hidden=(401,)).stacks(mnist)


@pytest.mark.parametrize(("model", "space"), MODELS)
def test_samples_are_stored_rows_and_a_fit_restores(model, space):
    fit = model.fit(training(space, 2), streams(0, 1))
    again = model.restore(fit.state_dict(), space)
    for decode in ("sample", "mean"):
        rows = fit.sample(9, streams(0, 1), Sampling(decode))
        assert rows.shape == (2, 9, space.size)
        assert rows.dtype is space.dtype
        assert torch.equal(rows, again.sample(9, streams(0, 1), Sampling(decode)))


def test_sampled_pixels_are_black_or_white_and_means_are_grey():
    fit = SMALL.fit(training(IMAGE, 1), streams(0))
    sampled = fit.sample(200, streams(0), Sampling("sample"))
    means = fit.sample(200, streams(0), Sampling("mean"))
    assert set(sampled.unique().tolist()) <= {0, 255}
    assert ((means > 0) & (means < 255)).any()
    # The same latent draws: sampled pixels average to the means.
    error = (sampled.double() - means.double()).mean() / 255
    assert abs(error) <= 4 * 0.5 / math.sqrt(sampled.numel())


def test_training_raises_the_bound():
    data = training(IMAGE, 2)
    fit = VAE(hidden=(16,), latent_dim=2, steps=400, batch_size=16, lr=3e-3).fit(
        data, streams(0, 1)
    )
    start = VAE(hidden=(16,), latent_dim=2, steps=1, batch_size=16, lr=1e-9).fit(
        data, streams(0, 1)
    )
    held = data.all()[0]
    gain = fit.elbo(held, streams(0, 1)) - start.elbo(held, streams(0, 1))
    se = gain.std(1) / math.sqrt(gain.shape[1])
    assert (gain.mean(1) > 4 * se).all()


def linear(weight: float, noise: float) -> VAEFit:
    """x = weight z + noise e with the exact posterior as encoder: the ELBO is the likelihood."""
    gain = weight / (weight**2 + noise)
    posterior = math.log(noise / (weight**2 + noise))
    weights = {
        "encoder.0.weight": torch.tensor([[[gain, 0.0]]]),
        "encoder.0.bias": torch.tensor([[[0.0, posterior]]]),
        "decoder.0.weight": torch.tensor([[[weight]]]),
        "decoder.0.bias": torch.zeros(1, 1, 1),
    }
    return VAEFit("gaussian", noise, weights, Space((1,), image=False))


def test_elbo_and_iwae_against_the_exact_likelihood_of_a_linear_model():
    fit = linear(1.5, 0.4)
    x = torch.linspace(-2, 2, 9).double()[:, None]
    variance = 1.5**2 + 0.4
    exact = -0.5 * (x.square() / variance + math.log(2 * math.pi * variance))[:, 0]
    # With the exact posterior every importance weight equals p(x).
    assert torch.allclose(fit.iwae(x, 3, streams(0))[0].double(), exact, atol=1e-5)
    many = torch.stack([fit.elbo(x, RandomStreams(s, (0,)))[0] for s in range(400)]).double()
    se = many.std(0) / math.sqrt(400)
    assert ((many.mean(0) - exact).abs() <= 4 * se + 1e-6).all()


def test_iwae_rises_with_its_samples():
    fit = linear(1.5, 0.4)
    off = VAEFit(
        "gaussian", 0.4, fit.weights | {"encoder.0.bias": torch.zeros(1, 1, 2)}, fit.space
    )
    x = torch.linspace(-2, 2, 50).double()[:, None]
    bounds = [off.iwae(x, s, streams(0)).mean() for s in (1, 8, 512)]
    exact = fit.iwae(x, 1, streams(0)).mean()
    assert bounds[0] < bounds[1] < bounds[2]
    assert bounds[2] == pytest.approx(float(exact), abs=0.02)


def test_a_learned_variance_finds_the_noise():
    x = RandomStreams(1, (0,))("x").normal(400, 3)[0].double() * 0.3
    rows = torch.arange(400).expand(1, -1)
    archive = Archive(PLANE, x[None], rows, rows[:, :0], 400, 1)
    model = VAE(
        hidden=(), latent_dim=1, steps=1500, batch_size=64, likelihood="gaussian", lr=1e-2
    )
    variance = model.fit(archive.view(rows), streams(0)).report()["fit_variance"]
    assert 0.04 < float(variance) < 0.1  # 0.09 less what one latent direction explains


def test_warm_start_goes_on_from_the_previous_fit():
    data = training(IMAGE, 1)
    warm = VAE(hidden=(16,), latent_dim=2, steps=1, batch_size=8, lr=1e-9, start="warm")
    first = SMALL.fit(data, streams(0))
    second = warm.fit(data, RandomStreams(0, (0,), 1), first)
    for name, value in first.state_dict().items():
        assert torch.allclose(value, second.state_dict()[name], atol=1e-6)
    before = {k: v.clone() for k, v in first.state_dict().items()}
    VAE(hidden=(16,), latent_dim=2, steps=3, batch_size=8, start="warm").fit(
        data, streams(0), first
    )
    assert all(torch.equal(v, before[k]) for k, v in first.state_dict().items())


def test_weight_decay_is_adams_l2_penalty():
    data, on_one = training(IMAGE, 2), dataclasses.replace(SMALL, steps=1, weight_decay=100.0)
    start = dataclasses.replace(SMALL, steps=1, lr=1e-9).fit(data, streams(0, 1))
    fit = on_one.fit(data, streams(0, 1))
    for name, before in start.weights.items():
        # The penalty's gradient, 100 w, outweighs the bound's: Adam's first step is rate sign(w).
        heavy = before.abs() > 0.1
        moved = (fit.weights[name] - before)[heavy]
        torch.testing.assert_close(moved, -1e-3 * before[heavy].sign(), rtol=1e-3, atol=1e-6)
    none = dataclasses.replace(SMALL, weight_decay=0.0).fit(data, streams(0, 1)).weights
    plain = SMALL.fit(data, streams(0, 1)).weights
    assert all(torch.equal(none[name], plain[name]) for name in plain)


def test_epochs_make_work_grow_with_the_training_set():
    model = VAE(steps=None, epochs=2, batch_size=10)
    assert [model.updates(m) for m in (10, 25, 100)] == [2, 5, 20]
    assert VAE(steps=7).updates(10**6) == 7


def test_progress_is_told_of_every_step():
    told = []
    SMALL.fit(
        training(IMAGE, 1), streams(0), None, lambda done, total: told.append((done, total))
    )
    assert told == [(i, 30) for i in range(1, 31)]


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"hidden": (0,)}, "hidden"), ({"latent_dim": 0}, "latent_dim"),
     ({"variance": 0.0}, "variance"),
     ({"steps": None}, "steps"), ({"epochs": 1.0}, "steps"), ({"steps": 0}, "steps"),
     ({"batch_size": 0}, "batch_size"), ({"lr": 0.0}, "lr"),
     ({"steps": None, "epochs": -1.0}, "epochs"), ({"weight_decay": -1.0}, "weight_decay")],
)  # fmt: skip
def test_settings_out_of_range(settings, key):
    with pytest.raises(BadInput) as caught:
        VAE(**settings)
    assert caught.value.key == key


def test_bernoulli_wants_pixels():
    with pytest.raises(BadInput, match="likelihood=bernoulli"):
        SMALL.check(PLANE)
    SMALL.check(IMAGE)
    GAUSSIAN.check(PLANE)
