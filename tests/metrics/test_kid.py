"""KID against its definition, and without bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torch_fidelity.metric_kid import mmd2

from nc_testbed.core.exactness import one_thread
from nc_testbed.metrics import kid, neighbours
from nc_testbed.metrics.kid import KID, kernel_means, mean_pair


def test_it_is_the_definition(make_world, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 3000)  # several blocks, the last one ragged
    monkeypatch.setattr(kid, "SUMMED", 7000)  # and several sums
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


def test_its_parts_are_torch_fidelitys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 16)), rng.normal(size=(300, 16)) * 1.1 + 0.2
    theirs = mmd2(*(polynomial_kernel(*pair, degree=3) for pair in ((x, x), (x, y), (y, y))))
    a, b = (torch.from_numpy(rows) for rows in (x, y))
    equal = torch.full((1, 300), 1 / 300, dtype=torch.float64)
    mine = mean_pair(a) + mean_pair(b) - 2 * kernel_means(a, equal, b, equal)[0]
    assert mine.item() == pytest.approx(theirs, rel=1e-11)


@pytest.mark.parametrize("F", [2, 3, 64])
@pytest.mark.parametrize("block", [1, 20_001, neighbours.BLOCK // 7])
def test_no_bit_of_it_depends_on_the_block(monkeypatch, block, F):
    """Kernels as they are: in a sum of a million of them the last digits get lost."""
    generator = torch.Generator().manual_seed(F)
    x, y = (torch.randn(N, F, generator=generator).double() for N in (1025, 1543))
    with one_thread():
        monkeypatch.setattr(neighbours, "BLOCK", len(x) * len(y))
        whole = kid._kernel(x, y, torch.empty(len(x) * len(y)).double())
        monkeypatch.setattr(neighbours, "BLOCK", block)
        assert torch.equal(kid._kernel(x, y, torch.empty(len(x) * len(y)).double()), whole)


def test_chains_that_share_rows_share_their_kernels():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(N, 8, generator=generator) for N in (300, 200))
    w, v = (torch.rand(3, N, generator=generator).double() for N in (300, 200))
    with one_thread():
        alone = [kernel_means(x, w[r, None], y, v[r, None]) for r in range(3)]
        assert torch.equal(kernel_means(x, w, y, v), torch.cat(alone))


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
