"""Tail ratio: 1 for a perfect fit, proportional both ways, small where a class is gone."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.metrics.tail_ratio import TailRatio


def ratio(world, shares) -> torch.Tensor:
    rows = world.draw(2000, shares=shares)
    return TailRatio().measure(world.evaluate(rows))["tail_ratio"]


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_it_is_the_factor_by_which_the_rare_class_is_made(make_world, factor: float):
    world = make_world(chains=3)
    p = world.data.shares
    is_rare = p == p.amin(1, keepdim=True)
    shares = torch.where(is_rare, factor * p, p * (1 - 0.1 * factor) / 0.9)
    assert ratio(world, shares).tolist() == pytest.approx([factor] * 3, rel=0.25)


def test_a_class_that_is_gone_leaves_its_half(make_world):
    world = make_world(chains=1)
    shares = torch.tensor([[0.7, 0.3, 0.0]], dtype=torch.float64)
    assert ratio(world, shares).item() == pytest.approx(0.5 / (2000 * 0.1 + 0.5), rel=0.05)


def test_it_is_the_geometric_mean_over_the_tail(make_world):
    world = make_world(shares=(0.4, 0.3, 0.1, 0.1, 0.05, 0.05), chains=1)
    rows = world.draw(2000)
    evaluation = world.evaluate(rows)
    made = torch.bincount(evaluation.labels[0], minlength=6).double()[4:]
    right = torch.tensor([0.05, 0.05]) * 2000  # classes lie far apart: labels are right
    expected = ((made + 0.5) / (right + 0.5)).log().mean().exp()
    found = TailRatio().measure(evaluation)["tail_ratio"].item()
    assert found == pytest.approx(float(expected), rel=1e-3)


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3)
    rows = world.draw(300)
    together = TailRatio().measure(world.evaluate(rows))["tail_ratio"]
    alone = TailRatio().measure(world.chain(1).evaluate(rows[1:2]))["tail_ratio"]
    assert torch.equal(together[1:2], alone)
