"""anchor: k real rows, fresh, pooled or fixed, and the last synthetic ones."""

import pytest
import torch

from nc_testbed.config.build import build_target
from nc_testbed.core.errors import BadInput
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.replace import Replace

SOURCES = ("fresh", "pool", "fixed")


def anchors(composed, policy, generation, budget=None, seed=0):
    """The real rows of a training set, ``[R, k]``."""
    values, origin = composed(policy, generation, budget, seed)
    return torch.stack([v[o == 0] for v, o in zip(values, origin, strict=True)])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("generation", [1, 2, 3])
@pytest.mark.parametrize("budget", [None, 4])
def test_replaces_the_last_rows_of_replace(source, generation, budget, composed):
    """The training set differs from that of replace in k places only: policies stay paired."""
    policy = Anchor(k=2, source=source)
    values, origin = composed(policy, generation, budget)
    expected = composed(Replace(), generation, budget)[0]
    size = budget or 6
    assert values.shape == (3, size)
    assert torch.equal(values[:, :-2], expected[:, :-2])
    assert origin.tolist() == [[generation] * (size - 2) + [0, 0]] * 3
    assert (values[:, -2:] < 20).all()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("budget", [None, 4])
def test_no_anchor_is_replace(source, budget, composed):
    for generation in (1, 2, 3):
        both = [
            composed(p, generation, budget) for p in (Anchor(k=0, source=source), Replace())
        ]
        assert torch.equal(both[0][0], both[1][0]) and torch.equal(both[0][1], both[1][1])


@pytest.mark.parametrize("source", SOURCES)
def test_budget_never_thins_anchors(source, composed):
    for budget in (3, 4, 6):
        assert anchors(composed, Anchor(k=3, source=source), 1, budget).shape == (3, 3)


def test_fresh_rows_never_repeat_and_were_never_trained_on(grown, composed):
    archive, _ = grown(Anchor(k=2, source="fresh"), 1)
    used = torch.cat(
        [anchors(composed, Anchor(k=2, source="fresh"), g) for g in range(1, 7)], 1
    )
    assert torch.equal(used, archive.reserve.double())  # all of them, in their order
    for r in range(3):
        assert not torch.isin(used[r], archive.training[r].double()).any()
    with pytest.raises(AssertionError, match="used twice"):
        composed(Anchor(k=2, source="fresh"), 7)


def test_fixed_rows_are_the_same_for_ever(grown, composed):
    policy = Anchor(k=3, source="fixed")
    first, *others = [anchors(composed, policy, g) for g in range(1, 5)]
    assert all(torch.equal(first, other) for other in others)
    assert not torch.equal(first, anchors(composed, policy, 1, seed=1))
    check_distinct_training_rows(first, grown(policy, 1)[0])


def test_pool_rows_are_drawn_anew_uniformly(grown, composed):
    policy = Anchor(k=3, source="pool")
    drawn = torch.stack([anchors(composed, policy, 1 + s % 3, seed=s) for s in range(300)])
    assert not torch.equal(drawn[0], drawn[1])
    archive = grown(policy, 1)[0]
    check_distinct_training_rows(drawn[0], archive)
    for r in range(3):
        count = torch.bincount(drawn[:, r].flatten().long(), minlength=20)[archive.training[r]]
        assert count.sum() == 900
        assert (count - 900 / 8).abs().max() < 4 * (300 * 3 / 8 * 5 / 8) ** 0.5


def check_distinct_training_rows(rows, archive):
    for r in range(3):
        assert len(rows[r].unique()) == rows.shape[1]
        assert torch.isin(rows[r], archive.training[r].double()).all()


@pytest.mark.parametrize("source", SOURCES)
def test_chains_are_independent(source, grown):
    policy = Anchor(k=2, source=source)
    archive, streams = grown(policy, 2)
    together = policy.compose(archive, streams, 5)
    for r in range(3):
        archive, streams = grown(policy, 2)
        part = slice(r, r + 1)
        archive.training, archive.reserve = archive.training[part], archive.reserve[part]
        archive.synthetic = archive.synthetic[part]
        alone = policy.compose(archive, streams.part(part), 5)
        assert torch.equal(alone.rows[0], together.rows[r])
        assert torch.equal(alone.all()[0], together.all()[r])


def test_view_equals_a_materialised_copy(grown):
    """Gathering batches from the view equals indexing the concatenated rows."""
    archive, streams = grown(Anchor(k=2, source="fresh"), 3)
    view = Anchor(k=2, source="fresh").compose(archive, streams, None)
    latest = archive.synthetic[:, -6:]  # window 1: the store is the last set
    real = archive.real.expand(3, -1, -1)[torch.arange(3)[:, None], archive.reserve[:, 4:6]]
    copy = torch.cat([latest[:, :4], real], 1)
    batch = torch.tensor([[5, 0, 4, 4], [1, 2, 3, 5], [0, 0, 5, 1]])
    assert torch.equal(view.gather(batch), copy[torch.arange(3)[:, None], batch])


def test_k_wins_over_share():
    assert Anchor(k=1).anchors(n=100, budget=None) == 1
    assert Anchor().anchors(n=100, budget=None) == 50
    assert Anchor(share=0.5).anchors(n=100, budget=10) == 5
    assert Anchor(k=7).anchors(n=100, budget=10) == 7


def test_the_rows_it_takes_are_those_of_its_source_only():
    for source in SOURCES:
        assert Anchor(k=3, source=source).real_row_budget(10, None) == {source: 3}
        assert Anchor(share=0.5, source=source).real_row_budget(10, 4) == {source: 2}
        assert Anchor(k=0, source=source).real_row_budget(10, None) == {}
        assert not Anchor(k=3, source=source).needs_rows(budget=4)


@pytest.mark.parametrize(
    "settings",
    [
        {"k": -1},
        {"k": 1.5},
        {"k": True},
        {"k": "one"},
        {"share": -0.1},
        {"share": 1.1},
        {"share": float("nan")},
        {"share": None},
        {"source": "old"},
    ],
)
def test_bad_settings_are_refused(settings):
    target = {"_target_": "nc_testbed.policies.anchor.Anchor"}
    with pytest.raises(BadInput) as error:
        build_target(target | settings, "policy", ())
    assert error.value.key.removeprefix("policy.") in settings


@pytest.mark.parametrize(
    ("policy", "budget", "key"),
    [
        (Anchor(k=11), None, "k"),
        (Anchor(k=5), 4, "k"),
        (Anchor(k=1), 11, "budget"),
        (Anchor(share=0.01), None, "share"),
    ],
)
def test_what_cannot_be_served_is_refused(policy, budget, key):
    with pytest.raises(BadInput) as error:
        policy.check(n=10, budget=budget, real=8)
    assert error.value.key == key


def test_edges_are_served():
    Anchor(k=8).check(n=10, budget=None, real=8)
    Anchor(k=0).check(n=10, budget=10, real=8)
    Anchor(share=0.0).check(n=10, budget=None, real=8)
    Anchor(share=1.0).check(n=10, budget=5, real=8)


@pytest.mark.parametrize("source", ["pool", "fixed"])
def test_more_anchors_than_real_rows_are_refused(source):
    """n may exceed the number of real rows; a real row may not be drawn twice."""
    with pytest.raises(BadInput, match="k=9: generation 0 has 8 real rows"):
        Anchor(k=9, source=source).check(n=10, budget=None, real=8)
    Anchor(k=9, source="fresh").check(n=10, budget=None, real=8)
