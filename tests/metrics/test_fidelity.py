"""Fidelity: about 1 for real rows, 0 for noise, and linear in the share of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.fidelity import ClippedBalls, Fidelity


def normal(rows: int, purpose: str) -> torch.Tensor:
    return RandomStreams(0, (0,))(purpose).normal(rows, 4, dtype=torch.float64)[0]


def test_votes_are_those_of_the_definition():
    x = normal(60, "x").numpy()
    y = normal(40, "y").numpy()
    own = cdist(x, x)
    radius = np.sort(own, 1)[:, 5]  # of the 5th other row
    radius = np.minimum(radius, np.sort(radius)[29])  # torch's median is the lower one
    balls = ClippedBalls.around(torch.from_numpy(x))
    votes = np.minimum((cdist(y, x) < radius).sum(1), 5) / 5
    np.testing.assert_array_equal(balls.count(torch.from_numpy(y)), votes)
    inside = own <= radius * (1 + 1e-12)
    np.fill_diagonal(inside, False)
    np.testing.assert_array_equal(balls.votes, np.minimum(inside.sum(1), 5) / 5)


def test_samples_of_the_law_read_what_real_rows_read():
    ratios = []
    for i in range(60):
        balls = ClippedBalls.around(normal(200, f"x{i}"))
        ratios.append(balls.count(normal(400, f"y{i}")).mean() / balls.votes.mean())
    values = torch.stack(ratios)
    assert abs(values.mean() - 1) < 4 * values.std() / 60**0.5 < 0.05


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_it_is_linear_in_the_share_of_noise(make_world, share: float):
    found = []
    for seed in range(8):
        world = make_world(chains=3, held_out=150, seed=seed)
        rows = world.draw(600)
        odd = int(share * 600)
        noise = world.streams("noise").normal(odd, rows.shape[2], dtype=torch.float64)
        rows[:, :odd] = 100 + 10 * noise
        found.append(Fidelity().measure(world.evaluate(rows)))
    for name in ("fidelity", "fidelity_untrained"):
        values = torch.stack([columns[name] for columns in found])
        assert abs(values.mean() - (1 - share)) < 0.07


def test_without_labels_it_is_the_clipped_density(make_world):
    world = make_world(None, chains=2, held_out=400)
    columns = Fidelity().measure(world.evaluate(world.draw(500)))
    assert ((columns["fidelity"] - 1).abs() < 0.25).all()
    assert (columns["accepted"] == 1).all()


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3)
    rows = world.draw(300)
    together = Fidelity().measure(world.evaluate(rows))
    alone = Fidelity().measure(world.chain(1).evaluate(rows[1:2]))
    for name, column in together.items():
        assert torch.equal(column[1:2], alone[name])


def test_what_the_referee_takes_for_none_does_not_count(make_world):
    """Even where it lies among real rows."""
    world = make_world(chains=2, held_out=150)
    evaluation = world.evaluate(world.draw(600))
    before = Fidelity().measure(evaluation)
    said = evaluation._classification
    none = torch.zeros_like(said.is_none)
    none[:, 300:] = True
    evaluation.__dict__["_classification"] = said._replace(is_none=none)
    after = Fidelity().measure(evaluation)
    assert torch.allclose(after["accepted"], 0.5 * before["accepted"])
    assert ((after["fidelity"] / before["fidelity"] - 0.5).abs() < 0.1).all()
    assert torch.equal(after["fidelity_untrained"], before["fidelity_untrained"])
