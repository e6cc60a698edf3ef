"""weighted: the real rows' share of the weight is chosen, the rest equal or by density ratio."""

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.categorical import CategoricalModel
from nc_testbed.loop.archive import Archive
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.real import Real
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.weighted import Weighted
from nc_testbed.theory.weights import golden_weight


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
    with pytest.raises(BadInput, match=r"real_weight=1\.5"):
        Weighted(Augment(), 1.5)


RATIO = Weighted(Replace(), by="ratio")


def store(real, synthetic):
    """An archive of shared real rows [N, D] at generation 1, synthetic rows [R, n, D]."""
    R, n, D = synthetic.shape
    rows = torch.arange(len(real)).expand(R, -1)
    archive = Archive(Space((D,), False), real[None], rows, rows[:, :0], n, 1)
    archive.add(synthetic)
    return archive


def normal(R, n, D, purpose):
    return RandomStreams(0, tuple(range(R)))(purpose).normal(n, D, dtype=torch.float64)


def test_the_weighted_mean_of_synthetic_rows_is_the_real_mean():
    real, synthetic = normal(1, 4000, 2, "real")[0] + 0.5, normal(5, 2000, 2, "synthetic")
    training = RATIO.compose(store(real, synthetic), RandomStreams(0, tuple(range(5)), 1), None)
    assert (training.origin() > 0).all()
    mean = (training.weights[..., None] * training.all()).mean(1)  # weights have mean 1
    assert (synthetic.mean(1) - 0.5).abs().min() > 0.4
    torch.testing.assert_close(mean, real.mean(0).expand(5, -1), atol=0.1, rtol=0)


def test_shares_by_number_unless_a_share_is_asked_for():
    archive = store(normal(1, 30, 2, "real")[0] + 1, normal(3, 10, 2, "synthetic"))
    streams = RandomStreams(0, (0, 1, 2), 1)
    for weight, share in ((None, 0.75), (0.2, 0.2), (0.0, 0.0), (1.0, 1.0)):
        training = Weighted(Augment(), weight, "ratio").compose(archive, streams, None)
        real = training.origin() == 0
        carried = (training.weights * real).sum(1) / training.weights.sum(1)
        torch.testing.assert_close(carried, torch.full_like(carried, share))
        synthetic = training.weights[~real].reshape(3, 10)
        assert (synthetic.std(1) > 0.01).all() or weight == 1


def test_ratio_weights_do_not_depend_on_other_chains():
    real, synthetic = normal(1, 50, 3, "real")[0], normal(4, 40, 3, "synthetic") * 2
    together = RATIO.compose(
        store(real, synthetic), RandomStreams(0, (0, 1, 2, 3), 1), None
    ).weights
    for r in range(4):
        alone = RATIO.compose(
            store(real, synthetic[r : r + 1]), RandomStreams(0, (r,), 1), None
        )
        assert torch.equal(alone.weights[0], together[r])


def test_without_synthetic_rows_there_is_nothing_to_estimate():
    archive = store(normal(1, 30, 2, "real")[0], normal(3, 10, 2, "synthetic"))
    training = Weighted(Real(), by="ratio").compose(
        archive, RandomStreams(0, (0, 1, 2), 1), None
    )
    assert (training.weights == 1).all()


def test_a_class_that_was_lost_stays_lost():
    """Real rows of six classes teach the classifier in every generation; none comes back."""
    model, chains = CategoricalModel(classes=6), tuple(range(8))
    real = torch.arange(6).repeat(10).double()[:, None]
    archive = store(real, real.expand(8, -1, -1)[:, ::3])
    alive = []
    for generation in range(1, 25):
        streams = RandomStreams(0, chains, generation)
        fit = model.fit(RATIO.compose(archive, streams, None), streams)
        archive.add(fit.sample(20, streams, Sampling()))
        alive.append(fit.state_dict()["shares"] > 0)
    alive = torch.stack(alive)  # [T, R, K]
    assert not (alive[1:] & ~alive[:-1]).any()
    assert (alive[-1].sum(1) < 6).any()


def test_by_and_what_it_needs():
    with pytest.raises(BadInput, match="by=golden"):
        Weighted(Augment(), by="golden")
    with pytest.raises(BadInput, match=r"real_weight=0\.3: Replace trains on no real row"):
        Weighted(Replace(), 0.3, "ratio")
    assert not RATIO.trains_on_real
