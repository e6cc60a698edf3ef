import dataclasses
import math

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models.conv_vae import ConvVAE

GREY, COLOUR = Space((8, 12), image=True), Space((3, 8, 8), image=True)
SMALL = ConvVAE(channels=(3, 4), latent_dim=2, steps=12, batch_size=8)


def training(space: Space, chains: int, rows: int = 21):
    real = space.stored_form(RandomStreams(7, (0,))("x").normal(rows, space.size).sigmoid())
    addresses = torch.arange(rows).expand(chains, -1)
    return Archive(space, real, addresses, addresses[:, :0], rows, 1).view(addresses)


def streams(*chains: int) -> RandomStreams:
    return RandomStreams(0, chains)


def initial(model, space, *chains):
    return model.restore(model._initial(space, streams(*chains)("init")), space)


def test_on_mnist_it_has_the_parameters_of_the_published_network():
    fit = initial(ConvVAE(), Space((28, 28), image=True), 0, 1, 2)
    assert sum(weight[0].numel() for weight in fit.state_dict().values()) == 647_081
    assert all(len(weight) == 3 for weight in fit.state_dict().values())


@pytest.mark.parametrize("channels", [(2,), (3, 4)])
@pytest.mark.parametrize("space", [GREY, COLOUR])
def test_it_is_the_network_that_torchs_layers_make(space, channels):
    """The same weights in torch.nn's own modules, chain by chain."""
    model = ConvVAE(channels=channels, latent_dim=2)
    fit = initial(model, space, 0, 1)
    event = (1, *space.event)[-3:]
    x = RandomStreams(3, (0, 1))("x").uniform(5, space.size)
    z = RandomStreams(3, (0, 1))("z").normal(5, 2)
    mean, log_var = fit.encode(x)
    output = fit.decode(z)
    halved = (channels[-1], *(side // 2 ** len(channels) for side in event[1:]))
    for r in range(2):
        encoder, decoder = modules(event[0], channels, 2, halved)
        load(encoder, fit, "encoder", r)
        load(decoder, fit, "decoder", r)
        wanted = encoder(x[r].reshape(5, *event)).chunk(2, -1)
        torch.testing.assert_close((mean[r], log_var[r]), wanted)
        torch.testing.assert_close(output[r], decoder(z[r]).flatten(1))


def modules(first, channels, latent, halved):
    nn, kernel = torch.nn, {"kernel_size": 4, "stride": 2, "padding": 1}
    pairs = list(zip((first, *channels), channels, strict=False))
    encoder = [layer for a, b in pairs for layer in (nn.Conv2d(a, b, **kernel), nn.ReLU())]
    encoder += [nn.Flatten(), nn.Linear(math.prod(halved), 2 * latent)]
    decoder = [nn.Linear(latent, math.prod(halved)), nn.Unflatten(1, halved)]
    for a, b in reversed(pairs):
        decoder += [nn.ReLU(), nn.ConvTranspose2d(b, a, **kernel)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def load(network, fit, name, r):
    layers = [layer for layer in network if hasattr(layer, "weight")]
    for i, layer in enumerate(layers):
        weight, bias = (fit.weights[f"{name}.{i}.{part}"][r] for part in ("weight", "bias"))
        bound = 1 / math.sqrt(torch.nn.init._calculate_fan_in_and_fan_out(layer.weight)[0])
        matrix = isinstance(layer, torch.nn.Linear)
        assert bound * 0.8 < weight.abs().max() <= bound  # torch's own range for such a layer
        layer.load_state_dict(
            {"weight": weight.T if matrix else weight, "bias": bias.flatten()}
        )


@pytest.mark.parametrize("space", [GREY, COLOUR])
def test_all_chains_at_once_are_the_chains_one_by_one(space):
    """The grouped convolutions that a GPU runs, against one network per chain."""
    fit = initial(SMALL, space, 0, 1, 2)
    x = RandomStreams(3, (0, 1, 2))("x").uniform(5, space.size)
    z = RandomStreams(3, (0, 1, 2))("z").normal(5, 2)
    torch.testing.assert_close(fit._encode(x), torch.cat(fit.encode(x), -1))
    torch.testing.assert_close(fit._decode(z), fit.decode(z))


@pytest.mark.parametrize("space", [GREY, COLOUR])
def test_chains_do_not_feel_each_other(space):
    with one_thread():
        together = SMALL.fit(training(space, 3), streams(0, 1, 2))
        rows = together.sample(11, streams(0, 1, 2), Sampling())
        bounds = together.elbo(rows[0, :7], streams(0, 1, 2))
        means = together.latent_means(rows)
        for chain in range(3):
            alone = SMALL.fit(training(space, 1), streams(chain))
            for name, value in together.state_dict().items():
                assert torch.equal(value[chain], alone.state_dict()[name][0]), name
            assert torch.equal(alone.sample(11, streams(chain), Sampling())[0], rows[chain])
            assert torch.equal(alone.elbo(rows[0, :7], streams(chain))[0], bounds[chain])
            assert torch.equal(alone.latent_means(rows[chain : chain + 1])[0], means[chain])


def test_training_raises_the_bound():
    data, long = training(GREY, 2), dataclasses.replace(SMALL, steps=300, lr=3e-3)
    fit, start = long.fit(data, streams(0, 1)), initial(SMALL, GREY, 0, 1)
    held = data.all()[0]
    gain = fit.elbo(held, streams(0, 1)) - start.elbo(held, streams(0, 1))
    assert (gain.mean(1) > 4 * gain.std(1) / math.sqrt(gain.shape[1])).all()


@pytest.mark.parametrize(
    ("space", "line"),
    [(Space((5,), image=False), "_target_=ConvVAE: it convolves images"),
     (Space((8, 10), image=True), "channels=[3, 4]: images of 8x10 have sides that 4 does not"),
     (Space((3, 6, 8), image=True), "channels=[3, 4]: images of 6x8")],
)  # fmt: skip
def test_rows_that_it_cannot_convolve_are_refused(space, line):
    with pytest.raises(BadInput) as caught:
        SMALL.check(space)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
    SMALL.check(GREY)
    SMALL.check(COLOUR)


@pytest.mark.parametrize("channels", [(), (0, 4)])
def test_a_network_needs_channels(channels):
    with pytest.raises(BadInput, match="channels"):
        ConvVAE(channels=channels)
