"""Two-sample test: AUC and discriminant against scikit-learn, what it sees and does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.two_sample import (
    SHRINKAGE,
    TwoSample,
    area_under_curve,
    indistinguishable,
)


def test_the_area_is_scikit_learns_also_with_ties_and_weights():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, 200).astype(float)  # many ties
    y = generator.integers(0, 2, 200)
    w = generator.random(200)
    x, u, v = (torch.tensor(part) for part in (scores, w, w))
    one, zero = torch.tensor(y == 1), torch.tensor(y == 0)
    area = area_under_curve(x[one], u[one], x[zero], v[zero]).item()
    assert area == pytest.approx(roc_auc_score(y, scores, sample_weight=w))


def test_it_is_three_folds_of_scikit_learns_discriminant():
    draws = RandomStreams(0, (0,))("two-sample")
    real, samples = (
        draws.normal(300, 5)[0].double(),
        draws.normal(300, 5)[0].double() * 1.1 + 0.1,
    )
    areas = []
    for fold in range(3):
        out = np.arange(300) % 3 == fold
        x = np.concatenate([real[~out], samples[~out]])
        lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.0, priors=(0.5, 0.5))
        within = [np.cov(part[~out].T, bias=True) for part in (real, samples)]
        S = sum(within) / 2
        S = (1 - SHRINKAGE) * S + SHRINKAGE * np.trace(S) / 5 * np.eye(5)
        axis = np.linalg.solve(S, (samples[~out].mean(0) - real[~out].mean(0)).numpy())
        lda.fit(x, np.repeat([0, 1], (~out).sum()))
        cosine = axis @ lda.coef_[0] / np.linalg.norm(axis) / np.linalg.norm(lda.coef_[0])
        assert cosine > 0.9999
        tested = np.concatenate([real[out], samples[out]])
        areas.append(roc_auc_score(np.repeat([0, 1], out.sum()), tested @ axis))
    value = indistinguishable(
        samples, real, torch.ones(300).double(), torch.arange(300) % 3
    ).item()
    assert value == pytest.approx(min(1, 2 * (1 - np.mean(areas))))


def test_equal_laws_cannot_be_told_apart(make_world):
    values = []
    for seed in range(20):
        world = make_world(chains=3, seed=seed, held_out=300)
        values.append(TwoSample().measure(world.evaluate(world.draw(600)))["two_sample"])
    assert float(torch.stack(values).mean()) > 0.93


def test_shares_of_classes_alone_tell_nothing(make_world):
    world = make_world(chains=3, held_out=300)
    other = torch.tensor([0.1, 0.1, 0.8], dtype=torch.float64)[world.data.rank]
    value = TwoSample().measure(world.evaluate(world.draw(900, shares=other)))["two_sample"]
    assert (value > 0.85).all()


def whitened(real, samples):
    """As for vectors, but for their standard deviations."""
    ones = torch.ones(len(real), dtype=torch.float64)
    return indistinguishable(samples, real, ones, torch.arange(len(real)) % 3, True).item()


@pytest.mark.parametrize("d", [2, 32])
def test_fresh_rows_are_not_told_by_what_was_fitted_to_the_real_ones(d):
    draws = RandomStreams(0, (0,))("two-sample")
    values = [
        whitened(*(draws.normal(500, d)[0].double() for _ in range(2))) for _ in range(20)
    ]
    assert float(np.mean(values)) > 0.93


def test_it_sees_shift_spread_and_independent_columns():
    draws = RandomStreams(0, (0,))("two-sample")
    mix = draws.normal(8, 8)[0].double()
    real, fresh = (draws.normal(1500, 8)[0].double() @ mix for _ in range(2))
    columns = torch.stack([c[draws.permutation(1500)[0]] for c in fresh.T], 1)
    assert whitened(real, fresh) > 0.9
    assert whitened(real, fresh + 5) < 0.3
    assert whitened(real, fresh * 2) < 0.3
    assert whitened(real, fresh * 0.5) < 0.3
    assert whitened(real, columns) < 0.35


def test_shift_and_order_of_columns_change_nothing():
    draws = RandomStreams(0, (0,))("two-sample")
    real, samples = draws.normal(400, 4)[0].double(), draws.normal(400, 4)[0].double() + 0.2
    order = torch.tensor([2, 0, 3, 1])
    moved = [(x + 1e4)[:, order] for x in (real, samples)]
    assert whitened(*moved) == pytest.approx(whitened(real, samples), abs=0.01)


def test_a_column_that_never_varies_gives_junk_away():
    draws = RandomStreams(0, (0,))("two-sample")
    real, samples = draws.normal(300, 3)[0].double(), draws.normal(300, 3)[0].double()
    real[:, 0] = samples[:, 0] = 5.0
    assert whitened(real, samples) > 0.85
    samples[:, 0] = 6.0
    assert whitened(real, samples) < 0.05


def test_collapsed_and_diverged_chains_are_results(make_world):
    world = make_world(chains=3)
    rows = world.draw(90)
    rows[0] = rows[0, :1]
    rows[1, 0, 0] = torch.nan
    value = TwoSample().measure(world.evaluate(rows))["two_sample"]
    assert value[0].item() < 0.5 and value[1].isnan() and value[2].item() > 0.7
