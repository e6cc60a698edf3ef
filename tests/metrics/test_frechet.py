"""Frechet distance against scipy, and its floor against fresh real rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import fid_statistics_to_metric

from nc_testbed.metrics.frechet import Frechet


@pytest.mark.parametrize("D", [2, 8, 32])
def test_it_is_scipys(make_world, D):
    world = make_world(chains=3, D=D, shares=(0.7, 0.3))
    evaluation = world.evaluate(1.3 * world.draw(250) + 0.2)
    columns = Frechet().measure(evaluation)
    for r in range(3):
        x = evaluation.reference.held_out(r).double().numpy()
        y = evaluation.features[r].double().numpy()
        a, b = np.cov(x.T), np.cov(y.T)
        gap = ((x.mean(0) - y.mean(0)) ** 2).sum()
        expected = gap + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b)).real
        assert abs(columns["frechet_raw"][r] - expected) < 1e-8


def test_it_is_torch_fidelitys(make_world):
    world = make_world(chains=1, D=16, shares=(0.7, 0.3))
    evaluation = world.evaluate(1.3 * world.draw(250) + 0.2)
    real = evaluation.reference.held_out(0).double().numpy()
    rows = (real, evaluation.features[0].double().numpy())
    laws = [{"mu": x.mean(0), "sigma": np.cov(x.T)} for x in rows]
    theirs = fid_statistics_to_metric(*laws, verbose=False)["frechet_inception_distance"]
    mine = Frechet().measure(evaluation)["frechet_raw"][0].item()
    assert mine == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("n0", [1000, 150])
def test_a_perfect_fit_is_at_zero(make_world, n0):
    """Also where the floor is scaled from fewer training rows than synthetic ones."""
    values, raw = [], []
    for seed in range(200):
        world = make_world(chains=2, n0=n0, held_out=120, seed=seed)
        columns = Frechet().measure(world.evaluate(world.draw(300)))
        values.append(columns["frechet"].mean())
        raw.append(columns["frechet_raw"].mean())
    value, floor = torch.stack(values), torch.stack(raw).mean()
    error = value.std() / len(value) ** 0.5
    assert abs(value.mean()) < 4 * error < 0.3 * floor


def test_it_grows_when_a_class_is_lost(make_world):
    world = make_world(chains=3)
    shares = world.data.shares.scatter(1, world.reference(50).class_of_rank[:, 2:], 0.0)
    healthy = Frechet().measure(world.evaluate(world.draw(300)))["frechet"]
    assert (
        Frechet().measure(world.evaluate(world.draw(300, shares=shares)))["frechet"] > healthy
    ).all()
