"""Confusion: by hand, for rows between classes, and for rows of no class."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import entropy

from nc_testbed.metrics.classifier import Classification
from nc_testbed.metrics.confusion import Confusion, entropies


def test_entropy_is_in_bits():
    p = torch.rand(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = p / p.sum(1, keepdim=True)
    assert entropies(p).numpy() == pytest.approx(entropy(p.numpy(), axis=1, base=2))
    assert entropies(torch.full((1, 8), 1 / 8)).item() == 3


def test_a_perfect_fit_is_at_1(make_world):
    values = []
    for seed in range(40):
        world = make_world(chains=3, seed=seed, apart=2.5)  # classes that overlap
        values.append(Confusion().measure(world.evaluate(world.draw(600)))["confusion"])
    value = torch.stack(values).mean(1)
    assert abs(float(value.mean()) - 1) < 4 * float(value.std()) / 40**0.5 < 0.1


def test_rows_between_two_classes_cannot_be_told(make_world):
    world = make_world(chains=2, apart=6.0)
    between = world.centres.mean(0).expand(2, 100, -1)
    columns = Confusion().measure(world.evaluate(between))
    assert columns["undecided"].tolist() == [1, 1]
    assert (columns["confusion"] > 10).all()
    assert Confusion().measure(world.evaluate(world.draw(300)))["undecided"].max() < 0.05


def test_rows_of_no_class_do_not_count(make_world):
    world = make_world(chains=1)
    rows = torch.cat([world.draw(200), world.centres.mean(0).expand(1, 100, -1)], 1)
    evaluation = world.evaluate(rows)
    said = evaluation._said
    refused = said.is_none.clone()
    refused[:, 200:] = True
    evaluation.__dict__["_classification"] = Classification(
        said.label, said.confidence, refused
    )
    alone = Confusion().measure(world.evaluate(rows[:, :200]))
    assert Confusion().measure(evaluation)["confusion"] == pytest.approx(alone["confusion"])
    evaluation.__dict__["_classification"] = replace_none(said)
    assert Confusion().measure(evaluation)["undecided"].isnan().all()


def replace_none(said: Classification) -> Classification:
    return said._replace(is_none=torch.ones_like(said.is_none))


def test_a_referee_that_is_certain_of_all_real_rows_leaves_the_ratio_undefined(make_world):
    world = make_world(chains=1, apart=1000.0)
    columns = Confusion().measure(world.evaluate(world.draw(100)))
    assert columns["confusion"].isnan().all() and columns["undecided"].item() == 0
