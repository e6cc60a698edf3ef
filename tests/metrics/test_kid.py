"""KID against its definition, and without bias."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from nc_testbed.metrics import neighbours
from nc_testbed.metrics.kid import KID, mean_pair


def test_it_is_the_definition(make_world, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 3000)  # several blocks, the last one ragged
    world = make_world(chains=2)
    evaluation = world.evaluate(world.draw(130) + 0.3)
    column, held_y = KID().measure(evaluation)["kid"], world.data.held_out_y
    x = evaluation.reference.features.double().numpy()
    for r in range(2):
        y = evaluation.features[r].double().numpy()
        w = (world.data.shares[r] / 100)[held_y].numpy()
        pairs = w[:, None] * w
        for c in range(3):  # the class's share of pairs, over pairs of different rows
            inside = (held_y == c).numpy()
            pairs[np.ix_(inside, inside)] *= 100 / 99
        np.fill_diagonal(pairs, 0)
        k = polynomial_kernel(y, degree=3)  # gamma 1 / F, coef0 1
        synthetic = (k.sum() - k.trace()) / (130 * 129)
        real = (pairs * polynomial_kernel(x, degree=3)).sum()
        across = (w @ polynomial_kernel(x, y, degree=3)).mean()
        assert abs(pairs.sum() - 1) < 1e-12
        assert abs(column[r] - (synthetic + real - 2 * across)) < 1e-9 * real


def test_it_is_unbiased(make_world):
    values = []
    for seed in range(80):
        world = make_world(chains=1, seed=seed, shares=(0.7, 0.3))
        values.append(KID().measure(world.evaluate(world.draw(100)))["kid"][0])
    value = torch.stack(values)
    assert abs(value.mean()) < 4 * value.std() / len(value) ** 0.5


def test_a_pair():
    x = torch.tensor([[1.0, 0.0], [2.0, 2.0]])
    assert mean_pair(x).item() == (2 / 2 + 1) ** 3
