"""Spread: known for scaled laws, unbiased for few rows, -inf for a collapsed class."""

from __future__ import annotations

import math

import pytest
import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.spread import Spread, log_det


@pytest.mark.parametrize("m", [10, 30])
def test_log_det_of_a_gaussian_is_unbiased(m):
    scale = torch.tensor([1.0, 2.0, 0.5]).double()
    rows = RandomStreams(0, (0,))("rows").normal(4000, m, 3, dtype=torch.float64)[0] * scale
    values = torch.stack([log_det(each) for each in rows])
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - 2 * scale.log().sum()) < 4 * error < 0.1


def test_log_det_of_few_or_flat_rows():
    rows = RandomStreams(0, (0,))("rows").normal(20, 3, dtype=torch.float64)[0]
    assert log_det(rows[:3]).isnan() and log_det(rows[:4]).isfinite()
    rows[:, 1] = 0.3
    assert log_det(rows) == -torch.inf


def test_halved_deviations_are_minus_d_log_four(make_world):
    """Each class shrinks to half its width around its centre, in the plane: d = 2."""
    world = make_world(D=2, chains=3, held_out=400)
    rows = world.draw(900)
    centres = world.centres[world.referee.classify(rows.flatten(0, 1))[0].view(3, 900)]
    whole = Spread().measure(world.evaluate(rows))
    half = Spread().measure(world.evaluate(centres + (rows - centres) / 2))
    expected = torch.full((3,), -2 * math.log(4)).double()
    torch.testing.assert_close(
        half["log_spread"] - whole["log_spread"], expected, atol=1e-5, rtol=0
    )
    assert (half["spread_classes"] == 3).all()


def test_a_healthy_spread_is_zero(make_world):
    values = []
    for seed in range(60):
        world = make_world(chains=1, held_out=100, seed=seed)
        values.append(Spread().measure(world.evaluate(world.draw(400)))["log_spread"][0])
    value = torch.stack(values)
    assert abs(value.mean()) < 4 * value.std() / len(value) ** 0.5


def test_lost_and_collapsed_classes(make_world):
    world = make_world(chains=3, D=2)
    rows = world.draw(300)
    rows[1] = world.centres[0]  # one point: one class, no spread
    rows[2] = world.centres[0] + (rows[2] - rows[2].mean(0)) / 100  # one class, narrow
    columns = Spread().measure(world.evaluate(rows))
    assert columns["spread_classes"].tolist() == [3, 1, 1]
    assert columns["log_spread"][0].abs() < 2
    assert columns["log_spread"][1] == -torch.inf
    assert columns["log_spread"][2] < -4 and columns["log_spread"][2].isfinite()


def test_without_labels_all_rows_are_one_class(make_world):
    world = make_world(shares=None, chains=2)
    columns = Spread().measure(world.evaluate(world.draw(300)))
    assert (columns["spread_classes"] == 1).all() and (columns["log_spread"].abs() < 3).all()
