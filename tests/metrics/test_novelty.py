"""Novelty: half for new rows of the law, 1 for copies, as the definition counts them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.spatial.distance import cdist

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.novelty import Novelty, equal_parts, share_nearer


def normal(rows: int, purpose: str) -> torch.Tensor:
    return RandomStreams(0, (0,))(purpose).normal(rows, 4, dtype=torch.float64)[0]


def test_it_counts_by_brute_force():
    points, a, b = normal(300, "points"), normal(50, "a"), normal(50, "b")
    expected = (cdist(points, a).min(1) < cdist(points, b).min(1)).mean()
    assert share_nearer(points, a, b).item() == pytest.approx(expected)


def test_both_sets_have_as_many_rows_of_every_class():
    studied, others = torch.tensor([0] * 5 + [1] * 2), torch.tensor([1] * 4 + [0] * 3 + [2])
    a, b = equal_parts(studied, others, 3)
    for positions, labels in ((a, studied), (b, others)):
        assert torch.bincount(labels[positions], minlength=3).tolist() == [3, 2, 0]
        assert len(positions.unique()) == len(positions)


def test_new_rows_of_the_law_read_a_half(make_world):
    found = []
    for seed in range(40):
        world = make_world(chains=1, seed=seed)
        found.append(Novelty().measure(world.evaluate(world.draw(400)))["novelty"][0])
    values = torch.stack(found)
    assert abs(values.mean() - 0.5) < 4 * values.std() / 40**0.5 < 0.06


def test_copies_read_one_and_copies_of_held_out_rows_zero(make_world):
    world = make_world(None, chains=2, held_out=300)
    data = world.data
    copies = Novelty().measure(world.evaluate(data.x))["novelty"]
    others = Novelty().measure(world.evaluate(data.held_out.expand(2, -1, -1)))["novelty"]
    assert (copies == 1).all()
    assert (others == 0).all()


def test_rows_equally_far_from_both_count_half(make_world):
    world = make_world(None, chains=1, held_out=300)
    same = replace(world, data=replace(world.data, x=world.data.held_out[None]))
    assert Novelty().measure(same.evaluate(world.draw(100)))["novelty"].item() == 0.5


def test_rows_said_to_be_studied_take_the_place_of_the_first(make_world):
    world = make_world(chains=2)
    rows = world.draw(300)
    plain = Novelty().measure(world.evaluate(rows))["novelty"]
    studied = replace(world.evaluate(rows), studied=rows[0, :60])
    told = Novelty().measure(studied)["novelty"]
    assert told[0] > plain[0]
    few = replace(world.evaluate(rows), studied=rows[0, :0])
    assert Novelty().measure(few)["novelty"].isnan().all()


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3)
    rows = world.draw(300)
    together = Novelty().measure(world.evaluate(rows))["novelty"]
    alone = Novelty().measure(world.chain(1).evaluate(rows[1:2]))["novelty"]
    assert torch.equal(together[1:2], alone)
