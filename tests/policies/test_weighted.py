"""weighted: the real rows' share of the total weight is chosen."""

import pytest
import torch

from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.weighted import Weighted
from nc_testbed.theory.weights import golden_weight
from nc_testbed.types import BadInput


def real_share(grown, policy):
    archive, streams = grown(policy, 2)
    training = policy.compose(archive, streams, None)
    real = training.origin() == 0
    return (training.weights * real).sum(1) / training.weights.sum(1)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("inner", [Augment(), Anchor(k=2)])
def test_real_rows_carry_the_share_that_is_asked_for(weight, inner, grown):
    share = real_share(grown, Weighted(inner, weight))
    torch.testing.assert_close(share, torch.full_like(share, weight))


def test_the_default_is_the_golden_weight_of_the_ratio(grown):
    share = real_share(grown, Weighted(Augment()))  # 8 real rows, 6 synthetic ones
    torch.testing.assert_close(share, torch.full_like(share, float(golden_weight(8 / 6))))


def test_the_rows_are_the_inner_policys(grown):
    policy = Weighted(Anchor(k=2))
    archive, streams = grown(policy, 2)
    inner = Anchor(k=2).compose(archive, streams, None)
    assert torch.equal(policy.compose(archive, streams, None).rows, inner.rows)


def test_it_needs_real_rows_and_a_weight_that_is_a_share():
    with pytest.raises(BadInput, match="inner=Replace"):
        Weighted(Replace())
    with pytest.raises(BadInput, match=r"weight=1\.5"):
        Weighted(Augment(), 1.5)
