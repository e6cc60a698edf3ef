"""What only a GPU can show: recorded steps, rounding, memory, and rows that lie beside it."""

import dataclasses
import math

import pytest
import torch

from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.core.machine import Compute, matmul_precision, memory_limit
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.storage import storage
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.closed_loop import closed_loop, fit_chains, measure, sample
from nc_testbed.loop.row_store import RowStore
from nc_testbed.models import steps
from nc_testbed.models.autoencoder import bound_of
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.gmm import GMM
from nc_testbed.models.vae import VAE
from nc_testbed.run.prepare import prepare

pytestmark = pytest.mark.gpu
GPU, CPU = torch.device("cuda"), torch.device("cpu")
SPACE, R = Space((28, 28), image=True), 8
STREAMS = RandomStreams(0, tuple(range(R)), device=GPU)
MODELS = [VAE(steps=10, batch_size=128), ConvVAE(steps=10, batch_size=32)]


def training(device=GPU, rows: int = 1000) -> TrainingSet:
    """Blobs of light as images, the same for all chains."""
    place = RandomStreams(7, (0,))("x").uniform(rows, 2)[0] * 20 + 4
    axis = torch.arange(28)
    squares = [(axis - place[:, i, None]).square() for i in (0, 1)]
    x = (-(squares[0][:, :, None] + squares[1][:, None]) / 12).exp().flatten(1)
    order = torch.arange(rows, device=device).expand(R, -1)
    return Archive(
        SPACE, SPACE.stored_form(x)[None].to(device), order, order[:, :0], rows, 1
    ).view(order)


def fitted(model, compute: Compute, rows=None):
    with memory_limit(compute, GPU), matmul_precision(GPU):
        return model.fit(rows or training(), STREAMS)


def eager(monkeypatch) -> None:
    monkeypatch.setattr(steps, "recorded", lambda step, restart, device: step)


def close(a, b, rtol: float = 1e-5) -> None:
    for name, value in a.state_dict().items():
        torch.testing.assert_close(value, b.state_dict()[name], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_a_recorded_step_is_the_step(model, monkeypatch):
    replayed = fitted(model, Compute(precision="float32"))
    eager(monkeypatch)
    close(replayed, fitted(model, Compute(precision="float32")))


def test_a_fit_is_the_same_twice():
    first, again = (fitted(MODELS[0], Compute()) for _ in range(2))
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in first.state_dict().items())


