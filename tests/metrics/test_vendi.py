"""Vendi score: dual form against the M x M kernel."""

from __future__ import annotations

import pytest
import torch
from vendi_score import vendi

from nc_testbed.metrics.vendi import Vendi, vendi_score


def test_dual_is_primal():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
    unit = x / x.norm(dim=1, keepdim=True)
    values = torch.linalg.eigvalsh(unit @ unit.T / 40).clamp(min=1e-300)
    primal = (-(values * values.log()).sum()).exp()
    torch.testing.assert_close(vendi_score(x), primal)


@pytest.mark.parametrize("shape", [(400, 16), (20, 30)])
def test_the_score_is_the_authors(shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()
    expected = vendi.score_dual(x.numpy(), normalize=True)
    assert vendi_score(x).item() == pytest.approx(expected, rel=1e-10)


def test_a_point_is_one_row(make_world):
    world = make_world(chains=2, held_out=300)
    rows = world.draw(2000)
    rows[1] = rows[1, :1]
    evaluation = world.evaluate(rows)
    _, point = Vendi().measure(evaluation)["vendi"]
    real = vendi_score(evaluation.reference.held_out(1))
    torch.testing.assert_close(point, 1 / real, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("shares", "N", "M", "D"),
    [
        (None, 20, 1000, 30),  # 2.06 when 1000 rows were compared with 20
        (None, 24, 40, 13),
        (None, 2000, 1000, 30),
        ((0.6, 0.3, 0.1), 20, 1000, 8),
        ((0.4, 0.3, 0.3), 9, 300, 13),
        ((0.9, 0.1), 100, 200, 5),
    ],
)
def test_real_rows_as_samples_are_one_at_any_number_of_rows(make_world, shares, N, M, D):
    values = []
    for seed in range(30):
        world = make_world(shares=shares, chains=4, held_out=N, n0=300, D=D, seed=seed)
        values.append(Vendi().measure(world.evaluate(world.draw(M)))["vendi"].mean())
    value = torch.stack(values)
    error = value.std() / len(value) ** 0.5
    assert abs(value.mean() - 1) < 4 * error < 0.06


def test_rows_of_zeros_have_a_score():
    assert vendi_score(torch.zeros(10, 4)).isfinite()
