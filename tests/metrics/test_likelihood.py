"""Held-out likelihood: exact or bounded, whole or by thirds, the same noise for ever."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.metrics.likelihood import Likelihood


def test_columns_are_means_over_the_right_rows(make_world, exact_fit):
    world = make_world(chains=3)
    fit = exact_fit(world.centres)
    evaluation = world.evaluate(world.draw(50), fit)
    columns = Likelihood().measure(evaluation)
    assert sorted(columns) == ["nll", "nll_head", "nll_tail"]
    loss, y, rank = -fit.log_prob(world.data.held_out), world.data.held_out_y, None
    rank = evaluation.reference.class_of_rank
    by_class = torch.stack([loss[:, y == c].mean(1) for c in range(3)], 1)
    torch.testing.assert_close(columns["nll"], (by_class * world.data.shares).sum(1))
    for name, i in (("nll_head", 0), ("nll_tail", 2)):
        torch.testing.assert_close(columns[name], by_class.gather(1, rank[:, i, None])[:, 0])


def test_bounds_say_so_and_keep_their_noise(make_world, bound_fit):
    world = make_world(chains=2)
    fit, metric = bound_fit(world.centres[:2]), Likelihood(iwae=4)
    rows = world.draw(50)
    at = [metric.measure(world.evaluate(rows, fit, generation=g)) for g in (0, 5)]
    names = ["neg_elbo", "neg_iwae"]
    assert sorted(at[0]) == sorted(f"{n}{e}" for n in names for e in ("", "_head", "_tail"))
    assert all(torch.equal(at[0][name], at[1][name]) for name in at[0])
    assert (at[0]["neg_iwae"] < at[0]["neg_elbo"]).all()
    assert "neg_iwae" not in Likelihood().measure(world.evaluate(rows, fit))


def test_without_labels_it_is_the_plain_mean(make_world, exact_fit):
    world = make_world(shares=None, chains=2)
    fit = exact_fit(world.centres.expand(2, -1))
    columns = Likelihood().measure(world.evaluate(world.draw(50), fit))
    expected = -fit.log_prob(world.data.held_out).mean(1)
    assert list(columns) == ["nll"]
    torch.testing.assert_close(columns["nll"], expected)


def test_no_density_is_infinite(make_world):
    class Point:
        def log_prob(self, rows):
            return torch.full((2, len(rows)), -torch.inf, dtype=torch.float64)

    world = make_world(chains=2)
    columns = Likelihood().measure(world.evaluate(world.draw(50), Point()))
    assert all((column == torch.inf).all() for column in columns.values())


@pytest.mark.parametrize("iwae", [0, -1])
def test_no_samples_are_refused(iwae):
    with pytest.raises(BadInput, match="iwae"):
        Likelihood(iwae=iwae)
