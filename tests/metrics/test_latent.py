"""The spread of latents as generation 0's encoder sees it, and the loss on training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from nc_testbed.core.interfaces import Sampling
from nc_testbed.data.scikit import Digits
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Past, Run
from nc_testbed.metrics.evaluation import fit_provides
from nc_testbed.metrics.latent import Latent
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.vae import VAE
from nc_testbed.policies.replace import Replace

NAMES = ["latent_spread", "neg_elbo_train"]


@dataclass(frozen=True)
class Coder:
    """Its latents are the first two coordinates times ``scale``; its bound the first, negated."""

    scale: float

    def latent_means(self, rows):
        return self.scale * rows[..., :2]

    def elbo(self, rows, streams):
        noise = streams("elbo").uniform(rows.shape[-2], dtype=torch.float64)
        return -self.scale * rows[..., 0] - noise


def test_the_spread_is_the_total_variance_that_the_first_encoder_sees(make_world):
    world = make_world(shares=None, chains=3)
    rows = world.draw(20_000)
    rows[1] *= 2
    rows[2] = rows[2, :1]
    evaluation = world.evaluate(rows, Coder(7.0), generation=4, first=Coder(3.0))
    spread = Latent().measure(evaluation)["latent_spread"]
    # Unit Gaussians: 9 (1 + 1), four times that, and nothing where all rows are one.
    se = 18 / (20_000**0.5)
    assert abs(spread[0] - 18) < 4 * se and abs(spread[1] - 72) < 16 * se
    assert spread[2] == pytest.approx(0, abs=1e-9)


def test_the_loss_is_that_of_this_fit_on_the_rows_it_was_trained_on(make_world):
    world = make_world(shares=None, chains=3, n0=300)
    few, all_of_them = (
        Latent().measure(world.evaluate(world.draw(m), Coder(7.0), first=Coder(3.0)))
        for m in (100, 1000)
    )
    noise = world.streams("elbo").uniform(300, dtype=torch.float64).mean(1)
    wanted = 7 * world.data.x[..., 0].mean(1) + noise
    torch.testing.assert_close(all_of_them["neg_elbo_train"], wanted)
    spaced = 7 * world.data.x[:, ::3, 0].mean(1)
    noise = world.streams("elbo").uniform(100, dtype=torch.float64).mean(1)
    torch.testing.assert_close(few["neg_elbo_train"], spaced + noise)


def test_the_loss_is_weighted_and_keeps_its_noise(make_world):
    world = make_world(shares=None, chains=2, n0=300)
    evaluation = world.evaluate(world.draw(300), Coder(1.0))
    later = replace(evaluation, streams=evaluation.streams.at(5))
    assert (
        Latent()
        .measure(evaluation)["neg_elbo_train"]
        .equal(Latent().measure(later)["neg_elbo_train"])
    )
    weights = torch.zeros(2, 300).double()
    weights[:, :10] = 1
    weighted = replace(evaluation, training=evaluation.training.with_weights(weights))
    noise = world.streams("elbo").uniform(300, dtype=torch.float64)
    wanted = (world.data.x[..., 0] + noise)[:, :10].mean(1)
    torch.testing.assert_close(Latent().measure(weighted)["neg_elbo_train"], wanted)


def test_a_diverged_chain_is_a_result(make_world, bound_fit):
    world = make_world(shares=None, chains=3)
    rows, fit = world.draw(100), bound_fit(world.centres.expand(3, -1))
    healthy = Latent().measure(world.evaluate(rows, fit))
    rows[1] = 1e300 * rows[1]
    diverged = Latent().measure(world.evaluate(rows, fit))
    assert all(diverged[name][2] == healthy[name][2] for name in NAMES)
    assert diverged["latent_spread"][1] == torch.inf


MODELS = [VAE(hidden=(24,), latent_dim=3, steps=15, batch_size=16),
          VAE(hidden=(25,), latent_dim=3, steps=15, batch_size=10),
          ConvVAE(channels=(2, 4), latent_dim=3, steps=5, batch_size=16)]  # fmt: skip


def world(model, chains, **changes) -> Run:
    data = Digits(rows=300).load(chains, 0, 0, 3)
    base = Run(
        store=RowStore,
        data=data,
        model=model,
        policy=Replace(),
        metrics={"latent": Latent()},
        reference=Reference.build(data, Plain(), 120),
        sampling=Sampling("mean"),
        seed=0,
        chains=chains,
        generations=3,
        sizes=(300,) * 4,
        budget=None,
        evaluation_rows=120,
    )
    return replace(base, **changes)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{m.batch_size}")
def test_autoencoders_offer_it_and_a_chain_alone_gives_the_same_bits(model):
    assert {"likelihood", "encoder"} <= model.provides
    three = list(closed_loop(world(model, 3)))
    one = list(closed_loop(world(model, 1)))
    for g in range(3):
        for name in NAMES:
            assert three[g].record[name].isfinite().all()
            assert torch.equal(three[g].record[name][:1], one[g].record[name])
    fit = model.restore(three[0].weights, Digits().load(1, 0, 0, 1).space)
    assert fit_provides(fit) == model.provides


def test_every_generation_is_seen_by_the_first_encoder():
    """A loop that goes on takes up the first fit, not the last one before it."""
    model = MODELS[0]
    whole, short = list(closed_loop(world(model, 2))), list(closed_loop(world(model, 2)))[:2]
    fits = [model.restore(g.weights, Digits().load(1, 0, 0, 1).space) for g in short]
    past = [g.synthetic for g in short]
    (last,) = closed_loop(world(model, 2), Past(past, fits[1], fits[0]))
    for name in NAMES:
        assert torch.equal(last.record[name], whole[2].record[name])
    (other,) = closed_loop(world(model, 2), Past(past, fits[1], fits[1]))
    assert not torch.equal(other.record["latent_spread"], whole[2].record["latent_spread"])
