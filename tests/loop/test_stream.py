"""stream=true: every batch is drawn afresh from the previous fit, and no synthetic row twice."""

import dataclasses
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from nc_testbed.cli import train as cli
from nc_testbed.config.settings import Settings
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import Compute
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.scikit import Digits
from nc_testbed.families.gaussian import GaussianSource
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Run
from nc_testbed.loop.stream import STREAMED, Stream
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee_training import train
from nc_testbed.metrics.reference import Reference
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.steps import _positions
from nc_testbed.models.vae import VAE, VAEFit
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.collect import Collect
from nc_testbed.policies.real import Real
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.weighted import Weighted
from nc_testbed.run import execute as run
from nc_testbed.run.prepare import Prepared
from nc_testbed.theory.linear_vae import decoder_mean_spectrum

PLANE = Space((2,), image=False)
R, N, M = 3, 20, 12
STREAMS = RandomStreams(0, (0, 1, 2), 1)


@dataclass
class Counter:
    """A fit whose rows are all different: row i of call c is (1000 c + i, chain)."""

    space: Space = PLANE
    asked: list = field(default_factory=list)

    def sample(self, n: int, streams: Any, sampling: Any) -> torch.Tensor:
        self.asked.append((n, streams.scope, sampling))
        number = (1000.0 * len(self.asked) + torch.arange(n)).double().expand(R, -1)
        chain = torch.arange(R).double()[:, None].expand(-1, n)
        return torch.stack([number, chain], 2)


def store() -> Archive:
    """Real rows are negative; the stored synthetic set is all zeros."""
    real = -1 - torch.arange(N).double()[None, :, None].expand(-1, -1, 2)
    rows = torch.arange(N).expand(R, -1)
    archive = Archive(PLANE, real, rows[:, :16], rows[:, 16:], M, 1)
    archive.add(torch.zeros(R, M, 2).double())
    return archive


def gathered(policy, fit, steps=40, batch=5):
    """Every batch of a fit on what the policy composes, ``[R, steps * batch, 2]``; positions."""
    training = policy.compose(store(), STREAMS, None)
    streamed = training.with_stream(Stream(fit, STREAMS, Sampling("mean")))
    blocks = _positions(training.size, batch, steps, STREAMS("fit.order"))
    index = [positions for block in blocks for positions in block]
    return torch.cat([streamed.gather(i) for i in index], 1), torch.cat(index, 1), training


@pytest.mark.parametrize("policy", [Replace(), Anchor(k=3), Augment(), Weighted()], ids=str)
def test_no_synthetic_row_is_given_twice_and_real_rows_stay(policy):
    rows, index, training = gathered(policy, fit := Counter())
    real = training.origin().gather(1, index) == 0
    for chain in range(R):
        fresh = rows[chain][~real[chain]]
        assert (fresh[:, 0] >= 1000).all() and (fresh[:, 1] == chain).all()
        assert len(fresh[:, 0].unique()) == len(fresh)
        assert torch.equal(
            rows[chain][real[chain]], training.all()[chain][index[chain]][real[chain]]
        )
    assert [n for n, _, _ in fit.asked] == [STREAMED * 5] * 3  # 40 batches
    assert len({scope for _, scope, _ in fit.asked}) == 3
    assert {sampling.decode for _, _, sampling in fit.asked} == {"mean"}


@pytest.mark.parametrize("k", [0, 3, 12])
def test_real_rows_have_their_share_of_the_batches(k):
    """Every pass over the n positions shows each of the k real ones once."""
    rows, _, _ = gathered(Anchor(k=k), Counter(), steps=36, batch=4)  # 12 passes over 12 rows
    assert ((rows[..., 0] < 0).sum(1) == 12 * k).all()


def test_a_stream_begins_anew_with_every_fit_and_depends_on_its_streams_alone():
    fit = VAE(hidden=(), latent_dim=1, steps=1, likelihood="gaussian").fit(
        store().view(store().original()), RandomStreams(0, (0, 1, 2))
    )
    first, again = (Stream(fit, STREAMS, Sampling()).batch(7) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, Stream(fit, STREAMS.at(2), Sampling()).batch(7))
    assert not torch.equal(first, fit.sample(7, STREAMS, Sampling()))


def linear(weight: float, noise: float, chains: int) -> VAEFit:
    """x = weight z + sqrt(noise) e, with the exact posterior as its encoder."""
    gain, left = weight / (weight**2 + noise), noise / (weight**2 + noise)
    weights = {
        "encoder.0.weight": torch.tensor([[gain, 0.0]]),
        "encoder.0.bias": torch.tensor([[0.0, left]]).log().nan_to_num(neginf=0.0),
        "decoder.0.weight": torch.tensor([[weight]]),
        "decoder.0.bias": torch.zeros(1, 1),
    }
    many = {name: value.expand(chains, *value.shape) for name, value in weights.items()}
    return VAEFit("gaussian", noise, many, Space((1,), image=False))


