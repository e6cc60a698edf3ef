"""The closed loop on real digits: what must hold whatever the model and the policy."""

import dataclasses

import pytest
import torch

from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import Compute
from nc_testbed.data.scikit import Digits
from nc_testbed.loop.closed_loop import PICTURES, closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Past, Run
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee_training import train
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.vendi import Vendi
from nc_testbed.models.vae import VAE
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.real import Real
from nc_testbed.policies.reparation import Reparation
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.verified import Verified
from nc_testbed.policies.weighted import Weighted

POLICIES = [Real(), Replace(), Accumulate(), Anchor(k=20), Anchor(k=20, source="fixed"),
            Weighted(), Verified(), Reparation()]  # fmt: skip
SOURCE = Digits(imbalance_ratio=5.0, rows=300)


@pytest.fixture(scope="module")
def referee():
    data = SOURCE.load(1, 0, 0, 1)
    return train(data.space, data.x[0], data.y[0], epochs=2)


def world(referee, chains=3, **changes) -> Run:
    data = SOURCE.load(chains, changes.get("seed", 0), 0, 3)
    reference = Reference.build(data, referee, 120)
    base = Run(
        store=RowStore,
        data=data,
        model=VAE(hidden=(24,), latent_dim=3, steps=15, batch_size=16),
        policy=Replace(),
        metrics={"recall": Recall()},
        reference=reference,
        sampling=Sampling(),
        seed=0,
        chains=chains,
        generations=3,
        sizes=(data.training.shape[1],) * 4,
        budget=None,
        evaluation_rows=120,
        compute=Compute(),
    )
    return dataclasses.replace(base, **changes)


def chain_of(generations, chain):
    """Everything that belongs to one chain, as bytes."""
    return [
        (g.synthetic[chain].numpy().tobytes(),)
        + tuple(v[chain].numpy().tobytes() for v in g.weights.values())
        + tuple(g.record[name][chain].item() for name in sorted(g.record) if "recall" in name)
        for g in generations
    ]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{type(p).__name__}-{p}"[:40])
def test_a_chain_does_not_depend_on_the_others(referee, policy):
    three = list(closed_loop(world(referee, 3, policy=policy)))
    two = list(closed_loop(world(referee, 2, policy=policy)))
    one_by_one = list(closed_loop(world(referee, 3, policy=policy, compute=Compute(chains=1))))
    for chain in range(2):
        assert chain_of(three, chain) == chain_of(two, chain)
    for chain in range(3):
        assert chain_of(three, chain) == chain_of(one_by_one, chain)


def test_a_chain_does_not_depend_on_the_metrics(referee):
    one = list(closed_loop(world(referee)))
    two = list(closed_loop(world(referee, metrics={"vendi": Vendi(), "recall": Recall()})))
    none = list(closed_loop(world(referee, metrics={})))
    assert chain_of(one, 1) == chain_of(two, 1)
    assert torch.equal(one[-1].synthetic, none[-1].synthetic)


def test_the_same_seed_gives_the_same_and_another_gives_another(referee):
    first = list(closed_loop(world(referee)))
    again = list(closed_loop(world(referee)))
    other = list(closed_loop(world(referee, seed=1)))
    assert chain_of(first, 0) == chain_of(again, 0)
    assert chain_of(first, 0) != chain_of(other, 0)
    assert chain_of(first, 0) != chain_of(first, 1)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{type(p).__name__}-{p}"[:40])
def test_a_loop_that_goes_on_ends_where_an_unbroken_one_ends(referee, policy):
    whole = list(closed_loop(world(referee, policy=policy)))
    short = list(closed_loop(world(referee, policy=policy, generations=1)))
    past = [g.synthetic for g in short]
    whole_world = world(referee, policy=policy)
    previous = whole_world.model.restore(short[-1].weights, whole_world.data.space)
    rest = list(closed_loop(whole_world, Past(past, previous)))
    assert [g.number for g in rest] == [1, 2]
    for chain in range(3):
        assert chain_of(short + rest, chain) == chain_of(whole, chain)


