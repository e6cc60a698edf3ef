"""Tail ratio: unbiased logarithms, over-production seen, nothing made is half a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nc_testbed.metrics.tail_mass import TailMass
from nc_testbed.metrics.tail_ratio import TailRatio, log_ratios


@pytest.mark.parametrize("expected", [10, 40, 160])
def test_the_logarithm_of_a_perfect_fits_count_has_mean_0(expected):
    M, p = 2000, torch.tensor([[expected / 2000]])
    counts = torch.from_numpy(np.random.default_rng(0).binomial(M, expected / M, (100_000, 1)))
    logs = log_ratios(counts.double(), M, p.double(), torch.ones(1))
    bias = 1 / (4 * expected**2) + 4 * float(logs.std()) / len(logs) ** 0.5
    assert abs(float(logs.mean())) < bias + 1 / (2 * M)
    without = (counts.clamp(min=1) / expected).log().mean()  # what the half is for
    assert abs(float(without)) > 3 * abs(float(logs.mean()))


def test_a_perfect_fit_is_at_1(make_world):
    values = []
    for seed in range(40):
        world = make_world(chains=3, seed=seed)
        values.append(TailRatio().measure(world.evaluate(world.draw(900)))["tail_ratio"])
    value = torch.stack(values).mean(1)
    assert abs(float(value.mean()) - 1) < 4 * float(value.std()) / 40**0.5 + 0.01 < 0.08


def test_it_sees_what_is_made_too_often_where_the_capped_mass_does_not(make_world):
    world = make_world(chains=3)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)[world.data.rank]  # .6 .3 .1
    evaluation = world.evaluate(world.draw(3000, shares=shares))
    assert TailMass().measure(evaluation)["tail_mass"].tolist() == pytest.approx(
        [1] * 3, abs=0.05
    )
    assert TailRatio().measure(evaluation)["tail_ratio"].tolist() == pytest.approx(
        [2] * 3, rel=0.2
    )


def test_a_class_that_is_gone_is_half_a_row(make_world):
    world = make_world(chains=3)
    shares = torch.tensor([0.7, 0.3, 0.0], dtype=torch.float64)[world.data.rank]
    evaluation = world.evaluate(world.draw(500, shares=shares))
    lost = evaluation.reference.class_of_rank[:, -1]
    expected = 0.5 / (500 * 0.1 * evaluation.reference.acceptance[lost])
    assert torch.allclose(TailRatio().measure(evaluation)["tail_ratio"], expected)
