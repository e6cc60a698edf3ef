"""Vendi score: dual form against the M x M kernel."""

from __future__ import annotations

import torch

from nc_testbed.metrics.vendi import Vendi, vendi_score


def test_dual_is_primal():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
    unit = x / x.norm(dim=1, keepdim=True)
    values = torch.linalg.eigvalsh(unit @ unit.T / 40).clamp(min=1e-300)
    primal = (-(values * values.log()).sum()).exp()
    torch.testing.assert_close(vendi_score(x), primal)


def test_healthy_is_one_and_a_point_is_one_row(make_world):
    world = make_world(chains=2, held_out=300)
    rows = world.draw(2000)
    rows[1] = rows[1, :1]
    evaluation = world.evaluate(rows)
    healthy, point = Vendi().measure(evaluation)["vendi"]
    assert abs(healthy - 1) < 0.05
    real = vendi_score(evaluation.reference.held_out(1))
    torch.testing.assert_close(point, 1 / real)


def test_rows_of_zeros_have_a_score():
    assert vendi_score(torch.zeros(10, 4)).isfinite()
