"""Confusion: 0 for real rows, what the referee says for rows between classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch

from nc_testbed.metrics.classifier import Classification
from nc_testbed.metrics.confusion import Confusion


def test_it_is_about_zero_for_the_law(make_world):
    world = make_world(chains=3, apart=3.0, held_out=1000)
    columns = Confusion().measure(world.evaluate(world.draw(3000)))
    assert columns["confusion"].abs().max() < 0.02
    assert columns["unsure"].abs().max() < 0.04


def test_rows_midway_cost_log_two(make_world):
    world = make_world(chains=2)
    middle = world.centres[:2].mean(0).expand(2, 100, -1)
    columns = Confusion().measure(world.evaluate(middle))
    assert columns["confusion"].tolist() == pytest.approx([math.log(2)] * 2, abs=1e-4)
    assert columns["unsure"].tolist() == pytest.approx([1.0] * 2, abs=0.01)


@dataclass(frozen=True)
class Refusing:
    """The world's referee, which takes rows beyond 50 for none of the classes."""

    judge: object
    sha256: str = "refusing"

    @property
    def width(self) -> int:
        return self.judge.width

    def describe(self, rows):
        return self.judge.describe(rows)

    def classify(self, features):
        said = self.judge.classify(features)
        return Classification(said.label, said.confidence, features.amax(1) > 50)


def test_only_rows_taken_for_a_class_count(make_world):
    world = make_world(chains=2)
    world = replace(world, referee=Refusing(world.referee))
    rows = world.draw(100)
    rows[0, 50:] = 100.0  # equally far from all classes, but none of them
    rows[1] = 100.0
    columns = Confusion().measure(world.evaluate(rows))
    assert columns["confusion"][0].abs() < 0.01
    assert columns["unsure"][0].abs() < 0.01
    assert columns["confusion"][1].isnan()
    assert columns["unsure"][1].isnan()


def test_a_chain_does_not_depend_on_its_neighbours(make_world):
    world = make_world(chains=3, apart=3.0)
    rows = world.draw(300)
    together = Confusion().measure(world.evaluate(rows))
    alone = Confusion().measure(world.chain(1).evaluate(rows[1:2]))
    for name, column in together.items():
        assert torch.equal(column[1:2], alone[name])
