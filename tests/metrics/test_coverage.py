"""Coverage against its formula, density against 1, class balls against pooled ones."""

from __future__ import annotations

import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.coverage import Coverage, expected_coverage
from nc_testbed.metrics.neighbours import Balls, left, meet, radii


def test_coverage_of_equal_laws_is_the_formula():
    """And density is 1 on average: 3000 pairs of fresh real and synthetic sets."""
    N, M, pairs = 60, 80, 3000
    draws = RandomStreams(0, (0,))("coverage")
    covered, density = [], []
    for _ in range(pairs):
        x, y = draws.normal(N, 3)[0], draws.normal(M, 3)[0]
        radius = radii(x)[0]
        real = Balls(left(x), (torch.arange(N),), radius, radius)
        found = meet(real, y, torch.zeros(M, dtype=torch.int64))
        covered.append(found[2].double().mean())
        density.append(found[1].double().mean() / 5)
    assert abs(torch.stack(covered).mean() - expected_coverage(N, M)) < 0.003
    spread = torch.stack(density).std() / pairs**0.5
    assert abs(torch.stack(density).mean() - 1) < 4 * spread


def test_coverage_of_a_share_is_the_mean_over_its_counts():
    counts = RandomStreams(0, (0,))("counts").uniform(200_000, 40, dtype=torch.float64)[0] < 0.1
    mean = torch.tensor([expected_coverage(30, int(m)) for m in counts.sum(1)[:20_000]]).mean()
    assert abs(mean - expected_coverage(30, 40, 0.1)) < 0.005


def test_healthy_columns_are_near_one(make_world):
    found = []
    for seed in range(40):
        world = make_world(chains=3, held_out=100, D=3, seed=seed)
        found.append(Coverage().measure(world.evaluate(world.draw(600))))
    for name in ("coverage", "density"):
        values = torch.stack([columns[name] for columns in found]).mean(
            1
        )  # one per held-out set
        error = values.std() / len(values) ** 0.5
        assert abs(values.mean() - 1) < 4 * error + 0.003 < 0.03
