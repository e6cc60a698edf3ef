"""Matched coverage: 1 for a perfect fit, and nothing that is lost, alike or odd raises it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.matched_coverage import MatchedCoverage
from nc_testbed.metrics.matching import Ruler, matched_rows, squared_distances

SHARES = (0.6, 0.3, 0.1)


def normal(rows: int, columns: int = 8, purpose: str = "x") -> Tensor:
    return RandomStreams(0, (0,))(purpose).normal(rows, columns, dtype=torch.float64)[0]


def test_a_matching_is_the_largest_there_is():
    """Against every assignment of five samples to five rows."""
    draws = RandomStreams(0, (0,))("matching")
    for _ in range(50):
        distances = draws.uniform(5, 5, dtype=torch.float64)[0]
        radii = draws.uniform(5, dtype=torch.float64)[0]
        inside = (distances < radii).tolist()
        orders = itertools.permutations(range(5))
        best = max(sum(inside[row][order[row]] for row in range(5)) for order in orders)
        assert matched_rows(distances, radii) == best


def test_a_row_at_the_radius_is_outside():
    distance = torch.tensor([[4.0]], dtype=torch.float64)
    assert matched_rows(distance, torch.tensor([4.0], dtype=torch.float64)) == 0
    assert matched_rows(distance, torch.tensor([4.1], dtype=torch.float64)) == 1


def test_a_repeated_sample_covers_one_row():
    ruler = Ruler(normal(50), normal(50, purpose="y"), 1.0, 25.0)
    sample = ruler.covered[:1] + 0.01
    once = ruler.matched_share(torch.cat([sample, normal(1, purpose="far") + 50]))
    often = ruler.matched_share(
        torch.cat([sample.expand(9, -1), normal(1, purpose="far") + 50])
    )
    assert once == often == 1 / 50


def test_squared_distances_are_those_of_the_definition():
    a = normal(7)
    b = normal(5, purpose="b")
    assert torch.allclose(squared_distances(a, b), (a[:, None] - b).square().sum(2))


@pytest.fixture(scope="module")
def score(make_world):
    """Mean columns over chains and seeds of samples that a function makes of a world."""

    def measure(samples, seeds: int = 6, held_out: int = 200) -> dict[str, Tensor]:
        found = []
        for seed in range(seeds):
            world = make_world(SHARES, chains=3, held_out=held_out, seed=seed)
            found.append(MatchedCoverage().measure(world.evaluate(samples(world))))
        return {name: torch.stack([f[name] for f in found]).flatten() for name in found[0]}

    return measure


def test_a_perfect_fit_scores_one(score):
    columns = score(lambda world: world.draw(1000), seeds=20)
    for name in ("tail_coverage", "head_coverage"):
        values = columns[name].view(20, 3).mean(1)  # chains share their held-out rows
        assert abs(values.mean() - 1) < 4 * values.std() / 20**0.5 < 0.25


def test_a_class_that_is_gone_scores_zero_and_junk_does_not_bring_it_back(score):
    def without_tail(world, junk: float = 0.0) -> Tensor:
        rank = world.reference(20).class_of_rank
        rows = world.draw(1000, shares=world.data.shares.scatter(1, rank[:, 2:], 0.0))
        odd = int(junk * rows.shape[1])
        noise = world.streams("junk").normal(odd, rows.shape[2], dtype=torch.float64)
        rows[:, :odd] = noise * 10
        return rows

    assert score(without_tail)["tail_coverage"].max() < 0.02
    assert score(lambda world: without_tail(world, 0.1))["tail_coverage"].mean() < 0.03
    real = score(lambda world: world.draw(1000))["matched_coverage"].mean()
    # The other classes are over-full then, and may not make up for the tenth that is gone.
    assert score(without_tail)["matched_coverage"].mean() < real - 0.05


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5])
def test_contraction_lowers_it(score, share: float):
    def contracted(world) -> Tensor:
        rows = world.draw(1000)
        labels = world.referee.classify(rows.flatten(0, 1)).label.view(rows.shape[:2])
        centres = world.centres[labels]
        return centres + share * (rows - centres)

    real = score(lambda world: world.draw(1000))["matched_coverage"].mean()
    assert score(contracted)["matched_coverage"].mean() < real - 0.05


@pytest.mark.parametrize(("distinct", "most"), [(1, 0.05), (5, 0.1), (20, 0.25)])
def test_few_rows_repeated_score_as_few(score, distinct: int, most: float):
    def few(world) -> Tensor:
        rows = world.draw(1000)
        labels = world.referee.classify(rows.flatten(0, 1)).label.view(rows.shape[:2])
        for chain, c in itertools.product(range(3), range(3)):
            members = (labels[chain] == c).nonzero()[:, 0]
            again = members[torch.arange(len(members)) % distinct]
            rows[chain, members] = rows[chain, again]
        return rows

    assert score(few, held_out=400)["tail_coverage"].mean() <= most


def test_it_falls_with_the_share_of_far_rows(score):
    def far(world) -> Tensor:
        rows = world.draw(1000)
        rows[:, ::2] += 100
        return rows

    assert abs(score(far)["matched_coverage"].mean() - 0.5) < 0.06


def test_a_chain_that_makes_one_row_scores_zero(make_world):
    world = make_world(SHARES, chains=2)
    rows = world.draw(300)
    rows[0] = rows[0, :1]
    columns = MatchedCoverage().measure(world.evaluate(rows))
    assert columns["matched_coverage"][0] == 0
    assert columns["matched_coverage"][1] > 0.5


def test_without_labels_there_is_one_column(make_world):
    world = make_world(None, chains=2, held_out=400, D=3)
    columns = MatchedCoverage().measure(world.evaluate(world.draw(500)))
    assert list(columns) == ["matched_coverage"]
    assert ((columns["matched_coverage"] - 1).abs() < 0.3).all()


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(SHARES, chains=3)
    rows = world.draw(300)
    together = MatchedCoverage().measure(world.evaluate(rows))
    alone = MatchedCoverage().measure(world.chain(1).evaluate(rows[1:2]))
    for name, column in together.items():
        assert torch.equal(column[1:2], alone[name])
