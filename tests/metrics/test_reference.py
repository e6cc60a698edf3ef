"""The chain-law reference: counts, weights, acceptance, refusals."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.metrics.neighbours import inside_others


def test_members_follow_the_chains_law(make_world):
    world = make_world(shares=(0.6, 0.3, 0.1), chains=4, held_out=101)
    reference = world.reference(50)
    for r, member in enumerate(reference.member):
        by_class = torch.bincount(world.data.held_out_y[member], minlength=3)
        assert by_class[reference.class_of_rank[r]].tolist() == [101, 50, 16]
    assert not torch.equal(reference.member[0], reference.member[3])  # same shares, other rows


def test_without_labels_every_row_is_a_member(make_world):
    reference = make_world(shares=None).reference(50)
    assert reference.member.all() and len(reference.groups) == 1


def test_means_are_those_of_the_law(make_world):
    world = make_world(shares=(0.6, 0.3, 0.1), chains=3)
    reference = world.reference(50)
    values = world.data.held_out_y.double().expand(3, -1)
    expected = (world.data.shares * torch.arange(3)).sum(1)
    torch.testing.assert_close(reference.mean(values), expected, rtol=0, atol=1e-12)
    assert reference.by_class(values).tolist() == [[0.0, 1.0, 2.0]] * 3


def test_acceptance_is_that_of_fresh_rows(make_world):
    """What leave-one-out promises: the share of new real rows that would be accepted."""
    gaps, naive = [], []
    for seed in range(100):
        world = make_world(chains=1, held_out=40, D=6, seed=seed)
        evaluation = world.evaluate(world.draw(600, shares=torch.ones(3)))
        accepted = (evaluation.counts(evaluation.is_accepted) / evaluation.counts()).mean()
        reference = evaluation.reference
        gaps.append(accepted - reference.acceptance.mean())
        points, radius = reference.subtract_centre(reference.features), reference.own[0]
        inside = [inside_others(points[rows], radius[rows]) for rows in reference.groups]
        naive.append(accepted - torch.cat(inside).double().mean())
    gap, error = torch.stack(gaps).mean(), torch.stack(gaps).std() / 10
    assert abs(gap) < 4 * error
    assert torch.stack(naive).mean() > 4 * error  # the k-th neighbour instead would be biased


def test_real_rows_are_training_rows_of_the_chain(make_world):
    world = make_world(n0=400, chains=2)
    real = world.reference(30).real
    assert real.shape == (2, 30, 8)
    for r in range(2):
        rows = {tuple(row) for row in world.data.x[r].float().tolist()}
        mine = {tuple(row) for row in real[r].tolist()}
        assert mine <= rows and len(mine) == 30
    assert world.reference(500).real.shape[1] == 400


def test_real_rows_have_the_counts_of_independent_draws(make_world):
    """Variance n p (1 - p) of a class's count, where a plain subset of all rows would have 0."""
    world = make_world(n0=100, chains=300)
    real = world.reference(100).real
    label = world.referee.classify(real.flatten(0, 1))[0].view(300, 100)
    counts = (label == world.reference(50).class_of_rank[:, :1]).sum(1).double()
    assert abs(counts.mean() - 60) < 4 * (24 / 300) ** 0.5
    assert abs(counts.var() / 24 - 1) < 4 * (2 / 300) ** 0.5


def test_real_rows_of_an_exact_law_are_fresh(make_world):
    world = make_world(D=2, n0=20)
    real = world.reference(50).real
    assert real.shape == (3, 50, 2)
    rows = {tuple(row) for row in world.data.x.flatten(0, 1).float().tolist()}
    assert not rows & {tuple(row) for row in real.flatten(0, 1).tolist()}


@pytest.mark.parametrize(
    ("held_out", "rows", "key"),
    [(6, 50, "data.test_rows"), (50, 6, "evaluation.rows"), (7, 50, None)],
)
def test_too_few_rows_are_refused(make_world, held_out, rows, key):
    world = make_world(held_out=held_out)
    if key is None:
        world.reference(rows)
        return
    with pytest.raises(BadInput) as bad:
        world.reference(rows)
    assert bad.value.key == key


def test_once_computes_once(make_world):
    calls = []
    reference = make_world().reference(50)
    for _ in range(2):
        assert reference.once(calls.append) is None
    assert calls == [reference]
