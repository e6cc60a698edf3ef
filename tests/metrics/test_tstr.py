"""TSTR: as ridge regression elsewhere, and what classes that are gone do to it."""

from __future__ import annotations

import time

import pytest
import torch
from sklearn.linear_model import Ridge

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.tstr import RIDGE, TSTR, ridge_labels


def test_labels_are_those_of_weighted_ridge_regression():
    draws = RandomStreams(0, (0,))("x")
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    means = 1.5 * torch.eye(3, 6, dtype=torch.float64)
    x = means[labels] + draws.normal(100, 6, dtype=torch.float64)[0]
    test = 2 * draws.normal(500, 6, dtype=torch.float64)[0]
    weight = (1 / torch.bincount(labels).double())[labels] / 3
    centre = weight @ x
    penalty = RIDGE * (weight @ (x - centre).square()).mean()
    model = Ridge(float(penalty)).fit(x, torch.eye(3)[labels], sample_weight=weight)
    expected = torch.from_numpy(model.predict(test)).argmax(1)
    assert torch.equal(ridge_labels(x, labels, test, 3), expected)
    assert len(expected.unique()) == 3


def test_a_perfect_fit_teaches_what_there_is_to_learn(make_world):
    world = make_world(chains=3)
    columns = TSTR().measure(world.evaluate(world.draw(600)))
    assert (columns["tstr"] > 0.95).all()
    assert (columns["tstr_tail"] > 0.9).all()


def test_a_class_that_is_gone_scores_zero(make_world):
    world = make_world(chains=3)
    p = world.data.shares
    shares = torch.where(p == p.amin(1, keepdim=True), 0.0, p)
    columns = TSTR().measure(world.evaluate(world.draw(600, shares=shares)))
    assert (columns["tstr_tail"] == 0).all()
    assert columns["tstr"].tolist() == pytest.approx([2 / 3] * 3, abs=0.03)


def test_one_point_teaches_one_class(make_world):
    world = make_world(chains=1)
    rows = world.centres[:1].expand(1, 200, -1)
    columns = TSTR().measure(world.evaluate(rows))
    assert columns["tstr"].item() == pytest.approx(1 / 3)


def test_without_samples_no_label_is_right():
    x = torch.zeros(0, 2, dtype=torch.float64)
    said = ridge_labels(x, torch.zeros(0).long(), torch.ones(3, 2).double(), 2)
    assert (said == -1).all()


def test_a_chain_costs_little():
    x = RandomStreams(0, (0,))("x").normal(2500, 432, dtype=torch.float64)[0]
    labels = torch.arange(2500) % 10
    times = []
    for _ in range(3):
        start = time.process_time()
        ridge_labels(x, labels, x, 10)
        times.append(time.process_time() - start)
    assert min(times) < 0.15


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3)
    rows = world.draw(300)
    together = TSTR().measure(world.evaluate(rows))
    alone = TSTR().measure(world.chain(1).evaluate(rows[1:2]))
    for name, column in together.items():
        assert torch.equal(column[1:2], alone[name])
