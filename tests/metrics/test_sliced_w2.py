"""Sliced W2: exact on the line, and for a shift and a contraction in the plane."""

from __future__ import annotations

import math

import ot
import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.metrics.sliced_w2 import SlicedW2, wasserstein2


@pytest.mark.parametrize(("N", "M"), [(1, 1), (3, 3), (4, 6), (5, 7), (12, 1), (2, 9)])
def test_unequal_numbers_are_repeated_equal_ones(N, M):
    generator = torch.Generator().manual_seed(N * 100 + M)
    x, y = (torch.randn(3, n, generator=generator).double() for n in (N, M))
    lcm = math.lcm(N, M)
    a = x.sort(1).values.repeat_interleave(lcm // N, 1)
    b = y.sort(1).values.repeat_interleave(lcm // M, 1)
    torch.testing.assert_close(wasserstein2(x, y), (a - b).square().mean(1))


@pytest.mark.parametrize(("N", "M"), [(100, 100), (101, 37), (1, 5)])
def test_it_is_pots(N, M):
    generator = torch.Generator().manual_seed(N * 100 + M)
    x, y = (torch.randn(2, n, generator=generator).double() for n in (N, M))
    pairs = zip(x.numpy(), y.numpy(), strict=True)
    expected = [ot.wasserstein_1d(a, b, p=2) for a, b in pairs]
    assert wasserstein2(x, y).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_shift_is_its_length_over_root_two(make_world):
    world = make_world(shares=None, D=2, chains=2, held_out=150)
    rows = (world.data.held_out + torch.tensor([3.0, 4.0])).expand(2, -1, -1)
    distance = SlicedW2().measure(world.evaluate(rows))["sliced_w2"]
    torch.testing.assert_close(distance, torch.full((2,), 5 / math.sqrt(2)).double())


def test_the_law_is_the_chains_own(make_world):
    world = make_world(D=2, chains=3, held_out=300)
    own = SlicedW2().measure(world.evaluate(world.draw(1000)))["sliced_w2"]
    others = SlicedW2().measure(world.evaluate(world.draw(1000).roll(1, 0)))["sliced_w2"]
    assert (own < 0.3 * others).all()


def test_no_projections_are_refused():
    with pytest.raises(BadInput, match="projections=0"):
        SlicedW2(projections=0)
