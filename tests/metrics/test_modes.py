"""Modes counted by hand, and the high-quality share of a perfect fit."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from nc_testbed.metrics.modes import Modes


def test_counted_by_hand(make_world):
    world = make_world(shares=(0.7, 0.2, 0.1), D=2, chains=1, apart=20.0)
    a, b, c = world.centres
    near, far = torch.tensor([2.9, 0.0]), torch.tensor([3.1, 0.0])
    # 14 at a, 1 within three deviations of c, 5 outside of b's: M = 20
    rows = torch.stack([a] * 14 + [c + near] + [b + far] * 5)[None]
    columns = {k: v.item() for k, v in Modes().measure(world.evaluate(rows)).items()}
    kl = 0.7 * math.log(0.7 / 0.7) + 0.05 * math.log(0.05 / 0.1) + 0.25 * math.log(0.25 / 0.2)
    assert columns["high_quality_share"] == 0.75
    assert columns["modes_hit"] == 2  # a and c
    assert columns["modes_captured"] == 2  # 0.2 M p = 2.8 and 0.4
    assert abs(columns["modes_kl"] - kl) < 1e-12


def test_one_row_does_not_hold_a_common_mode(make_world):
    world = make_world(shares=(0.7, 0.3), D=2, chains=1, apart=20.0)
    rows = torch.stack([world.centres[0]] * 99 + [world.centres[1]])[None]
    columns = Modes().measure(world.evaluate(rows))
    assert columns["modes_hit"] == 2 and columns["modes_captured"] == 1


def test_a_perfect_fit(make_world):
    world = make_world(D=2, chains=4, apart=20.0)
    columns = Modes().measure(world.evaluate(world.draw(5000)))
    share = 1 - math.exp(-4.5)
    error = (share * (1 - share) / 20_000) ** 0.5
    assert abs(columns["high_quality_share"].mean() - share) < 4 * error
    assert (columns["modes_hit"] == 3).all() and (columns["modes_captured"] == 3).all()
    assert (columns["modes_kl"] < 0.002).all()  # about (C - 1) / 2M


def test_weights_common_to_all_chains(make_world):
    world = make_world(D=2, chains=2, apart=20.0)
    rows = world.draw(500)
    law = replace(world.data.law, weights=world.data.law.weights[0])
    common = replace(world, data=replace(world.data, law=law))
    ours = Modes().measure(common.evaluate(rows))
    assert ours["modes_kl"][0] == Modes().measure(world.evaluate(rows))["modes_kl"][0]
    assert ours["modes_kl"][1] > 0.1  # the other chain's shares are rotated