def refitted(stream: bool, chains: int = 12, n: int = 50) -> torch.Tensor:
    """Variance of decoder means after a refit to those of x = 1.2 z, decoder variance 0.4."""
    space = Space((1,), image=False)
    fit, streams = linear(1.2, 0.4, chains), RandomStreams(0, tuple(range(chains)), 1)
    address = torch.zeros(chains, 1, dtype=torch.int64)
    archive = Archive(space, torch.zeros(1, 1, 1).double(), address, address[:, :0], n, 1)
    archive.add(fit.sample(n, streams.at(0), Sampling("mean")))
    rows = archive.view(archive.latest(n))
    if stream:
        rows = rows.with_stream(Stream(fit, streams, Sampling("mean")))
    model = VAE(hidden=(), latent_dim=1, steps=1000, batch_size=128, lr=1e-3, start="warm",
                likelihood="gaussian", variance=0.4)  # fmt: skip
    again = model.fit(rows, streams, fit)
    return again.state_dict()["decoder.0.weight"].square().flatten()


def test_a_linear_model_follows_the_law_of_infinite_n():
    """Its decoder means lose the decoder's variance (F1), and n = 50 rows do not show."""
    law = decoder_mean_spectrum(1, [1.2**2], 0.4)[0]
    fresh, stored = refitted(stream=True), refitted(stream=False)
    assert abs(fresh.mean() - law) < 0.03 * law
    assert fresh.std() < 0.05  # what Adam leaves
    assert stored.std() > 0.15  # 1.44 sqrt(2 / 50) = 0.29 by sampling alone


@pytest.fixture(scope="module")
def referee():
    data = Digits(rows=300).load(1, 0, 0, 1)
    return train(data.space, data.x[0], data.y[0], epochs=1)


def world(referee, chains=3, n=300, **changes) -> Run:
    data = Digits(rows=300).load(chains, 0, 0, 3)
    base = Run(
        store=RowStore,
        data=data,
        model=VAE(hidden=(24,), latent_dim=3, steps=15, batch_size=16),
        policy=Replace(),
        metrics={"recall": Recall()},
        reference=Reference.build(data, referee, 120),
        sampling=Sampling("mean"),
        seed=0,
        chains=chains,
        generations=3,
        sizes=(300, n, n, n),
        budget=None,
        evaluation_rows=120,
        stream=True,
    )
    return dataclasses.replace(base, **changes)


def weights(generation, chain):
    return {name: value[chain] for name, value in generation.weights.items()}


def same(a, b, chain):
    left, right = weights(a, chain), weights(b, chain)
    return all(torch.equal(left[name], right[name]) for name in left)


def test_n_changes_nothing_that_is_fitted(referee):
    few, many = (list(closed_loop(world(referee, n=n))) for n in (50, 5000))
    stored = list(closed_loop(world(referee, n=50, stream=False)))
    for a, b in zip(few, many, strict=True):
        assert all(same(a, b, chain) for chain in range(3))
        assert torch.equal(a.record["recall"], b.record["recall"])
        assert (a.synthetic.shape[1], b.synthetic.shape[1]) == (50, 5000)
    assert same(few[0], stored[0], 0) and not same(few[1], stored[1], 0)


MODELS = [VAE(hidden=(24,), latent_dim=3, steps=15, batch_size=16),
          ConvVAE(channels=(2, 4), latent_dim=3, steps=5, batch_size=16)]  # fmt: skip


@pytest.mark.parametrize("policy", [Replace(), Anchor(k=60), Weighted()], ids=str)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_chain_does_not_depend_on_the_others(referee, model, policy):
    changes = {"model": model, "policy": policy}
    three = list(closed_loop(world(referee, **changes)))
    two = list(closed_loop(world(referee, 2, **changes)))
    one_by_one = list(closed_loop(world(referee, compute=Compute(chains=1), **changes)))
    for whole, other, single in zip(three, two, one_by_one, strict=True):
        assert all(same(whole, other, chain) for chain in range(2))
        assert all(same(whole, single, chain) for chain in range(3))
        assert torch.equal(whole.synthetic[:2], other.synthetic)


@pytest.mark.parametrize("policy", [Real(), Collect(k=5)], ids=str)
def test_policies_without_synthetic_rows_stay_what_they_are(referee, policy):
    fresh, stored = (
        list(closed_loop(world(referee, policy=policy, stream=stream)))
        for stream in (True, False)
    )
    assert all(same(a, b, 1) for a, b in zip(fresh, stored, strict=True))


def test_no_law_of_n_rows_is_held_against_a_stream(referee, monkeypatch):
    monkeypatch.setattr(run, "expected_laws", lambda *args: {"variance": args[3]})
    data = GaussianSource(rows=300).load(3, 0, 0, 1)
    made = world(referee, data=data)
    parts = (
        RowStore,
        GaussianSource(rows=300),
        data,
        made.model,
        made.policy,
        {},
        made.sizes,
        100,
        made.compute,
        made.device,
    )
    assert run.laws_of(Prepared(Settings(), *parts)) == {"variance": (300, 300, 300)}
    assert run.laws_of(Prepared(Settings(stream=True), *parts)) == {}


TINY = ["data=digits", "data.rows=300", "model=vae", "model.hidden=[24]", "model.steps=15",
        "chains=2", "policy=anchor", "stream=true", "sampling.decode=mean"]  # fmt: skip


def test_a_run_that_was_interrupted_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path / "cache"))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for path, generations in ((whole, 3), (broken, 2), (broken, 3)):
        arguments = [*TINY, f"generations={generations}", f"hydra.run.dir={path}"]
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        cli.main()
    names = ["metrics.parquet", *(f"generations/{g:04d}/weights.safetensors" for g in range(3))]
    for name in names:
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