def test_nothing_in_a_fit_waits_for_the_gpu():
    def watch(done: int, total: int) -> None:
        torch.cuda.set_sync_debug_mode("default" if done == total else "error")

    with memory_limit(Compute(), GPU), matmul_precision(GPU):
        try:
            dataclasses.replace(MODELS[0], steps=200).fit(training(), STREAMS, None, watch)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_a_gpu_computes_what_a_cpu_does(model):
    streams = RandomStreams(0, tuple(range(R)))
    start, eps = (
        model._initial(SPACE, streams("init")),
        streams("x").normal(64, model.latent_dim),
    )
    bound, found = bound_of(model, SPACE), []
    for device in (CPU, GPU):
        weights = {k: v.to(device).requires_grad_() for k, v in start.items()}
        rows = training(device).all()[:, :64]
        with memory_limit(Compute(), device):
            bounds = bound(weights, rows, eps.to(device))
            bounds.mean(1).sum().backward()
        found.append([bounds.detach().cpu(), *(w.grad.cpu() for w in weights.values())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_compiled_loss_is_the_loss():
    usual = fitted(MODELS[0], Compute(precision="float32"))
    close(fitted(MODELS[0], Compute(precision="float32", compile=True)), usual)


def gain(model, precision: str) -> torch.Tensor:
    """Mean bound per chain after 500 steps, ``[R]``."""
    fit = fitted(dataclasses.replace(model, steps=500), Compute(precision=precision))
    return fit.elbo(training().all()[0], STREAMS).mean(1).double().cpu()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_rounded_products_learn_as_much(model, precision):
    exact, rounded = gain(model, "float32"), gain(model, precision)
    error = ((exact.var() + rounded.var()) / R).sqrt()
    assert (exact - rounded).mean().abs() <= 4 * error + 0.005 * exact.mean().abs()


def test_mixtures_agree_with_a_cpu():
    rows = RandomStreams(1, tuple(range(R)))("x").normal(500, 2, dtype=torch.float64)
    fits = []
    for device in (CPU, GPU):
        order = torch.arange(500, device=device).expand(R, -1)
        space = Space((2,), image=False)
        store = Archive(space, rows.to(device), order, order[:, :0], 500, 1)
        streams, view = RandomStreams(0, tuple(range(R)), device=device), store.view(order)
        start = fits[0] if fits else GMM(3, max_iter=1).fit(view, streams)
        start = GMM(3).restore({k: v.to(device) for k, v in start.state_dict().items()}, space)
        fits += [] if fits else [start]
        fits.append(GMM(3, max_iter=30, tolerance=0.0, start="warm").fit(view, streams, start))
    likelihoods = [fit.log_likelihood.cpu() for fit in fits[1:]]
    torch.testing.assert_close(*likelihoods, rtol=0, atol=1e-9)


def world(*words: str, device=GPU):
    with configurations():
        config = compose_config([*words, f"device={device.type}"], [])
    return prepare({k: v for k, v in config.items() if k not in STUDY}).run(print)


SMALL = ("chains=4", "n=600", "evaluation.rows=500", "model.steps=100")


def test_metrics_agree_with_a_cpu():
    there, here = world(*SMALL), world(*SMALL, device=CPU)
    streams = there.streams(0)
    store = RowStore(there).archive
    trained = fit_chains(there, store.view(store.training), streams, None)
    kept = {k: v.cpu() for k, v in trained.state_dict().items()}
    rows = sample(there, trained, 500, streams)
    found = []
    for w, fits, drawn in (
        (there, trained, rows),
        (here, here.model.restore(kept, here.data.space), rows.cpu()),
    ):
        with pytest.MonkeyPatch.context() as patch, memory_limit(w.compute, w.device):
            patch.setattr("nc_testbed.loop.closed_loop.sample", lambda *_, drawn=drawn: drawn)
            seen = measure(
                w, fits, w.streams(0), fits, RowStore(w).archive.view(w.data.training)
            )
        found.append(seen)
    noisy = ("elbo", "w2", "vendi")  # bounds and projections draw from the device's own streams
    for name, value in found[0].items():
        tolerance = 0.02 if any(word in name for word in noisy) else 2e-3
        torch.testing.assert_close(
            value, found[1][name], rtol=tolerance, atol=2e-3, equal_nan=True, msg=name
        )


def test_a_run_that_accumulates_holds_its_archive_once():
    few = world("policy=accumulate", "generations=1", "n=6000", *SMALL[:1], *SMALL[2:])
    many = world("policy=accumulate", "generations=12", "n=6000", *SMALL[:1], *SMALL[2:])
    peaks = []
    for w in (few, many):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        for _ in closed_loop(w):
            pass
        peaks.append(torch.cuda.max_memory_allocated() - before)
    archives = [RowStore(w).archive.synthetic.nbytes for w in (few, many)]
    assert peaks[1] <= 1.2 * archives[1] + (peaks[0] - archives[0])


def test_rows_beside_the_gpu_are_the_same_rows(monkeypatch):
    words = ("policy=accumulate", "generations=3", *SMALL[:3], "model.steps=10")
    usual = list(closed_loop(world(*words)))
    beside = world(*words)
    monkeypatch.setattr(
        "nc_testbed.loop.archive.storage", lambda shape, kind, device, _, folder: storage(
            shape, kind, device, 0, folder
        )
    )  # fmt: skip
    store = RowStore(beside).archive
    assert store.synthetic.is_pinned()
    assert not store.view(store.training).in_place
    for one, other in zip(usual, closed_loop(beside), strict=True):
        assert torch.equal(one.synthetic.cpu()[:, :5], other.synthetic.cpu()[:, :5])
        for name, value in one.weights.items():
            torch.testing.assert_close(value, other.weights[name], rtol=1e-5, atol=1e-5)


def test_memory_that_runs_out_halves_the_chains():
    words = ("chains=64", "n=600", "generations=1", "metrics=[likelihood]", "model.steps=200")
    usual, less = world(*words), world(*words)
    less.compute.memory = 400 * 2**20
    less = dataclasses.replace(less, model=Modest(less.model))
    losses = []
    for w in (usual, less):
        (generation,) = closed_loop(w)
        losses.append(generation.record["neg_elbo"])
    assert less.compute.halvings >= 1
    error = ((losses[0].var() + losses[1].var()) / 64).sqrt()
    assert (losses[0] - losses[1]).mean().abs() <= 4 * error


class Modest:
    """A model that says it needs no memory, so that the allocator has to refuse it."""

    def __init__(self, model):
        self._model = model

    def workspace(self, space, m):
        return 1

    def __getattr__(self, name):
        return getattr(self._model, name)


def test_seeds_are_streams_on_a_gpu_too():
    both = RandomStreams(0, (0, 1), device=GPU)("x").normal(1000)
    assert torch.equal(RandomStreams(0, (1,), device=GPU)("x").normal(1000)[0], both[1])
    correlation = torch.corrcoef(both)[0, 1].abs().item()
    assert correlation < 4 / math.sqrt(1000)
