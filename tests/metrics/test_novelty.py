"""Novelty: copies, fresh rows, and shares of both, at equal and unequal sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.novelty import Novelty, even_share, share_nearer


def test_it_is_the_definition():
    draws = RandomStreams(0, (0,))("novelty")
    samples, first, second = (draws.normal(n, 4)[0].double() for n in (300, 70, 90))
    near = [
        NearestNeighbors(n_neighbors=1).fit(x).kneighbors(samples)[0] for x in (first, second)
    ]
    assert share_nearer(samples, first, second).item() == (near[0] < near[1]).mean()


def test_integers_as_near_to_both_count_half():
    first = torch.tensor([[0, 0], [4, 0]]).double()
    second = torch.tensor([[0, 0], [9, 9]]).double()
    samples = torch.tensor([[0, 1], [0, 0], [4, 1], [9, 8]]).double()
    assert share_nearer(samples, first, second).item() == (0.5 + 0.5 + 1 + 0) / 4


@pytest.mark.parametrize(("N", "K"), [(200, 200), (600, 200), (100, 300)])
def test_a_share_of_copies_reads_half_of_it_more_at_any_sizes(N, K):
    draws = RandomStreams(0, (0,))("novelty")
    for copies in (0.0, 0.5, 1.0):
        values = []
        for _ in range(150):
            first, second = draws.normal(N, 6)[0], draws.normal(K, 6)[0]
            samples = draws.normal(200, 6)[0]
            samples[: int(200 * copies)] = first[torch.arange(int(200 * copies)) % N]
            values.append(even_share(share_nearer(samples, first, second), N, K))
        value = torch.stack(values)
        error = float(value.std()) / len(values) ** 0.5
        assert abs(float(value.mean()) - (1 + copies) / 2) <= 4 * error < 0.03, copies


def test_columns_of_new_rows_and_of_copies(make_world):
    fresh = []
    for seed in range(30):
        world = make_world(chains=3, seed=seed)
        fresh.append(Novelty().measure(world.evaluate(world.draw(300)))["memorised"])
    value = torch.stack(fresh).mean(1)
    assert abs(float(value.mean()) - 0.5) < 4 * float(value.std()) / 30**0.5 < 0.03
    copies = Novelty().measure(world.evaluate(world.data.x))["memorised"]
    assert torch.equal(copies, torch.ones(3, dtype=torch.float64))


def test_in_a_loop_the_rows_of_generation_0_count_whatever_a_fit_was_trained_on(make_world):
    world = make_world(chains=2)
    evaluation = world.evaluate(world.data.x, fit=object(), generation=5)
    other = replace(evaluation.training, real=world.draw(300, "other"))
    copies = replace(evaluation, training=other)
    assert Novelty().measure(copies)["memorised"].tolist() == [1, 1]


def test_outside_a_loop_the_rows_count_that_samples_are_said_to_be_trained_on(make_world):
    world = make_world(chains=2)
    rows = world.draw(300, "other")
    evaluation = world.evaluate(rows)
    theirs = replace(evaluation.training, real=rows)
    assert Novelty().measure(replace(evaluation, training=theirs))["memorised"].min() == 1
    assert Novelty().measure(evaluation)["memorised"].max() < 0.7


def test_a_row_that_is_not_finite_leaves_the_chain_undefined(make_world):
    world = make_world(chains=2)
    rows = world.draw(60)
    rows[1, 3, 0] = torch.nan
    value = Novelty().measure(world.evaluate(rows))["memorised"]
    assert value[0].isfinite() and value[1].isnan()