def test_policies_are_paired_at_generation_zero(referee):
    first = [next(closed_loop(world(referee, policy=policy))) for policy in POLICIES]
    for other in first[1:]:
        assert chain_of([other], 0) == chain_of(first[:1], 0)


class Cheat(Replace):
    """Says it trains on no real row, and does."""

    def compose(self, archive, streams, budget):
        return archive.view(archive.training)


class Thief(Accumulate):
    """Trains on real rows that are neither the chain's nor in its reserve."""

    def compose(self, archive, streams, budget):
        own = torch.cat([archive.training, archive.reserve], 1)[0].tolist()
        stolen = next(a for a in range(archive.real.shape[1]) if a not in own)
        return archive.view(torch.full_like(archive.training, stolen))


@pytest.mark.parametrize(("policy", "says"), [(Cheat(), "takes none"), (Thief(), "outside")])
def test_the_assertion_on_real_rows_stays_on(referee, policy, says):
    with pytest.raises(AssertionError, match=says):
        list(closed_loop(world(referee, policy=policy)))


def test_held_out_rows_have_no_address(referee):
    data = SOURCE.load(2, 0, 0, 3)
    held_out = {row.numpy().tobytes() for row in data.held_out}
    pool = {row.numpy().tobytes() for row in data.x[0]}
    assert len(held_out & pool) == 0


def test_pictures_keep_their_latent_draw(referee):
    whole = world(referee)
    last = list(closed_loop(whole))[-1]
    fit = whole.model.restore(last.weights, whole.data.space)
    first_draw = whole.streams(0).enter_scope("pictures")
    assert torch.equal(last.pictures, fit.sample(PICTURES, first_draw, whole.sampling))
    own_draw = whole.streams(2).enter_scope("pictures")
    assert not torch.equal(last.pictures, fit.sample(PICTURES, own_draw, whole.sampling))


@dataclasses.dataclass
class Spy:
    """A metric that keeps the rows it was shown."""

    requires = frozenset()
    collapse = "any risk increase"
    seen: list = dataclasses.field(default_factory=list)

    def measure(self, evaluation):
        self.seen.append(evaluation.rows)
        return {}


def test_metrics_see_samples_that_nothing_is_trained_on(referee):
    spy = Spy()
    generations = list(closed_loop(world(referee, metrics={"spy": spy})))
    for generation, rows in zip(generations, spy.seen, strict=True):
        assert rows.shape == (3, 120, 64)
        assert not torch.equal(rows, generation.synthetic[:, :120])
    assert not torch.equal(spy.seen[0], spy.seen[1])


def test_a_warm_start_goes_on_from_the_generation_before(referee):
    model = VAE(hidden=(24,), latent_dim=3, steps=1, batch_size=16, lr=1e-12, start="warm")
    first, second, _ = closed_loop(world(referee, model=model))
    for name, weight in first.weights.items():
        assert torch.allclose(weight, second.weights[name], atol=1e-9), name
    cold = list(closed_loop(world(referee, model=dataclasses.replace(model, start="cold"))))
    name = "encoder.0.weight"
    assert not torch.allclose(cold[0].weights[name], cold[1].weights[name])


def test_sizes_may_change_with_the_generation(referee):
    class Counting(Accumulate):
        def compose(self, archive, streams, budget):
            training = super().compose(archive, streams, budget)
            composed.append((archive.size, training.size))
            return training

    composed: list = []
    changed = world(referee, sizes=(300, 40, 90, 60), policy=Counting())
    generations = list(closed_loop(changed))
    assert [g.synthetic.shape[1] for g in generations] == [40, 90, 60]
    n0 = changed.data.training.shape[1]
    assert composed == [(40, n0 + 40), (90, n0 + 130)]


def test_only_recorded_generations_are_measured(referee):
    some = list(closed_loop(world(referee, recorded=(0, 2))))
    every = list(closed_loop(world(referee)))
    assert [bool(g.record) for g in some] == [True, False, True]
    assert [g.number for g in some] == [0, 1, 2]
    for a, b in zip(some, every, strict=True):
        assert torch.equal(a.synthetic, b.synthetic)
        assert all(torch.equal(value, b.record[name]) for name, value in a.record.items())
