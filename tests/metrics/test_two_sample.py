"""Two-sample test: 1 for equal laws, 0 where samples lie apart, as sklearn computes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.two_sample import TwoSample, folds, indistinguishable, weighted_auc


def normal(rows: int, purpose: str) -> torch.Tensor:
    return RandomStreams(0, (0,))(purpose).normal(rows, 4, dtype=torch.float64)[0]


def test_the_area_is_that_of_sklearn_with_weights_and_ties():
    low, high = normal(200, "low")[:, 0].round(), normal(100, "high")[:, 0].round() + 1
    weights = normal(200, "weights")[:, 0].abs()
    expected = roc_auc_score(
        [0] * 200 + [1] * 100,
        torch.cat([low, high]),
        sample_weight=torch.cat([weights, torch.ones(100)]),
    )
    assert weighted_auc(low, high, weights).item() == pytest.approx(expected)


def test_it_is_the_linear_discriminant_of_sklearn():
    real, made = normal(300, "real"), normal(300, "made") + 0.3
    x = np.concatenate([real, made])
    y = np.repeat([0, 1], 300)
    fold = np.tile(folds(300, real.device), 2)
    areas = []
    for k in range(3):
        model = LinearDiscriminantAnalysis(solver="lsqr").fit(x[fold != k], y[fold != k])
        areas.append(roc_auc_score(y[fold == k], model.decision_function(x[fold == k])))
    found = indistinguishable(real, made, torch.ones(300).double()).item()
    assert found == pytest.approx(2 * (1 - np.mean(areas)), abs=2e-3)  # a little ridge
    assert 0.5 < found < 0.95


def test_equal_laws_cannot_be_told_apart(make_world):
    world = make_world(chains=3, held_out=600)
    columns = TwoSample().measure(world.evaluate(world.draw(2000)))
    assert (columns["two_sample"] > 0.9).all()


def test_other_shares_alone_tell_nothing_apart(make_world):
    world = make_world(chains=3, held_out=600)
    rows = world.draw(2000, shares=torch.tensor([0.1, 0.1, 0.8]))
    assert (TwoSample().measure(world.evaluate(rows))["two_sample"] > 0.9).all()


def test_a_spread_that_differs_is_told_apart(make_world):
    world = make_world(None, chains=2, held_out=600)
    columns = TwoSample().measure(world.evaluate(0.5 * world.draw(1000)))
    assert (columns["two_sample"] < 0.5).all()


def test_one_point_and_far_rows_are_told_apart(make_world):
    world = make_world(chains=2)
    one = world.draw(100)[:, :1].expand(-1, 100, -1)
    far = world.draw(100) + 50
    assert (TwoSample().measure(world.evaluate(far))["two_sample"] < 0.01).all()
    assert (TwoSample().measure(world.evaluate(one))["two_sample"] < 0.9).all()


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3)
    rows = world.draw(300)
    together = TwoSample().measure(world.evaluate(rows))["two_sample"]
    alone = TwoSample().measure(world.chain(1).evaluate(rows[1:2]))["two_sample"]
    assert torch.equal(together[1:2], alone)
