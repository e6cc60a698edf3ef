"""The early sign of collapse: precision rises while recall falls."""

from __future__ import annotations

import torch

from nc_testbed.metrics.coverage import Coverage
from nc_testbed.metrics.precision import Precision
from nc_testbed.metrics.recall import Recall


def test_precision_rises_and_recall_falls_as_a_generator_contracts(make_world):
    world = make_world(chains=4, D=4)
    rows = world.draw(600)
    label = world.referee.classify(rows.flatten(0, 1))[0].view(4, 600)
    centres = world.centres[label]
    found = []
    for width in (1.0, 0.5):
        evaluation = world.evaluate(centres + width * (rows - centres))
        columns: dict[str, torch.Tensor] = {}
        for metric in (Precision(), Recall(), Coverage()):
            columns |= metric.measure(evaluation)
        found.append(columns)
    wide, narrow = found
    for name in ("precision", "density"):
        assert (narrow[name] > wide[name]).all()
    for name in ("recall", "tail_recall"):
        assert (narrow[name] < 0.7 * wide[name]).all()


def test_rows_far_from_all_real_ones_have_no_precision(make_world):
    world = make_world(chains=2)
    rows = world.draw(200)
    rows[:, ::4] += 1000
    precision = Precision().measure(world.evaluate(rows))["precision"]
    assert ((precision > 0.5) & (precision <= 0.75)).all()
