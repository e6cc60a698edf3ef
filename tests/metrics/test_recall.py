"""Recall by class and by third; a lost class shows there and nowhere else."""

from __future__ import annotations

import torch

from nc_testbed.metrics.precision import Precision
from nc_testbed.metrics.recall import Recall


def test_it_is_the_share_of_held_out_rows_in_a_synthetic_ball(make_world):
    world = make_world(shares=(0.4, 0.3, 0.2, 0.1), chains=2)
    evaluation = world.evaluate(world.draw(300))
    columns, y = Recall().measure(evaluation), world.data.held_out_y
    for r in range(2):
        rows = evaluation.rows[r].float().double()
        held = world.data.held_out.float().double()
        between = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        radius = between.fill_diagonal_(torch.inf).sort(1).values[:, 4]
        across = torch.cdist(held, rows, compute_mode="donot_use_mm_for_euclid_dist")
        inside = (across < radius).any(1).double()
        by_class = torch.stack([inside[y == c].mean() for c in range(4)])
        ranked = by_class[evaluation.reference.class_of_rank[r]]
        got = torch.stack([columns[f"recall_rank_{i}"][r] for i in range(4)])
        torch.testing.assert_close(got, ranked)
        hits = got * 100  # held-out rows of a class
        torch.testing.assert_close(hits, hits.round(), atol=1e-9, rtol=0)
        torch.testing.assert_close(columns["tail_recall"][r], ranked[3])
        torch.testing.assert_close(columns["head_recall"][r], ranked[0])
        torch.testing.assert_close(columns["medium_recall"][r], ranked[1:3].mean())
        torch.testing.assert_close(
            columns["recall"][r], (by_class * world.data.shares[r]).sum()
        )


def test_a_lost_class_has_no_recall_while_precision_stays(make_world):
    world = make_world(chains=6)
    shares = world.data.shares.scatter(1, world.reference(50).class_of_rank[:, 2:], 0.0)
    before, after = (
        world.evaluate(world.draw(500)),
        world.evaluate(world.draw(500, shares=shares)),
    )
    recall, lost = Recall().measure(before), Recall().measure(after)
    assert (lost["tail_recall"] == 0).all() and (recall["tail_recall"] > 0.4).all()
    assert (lost["recall_rank_0"] > 0.5).all()
    precision, kept = (Precision().measure(e)["precision"] for e in (before, after))
    assert (kept > precision - 0.05).all()


def test_a_point_has_no_recall(make_world):
    world = make_world(chains=2)
    rows = world.data.held_out[:1].expand(2, 200, -1).contiguous()
    columns = Recall().measure(world.evaluate(rows))
    assert all((column == 0).all() for column in columns.values())


def test_without_labels_there_is_one_column(make_world):
    world = make_world(shares=None)
    assert list(Recall().measure(world.evaluate(world.draw(200)))) == ["recall"]
