"""The steps of a fit: what they read, in which order, and that blocks of them change nothing."""

import dataclasses

import pytest
import torch

from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import Compute, matmul_precision, memory_limit
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.archive import Archive
from nc_testbed.models import autoencoder, steps
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.steps import Inputs, record_step
from nc_testbed.models.vae import VAE

SPACE, CPU = Space((4, 4), image=True), torch.device("cpu")
STREAMS = RandomStreams(0, (0, 1))
MODELS = [
    VAE(hidden=(16,), latent_dim=2, steps=70, batch_size=16),
    ConvVAE(channels=(3, 4), latent_dim=2, steps=70, batch_size=8),
]


@pytest.fixture(autouse=True)
def small_operations():
    with one_thread():
        yield


def training(rows: int = 10, weights=None) -> TrainingSet:
    x = SPACE.stored_form(RandomStreams(7, (0,))("x").uniform(rows, SPACE.size))
    order = torch.arange(rows).expand(2, -1)
    return Archive(SPACE, x, order, order[:, :0], rows, 1).view(order)


def same(a, b) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_every_epoch_shows_every_row_once():
    batches = [index for block in steps._positions(10, 4, 70, STREAMS("x")) for index in block]
    seen = torch.cat(batches, 1)
    assert seen.shape == (2, 280)
    for epoch in seen.split(10, 1):
        assert epoch.sort().values.tolist() == [list(range(10))] * 2


def test_a_step_reads_the_next_rows_noise_and_weights_of_its_block():
    weights = torch.rand(2, 10, dtype=torch.float64)
    data = dataclasses.replace(training(), weights=weights)
    inputs = Inputs(data, (4, 3), 70, STREAMS)
    order = [i for block in steps._positions(10, 4, 70, STREAMS("fit.order")) for i in block]
    noise = torch.cat(list(steps._noise(70, (4, 3), STREAMS("fit.noise"))))
    done = 0
    for size in inputs.blocks():
        inputs.take()
        inputs.rewind()
        for _ in range(size):
            rows, eps, own = inputs.take()
            assert torch.equal(rows, data.gather(order[done]))
            assert torch.equal(eps, noise[done])
            assert torch.equal(own, weights.gather(1, order[done]).float())
            done += 1
    assert done == 70


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_rows_that_wait_for_their_step_are_those_that_are_read_in_it(model, monkeypatch):
    usual = model.fit(training(), STREAMS)
    monkeypatch.setattr(TrainingSet, "in_place", False)
    assert same(model.fit(training(), STREAMS), usual)


def test_restarting_a_fit_leaves_no_trace(monkeypatch):
    """What recording a step on a GPU does: some steps, then all from the beginning."""

    def twice(step, restart, device):
        for _ in range(3):
            step()
            restart()
        return step

    usual = MODELS[0].fit(training(), STREAMS)
    monkeypatch.setattr(steps, "record_step", twice)
    assert same(MODELS[0].fit(training(), STREAMS), usual)


def test_a_cpu_takes_the_step_itself():
    assert record_step(print, print, CPU) is print


@pytest.mark.parametrize("rows", [1, 17, 33, 100])
def test_blocks_of_rows_keep_the_bits(rows, monkeypatch):
    fit = dataclasses.replace(MODELS[0], steps=3).fit(training(), STREAMS)
    stored = fit.sample(201, STREAMS, Sampling())
    whole = fit.elbo(stored, STREAMS), fit.elbo(stored[0], STREAMS), fit.latent_means(stored)
    monkeypatch.setattr(type(fit), "rows_in_cache", lambda self: rows)
    assert len(list(fit.blocks(201))) > 1
    assert torch.equal(fit.sample(201, STREAMS, Sampling()), stored)
    parts = fit.elbo(stored, STREAMS), fit.elbo(stored[0], STREAMS), fit.latent_means(stored)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_a_compiler_sees_the_whole_loss(model):
    """Without a GPU: that all of it can be traced, and means the same."""
    bound = autoencoder.bound_of(model, SPACE)
    traced = torch.compile(bound, backend="eager", fullgraph=True, dynamic=False)
    one = STREAMS.part(slice(0, 1))  # on a GPU all chains go through as one does here
    weights = model._initial(SPACE, one("init"))
    rows, eps = training().all()[:1], one("x").normal(10, 2)
    assert torch.equal(traced(weights, rows, eps), bound(weights, rows, eps))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_bfloat16_is_near_float32(model):
    model, second = dataclasses.replace(model, steps=10), slice(1, 2)
    usual = model.fit(training(), STREAMS).weights
    with memory_limit(Compute(precision="bf16"), CPU), matmul_precision(CPU):
        alone = model.fit(training().part(second), STREAMS.part(second)).weights
        both = model.fit(training(), STREAMS).weights
    for name, weight in alone.items():
        assert weight.dtype is torch.float32
        assert not torch.equal(weight[0], usual[name][1]), name
        # Adam moves a weight by about its rate in a step, whatever rounding does to the gradient.
        torch.testing.assert_close(weight[0], usual[name][1], rtol=0, atol=10 * 2 * model.lr)
        if model.stacks(SPACE):
            assert torch.equal(weight[0], both[name][1]), name
