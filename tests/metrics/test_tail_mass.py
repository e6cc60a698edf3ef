"""Tail mass: a perfect fit scores 1, a lost class is seen, blur is not mistaken for mass."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import binom

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.tail_mass import TailMass, mass, mean_deviation, total_variation


@pytest.mark.parametrize("M", [1, 7, 100, 4300])
@pytest.mark.parametrize("p", [0.0, 0.003, 0.1, 0.5, 0.77, 1.0])
def test_mean_deviation_is_the_sum(M, p):
    k = torch.arange(M + 1, dtype=torch.float64)
    pmf = torch.from_numpy(binom.pmf(k.numpy(), M, p))
    expected = ((k - M * p).abs() * pmf).sum()
    torch.testing.assert_close(
        mean_deviation(M, torch.tensor([p], dtype=torch.float64))[0],
        expected,
        rtol=1e-9,
        atol=1e-12,
    )


def test_counts_of_a_perfect_fit_score_one():
    p, a, M = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.9, 0.5, 1.0]), 300
    streams = RandomStreams(0, tuple(range(20_000)))
    label = streams("label").categorical(p[None], M)
    accept = streams("accept").uniform(M) < a[label]
    counts = torch.stack([((label == c) & accept).sum(1) for c in range(3)], 1).double()
    kept = mass(counts, M, p[None], a.double())
    error = kept.std(0) / len(kept) ** 0.5
    assert ((kept.mean(0) - 1).abs() < 4 * error).all() and (error < 0.002).all()
    labels = torch.stack([(label == c).sum(1) for c in range(3)], 1).double()
    tv = total_variation(labels, M, p[None])
    assert tv.mean().abs() < 4 * tv.std() / len(tv) ** 0.5


def test_a_healthy_tail_has_mass_one_over_1000_replicates(make_world):
    """The whole pipeline: 100 held-out sets, 10 chains each."""
    columns = []
    for seed in range(100):
        world = make_world(chains=10, held_out=200, n0=20, D=4, seed=seed)
        columns.append(TailMass().measure(world.evaluate(world.draw(300))))
    for name in ("tail_mass", "tail_mass_raw"):
        kept = torch.stack([c[name] for c in columns])
        assert abs(kept.mean() - 1) < 0.01


def test_a_dropped_class_is_flagged_in_every_chain(make_world):
    """M p = 100 rows of the rarest class: gone in one generation, seen in each of 100 chains."""
    world = make_world(chains=100, held_out=60, n0=20)
    healthy = TailMass().measure(world.evaluate(world.draw(1000)))
    shares = world.data.shares.scatter(1, world.reference(50).class_of_rank[:, 2:], 0.0)
    columns = TailMass().measure(world.evaluate(world.draw(1000, shares=shares)))
    assert (healthy["extinct_classes"] == 0).all() and (healthy["tail_mass"] > 0.5).all()
    assert (columns["extinct_classes"] == 1).all() and (columns["tail_mass"] == 0).all()
    assert (columns["mass_rank_0"] > 0.9).all()
    assert columns["effective_classes"].mean() < healthy["effective_classes"].mean()
    assert (columns["tv"] > healthy["tv"]).all()


def test_rows_between_classes_have_labels_but_no_mass(make_world):
    world = make_world(chains=3, held_out=60)
    middle = world.centres.mean(0) + 0.01 * world.draw(400, shares=torch.ones(3))
    columns = TailMass().measure(world.evaluate(middle))
    assert (columns["tail_mass"] == 0).all() and (columns["extinct_classes"] == 3).all()
    assert (columns["tail_mass_raw"] > 0.5).all()
    assert (columns["confidence"] < 0.9).all()


def test_counts_by_rank_are_whole_and_lead_back_to_the_mass(make_world):
    world = make_world(chains=3, held_out=60)
    evaluation = world.evaluate(world.draw(400))
    columns, reference = TailMass().measure(evaluation), evaluation.reference
    accepted, labelled = (
        torch.stack([columns[f"{kind}_rank_{i}"] for i in range(3)], 1)
        for kind in ("accepted", "labelled")
    )
    assert (accepted == accepted.round()).all() and (accepted <= labelled).all()
    assert (labelled.sum(1) == 400).all()
    by_class = torch.zeros_like(accepted).scatter(1, reference.class_of_rank, accepted)
    kept = mass(by_class, 400, reference.shares, reference.acceptance)
    tail = kept.gather(1, reference.class_of_rank[:, 2:])[:, 0]
    torch.testing.assert_close(columns["tail_mass"], tail)


def test_equal_shares_have_no_tail(make_world):
    world = make_world(shares=(0.25,) * 4)
    columns = TailMass().measure(world.evaluate(world.draw(400)))
    assert "tail_mass" not in columns and "tail_mass_raw" not in columns
    assert {f"mass_rank_{i}" for i in range(4)} <= set(columns)
