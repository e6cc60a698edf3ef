"""collect: generation 0's real rows and k fresh ones for every generation since."""

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.collect import Collect


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_trains_on_all_real_rows_so_far(generation, grown, composed):
    values, origin = composed(Collect(k=2), generation)
    archive = grown(Collect(k=2), generation)[0]
    fresh = archive.reserve[:, : 2 * generation]
    assert torch.equal(values, torch.cat([archive.training, fresh], 1).double())
    assert (origin == 0).all()


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_is_given_the_rows_that_a_fresh_anchor_is_given(generation, composed):
    """What tells the two apart is that one of them keeps them."""
    values, origin = composed(Anchor(k=2, source="fresh"), generation)
    anchors = torch.stack([v[o == 0] for v, o in zip(values, origin, strict=True)])
    assert torch.equal(composed(Collect(k=2), generation)[0][:, -2:], anchors)


def test_no_row_is_used_twice_and_the_reserve_ends(composed):
    values = composed(Collect(k=4), 3)[0]
    assert all(len(row.unique()) == 20 for row in values)
    with pytest.raises(AssertionError, match="used twice"):
        composed(Collect(k=4), 4)


def test_needs_fresh_rows_and_refuses_a_budget():
    policy = Collect(k=3)
    policy.check(n=6, budget=None, real=8)
    with pytest.raises(BadInput, match=r"^budget=5: "):
        policy.check(n=6, budget=5, real=8)
    assert policy.real_row_budget(n=6, budget=None) == {"fresh": 3}
    assert not policy.needs_rows(budget=None)
    assert Collect.trains_on_real and Collect.window == 1


@pytest.mark.parametrize("k", [0, -1])
def test_at_least_one_row_is_collected(k):
    with pytest.raises(BadInput, match=f"^k={k}: "):
        Collect(k=k)
