"""Spread: known for scaled laws, unbiased for few rows, -inf for a collapsed class."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nc_testbed.metrics.spread import Spread, gap, log_det


def laws(n: int, d: int, law: str, seed: int) -> torch.Tensor:
    """Rows ``[n, d]``, normal or with the heavy tails of Student's t of 5 degrees."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)) if law == "normal" else rng.standard_t(5, size=(n, d))
    return torch.from_numpy(rows)


@pytest.mark.parametrize("law", ["normal", "heavy tails"])
@pytest.mark.parametrize(("M", "H", "d"), [(10, 30, 8), (400, 20, 8), (37, 11, 3), (25, 25, 8)])
def test_equal_laws_have_equal_spread_at_any_number_of_rows(M, H, d, law):
    gaps = [gap(laws(M, d, law, s), laws(H, d, law, 10_000 + s)) for s in range(1500)]
    value = torch.stack(gaps)
    error = value.std() / len(value) ** 0.5
    assert abs(value.mean()) < 4 * error < 0.35


def test_log_det_is_the_mean_over_blocks():
    rows = laws(45, 3, "normal", 0).numpy()
    blocks = [np.linalg.slogdet(np.cov(rows[i : i + 20].T))[1] for i in (0, 20)]
    assert log_det(torch.from_numpy(rows), 20).item() == pytest.approx(np.mean(blocks))


def test_a_gap_of_few_or_flat_rows():
    rows = laws(20, 3, "normal", 0)
    assert gap(rows[:3], rows).isnan() and gap(rows[:4], rows).isfinite()
    flat = rows.clone()
    flat[:, 1] = 0.3
    assert gap(flat, rows) == -torch.inf
    assert gap(rows, flat).isnan()  # nothing was there to be lost


@pytest.mark.parametrize(("N", "D"), [(20, 30), (24, 5), (100, 30)])
def test_real_rows_as_samples_are_zero_where_there_are_few(make_world, N, D):
    """At d = 30 with 20 held-out rows directions that were chosen by these gave -10.2."""
    values = []
    for seed in range(40):
        world = make_world(shares=None, chains=3, held_out=N, n0=4 * N, D=D, seed=seed)
        values.append(Spread().measure(world.evaluate(world.draw(1000)))["log_spread"].mean())
    value = torch.stack(values)
    assert abs(value.mean()) < 4 * value.std() / len(value) ** 0.5 < 2


def test_a_column_that_never_varies_is_left_out(make_world):
    world = make_world(shares=None, chains=2, D=3, held_out=200)
    data = world.data
    for rows in (data.x, data.held_out):
        rows[..., 2] = 7.7
    rows = world.draw(500)
    rows[..., 2] = 7.7
    whole = Spread().measure(world.evaluate(rows))["log_spread"]
    rows[..., :2] = (
        rows.mean(1, keepdim=True)[..., :2]
        + (rows[..., :2] - rows.mean(1, keepdim=True)[..., :2]) / 2
    )
    half = Spread().measure(world.evaluate(rows))["log_spread"]
    assert whole.abs().max() < 0.5
    torch.testing.assert_close(half - whole, torch.full((2,), -2 * math.log(4)).double())


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
