import numpy as np
import pytest
import torch

from nc_testbed.config.build import build
from nc_testbed.core.errors import BadInput
from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.mixtures import Blobs, Mixture2d
from nc_testbed.data.planar_curves import Moons, SwissRoll

SOURCES = [
    Mixture2d(),
    Mixture2d(layout="grid"),
    Blobs(),
    Blobs(centres=3),
    Moons(),
    SwissRoll(),
]
TAILED = [Mixture2d(layout="grid", imbalance_ratio=10), Moons(imbalance_ratio=3)]


@pytest.mark.parametrize("source", SOURCES + TAILED)
def test_chains_do_not_depend_on_each_other(source):
    many, few = source.load(7, 5, 3, 4), source.load(3, 5, 3, 4)
    assert torch.equal(many.x[:3], few.x)
    assert torch.equal(many.held_out, few.held_out)
    assert not torch.equal(many.x[0], many.x[1])
    assert not torch.equal(many.x, source.load(7, 6, 3, 4).x)
    for a, b in ((many.y, few.y), (many.shares, few.shares), (many.rank, few.rank)):
        assert (a is b is None) or (a is not None and b is not None and torch.equal(a[:3], b))


@pytest.mark.parametrize("source", SOURCES + TAILED)
def test_a_longer_run_draws_the_same_rows_first(source):
    short, long = source.load(2, 0, 4, 3), source.load(2, 0, 4, 6)
    assert short.x.shape == (2, 1008, 2)
    assert long.x.shape == (2, 1020, 2)
    assert torch.equal(long.x[:, :1008], short.x)
    assert torch.equal(long.reserve[:, :8], short.reserve)
    assert short.x.unique(dim=1).shape == short.x.shape  # no generation repeats another
    none = source.load(2, 0, 0, 6)
    assert torch.equal(none.x, short.x[:, :1000])
    assert none.reserve.shape == (2, 0)


@pytest.mark.parametrize("source", SOURCES)
def test_shapes_types_and_parts(source):
    data = source.load(2, 0, 4, 3)
    assert data.x.dtype == data.held_out.dtype == torch.float64
    assert data.training.tolist() == [list(range(1000))] * 2
    assert data.reserve.tolist() == [list(range(1000, 1008))] * 2
    C = max(1, len(data.classes))
    assert len(data.held_out) == 2000 // C * C
    if data.classes:
        assert torch.bincount(data.held_out_y).tolist() == [2000 // C] * C
    else:
        assert data.y is data.held_out_y is data.rank is data.shares is None


def test_rotating_weights_follow_the_formula():
    data = Mixture2d(imbalance_ratio=10, rows=20_000).load(9, 0, 0, 1)
    assert data.y is not None
    assert data.shares is not None
    assert data.rank is not None
    raw = np.array([[10 ** (-((c + r) % 8) / 7) for c in range(8)] for r in range(9)])
    expected = raw / raw.sum(1, keepdims=True)
    assert np.allclose(data.shares, expected)
    assert data.rank.tolist() == [[(c + r) % 8 for c in range(8)] for r in range(9)]
    counts = np.stack([np.bincount(chain, minlength=8) for chain in data.y])
    z = (counts / 20_000 - expected) / np.sqrt(expected * (1 - expected) / 20_000)
    assert abs(z.mean()) < 4 / np.sqrt(72)
    assert np.abs(z).max() < 5
    assert data.has_tail
    assert data.provides >= {"modes", "density", "planar", "tail", "labels"}
    assert data.law is not None
    assert data.law.log_prob is not None
    both = (
        data.law.log_prob(data.held_out[:5]),
        data.law.log_prob(data.held_out[:5].repeat(9, 1, 1)),
    )
    assert torch.equal(*both)
    assert both[0].shape == (9, 5)


def test_the_law_draws_as_the_data_were_drawn():
    for source in (Blobs(centres=3), Moons(imbalance_ratio=3), SwissRoll()):
        data = source.load(2, 4, 0, 1)
        assert data.law is not None
        x, y = data.law.draw(1000, RandomStreams(4, (0, 1)), "rows")
        assert torch.equal(x, data.x)
        assert (data.y is None) == (y is None)
        assert y is None or data.y is None or torch.equal(y, data.y)
        assert data.law.draw(1, RandomStreams(4, (0, 1)), "rows")[0].shape == (2, 1, 2)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Blobs(rows=0), "rows"),
        (lambda: Blobs(test_rows=0), "test_rows"),
        (lambda: Blobs(centres=0), "centres"),
        (lambda: build(Mixture2d, {"layout": "line"}), "layout"),
        (lambda: Mixture2d(imbalance_ratio=0.1), "imbalance_ratio"),
        (lambda: Moons(noise=-1), "noise"),
        (lambda: build(SwissRoll, {"noise": "loud"}), "noise"),
        (lambda: Blobs(imbalance_ratio=2).load(1, 0, 0, 1), "imbalance_ratio"),
        (lambda: SwissRoll(imbalance_ratio=2).load(1, 0, 0, 1), "imbalance_ratio"),
        (lambda: Mixture2d(test_rows=7).load(1, 0, 0, 1), "test_rows"),
    ],
)
def test_bad_settings_end_in_one_line(make, key):
    with pytest.raises(BadInput) as caught:
        make()
    assert caught.value.key == key
    assert "\n" not in str(caught.value)
