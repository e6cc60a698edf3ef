"""TSTR: the classifier against scikit-learn's, lost classes, wrong labels, images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from nc_testbed.core.space import Space
from nc_testbed.metrics.discriminant import LinearDiscriminant
from nc_testbed.metrics.tstr import SHRINKAGE, TSTR, inputs


def test_the_classifier_is_scikit_learns_with_equal_classes():
    x, y = load_digits(return_X_y=True)
    ours = LinearDiscriminant.fit(torch.tensor(x), torch.tensor(y), 10, 0.1)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    # scikit-learn shrinks each class's covariance by itself and averages them by the priors.
    theirs.fit(x, y)
    intercept = theirs.intercept_ - np.log(theirs.priors_)
    expected = x @ theirs.coef_.T + intercept
    scores = ours.scores(torch.tensor(x)).numpy()
    # What all classes share is free.
    gap = scores - expected
    assert gap - gap.mean(1, keepdims=True) == pytest.approx(0, abs=1e-6 * np.abs(scores).max())
    assert (scores.argmax(1) == y).mean() > 0.95


def test_a_class_that_is_gone_scores_0(make_world):
    world = make_world(chains=3)
    shares = torch.tensor([0.7, 0.3, 0.0], dtype=torch.float64)[world.data.rank]
    real = TSTR().measure(world.evaluate(world.draw(500)))
    lost = TSTR().measure(world.evaluate(world.draw(500, shares=shares)))
    assert (real["tstr"] > 0.98).all() and (real["tstr_tail"] > 0.98).all()
    assert (lost["tstr_tail"] == 0).all()
    assert ((lost["tstr"] - 2 / 3).abs() < 0.02).all()


def test_the_generators_own_classes_come_first(make_world):
    world = make_world(chains=2)
    evaluation = world.evaluate(world.draw(500))
    wrong = replace(evaluation, classes=(evaluation.labels + 1) % 3)
    assert (TSTR().measure(wrong)["tstr"] < 0.02).all()


def test_shift_and_scale_of_columns_change_nothing(make_world):
    world = make_world(chains=1, apart=2.0)
    rows = world.draw(400)
    factor = torch.tensor([1e-3, 1e4, 1, 1, 7, 1, 1, 1], dtype=torch.float64)
    data = world.data
    other = replace(data, held_out=data.held_out * factor + 1e4, law=None)
    evaluation = world.evaluate(rows)
    moved = replace(
        evaluation,
        rows=rows * factor + 1e4,
        classes=evaluation.labels,
        reference=replace(evaluation.reference, data=other, _kept={}),
    )
    before, after = TSTR().measure(evaluation)["tstr"], TSTR().measure(moved)["tstr"]
    assert before.item() == pytest.approx(after.item(), abs=1e-9)
    assert 0.5 < before.item() < 0.99


def test_a_row_that_is_not_finite_leaves_the_chain_undefined(make_world):
    world = make_world(chains=2)
    rows = world.draw(60)
    rows[1, 3, 0] = torch.inf
    value = TSTR().measure(world.evaluate(rows))["tstr"]
    assert value[0].isfinite() and value[1].isnan()


def test_a_chain_of_one_row_repeated_is_a_result(make_world):
    world = make_world(chains=1)
    columns = TSTR().measure(world.evaluate(world.draw(1).expand(-1, 60, -1)))
    assert columns["tstr"].item() == pytest.approx(1 / 3)


def test_images_are_averaged_and_nothing_else():
    rows = torch.arange(28 * 28).reshape(1, -1).remainder(256).byte()
    small = inputs(rows, Space((28, 28), image=True))
    corner = rows.reshape(28, 28)[:2, :2].double().mean() / 255
    assert small.shape == (1, 196) and small[0, 0].item() == pytest.approx(corner.item())
    assert inputs(rows[:, :64], Space((8, 8), image=True)).shape == (1, 64)
    assert 0 < SHRINKAGE < 1
