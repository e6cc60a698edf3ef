from dataclasses import dataclass
from typing import final

import numpy as np
import pytest
import torch

from nc_testbed.config.build import build
from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.rows import Rows


@final
@dataclass(frozen=True, kw_only=True)
class Numbered(RealSource):
    """300 rows of three classes (150, 90, 60); column 0 is the row's number."""

    labelled: bool = True
    image: bool = False

    def read(self) -> Rows:
        y = np.repeat([0, 1, 2], [150, 90, 60])
        if self.image:
            x = np.arange(300 * 4).reshape(300, 4).astype(np.uint8)
            return Rows("grey", Space((2, 2), image=True), x, y, classes=("a", "b", "c"))
        x = np.stack([np.arange(300.0), y, y**2], 1)
        space = Space((3,), image=False)
        if not self.labelled:
            return Rows("numbered", space, x)
        return Rows("numbered", space, x, y, classes=("a", "b", "c"))


def numbers(data, index):
    return data.x[0, index, 0].long()


@pytest.mark.parametrize("imbalance", [None, 1, 5])
def test_parts_are_disjoint_and_hold_the_right_classes(imbalance):
    data = Numbered(imbalance_ratio=imbalance).load(4, 0, 0, 1)
    y = torch.from_numpy(Numbered().read().labels)
    held_out = set(data.held_out[:, 0].long().tolist())
    assert data.y is not None
    assert data.held_out_y is not None
    assert torch.equal(y[numbers(data, torch.arange(data.x.shape[1]))], data.y[0])
    assert torch.equal(y[data.held_out[:, 0].long()], data.held_out_y)
    assert torch.bincount(data.held_out_y).tolist() == [12, 12, 12]
    training, reserve = (
        set(numbers(data, i).flatten().tolist()) for i in (data.training, data.reserve)
    )
    assert not training & reserve
    assert not held_out & (training | reserve)
    assert not held_out & set(numbers(data, torch.arange(data.x.shape[1])).tolist())
    for part in (data.training, data.reserve):
        assert part.dtype == torch.int64
        assert all(len(set(c)) == len(c) for c in part.tolist())


def test_imbalanced_chains_follow_the_formula_and_record_their_ranks():
    data = Numbered(imbalance_ratio=4, reserve=0.25).load(4, 0, 0, 1)
    assert data.y is not None
    assert data.rank is not None
    assert data.shares is not None
    for r in range(4):
        ranks = [(c + r) % 3 for c in range(3)]
        assert data.rank[r].tolist() == ranks
        # 60 - 12 held out = 48, of which 12 in reserve: tops 36 and 12
        classes = torch.bincount(data.y[0][data.training[r]], minlength=3)
        assert classes.tolist() == [[36, 18, 9][rank] for rank in ranks]
        spare = torch.bincount(data.y[0][data.reserve[r]], minlength=3)
        assert spare.tolist() == [[12, 6, 3][rank] for rank in ranks]
        assert torch.allclose(data.shares[r], classes.double() / 63)
    assert data.provides >= {"labels", "tail"}


def test_natural_shares_are_kept_with_fewer_rows():
    data = Numbered(rows=23).load(2, 0, 0, 1)
    assert data.y is not None
    assert data.rank is not None
    # 138, 78 and 48 not held out, a fifth in reserve: 111, 63 and 39 of 213 for training
    counts = [torch.bincount(data.y[0][chain]).tolist() for chain in data.training]
    assert counts == [[12, 7, 4]] * 2
    assert data.rank.tolist() == [[0, 1, 2]] * 2
    assert not torch.equal(data.training[0], data.training[1])


def test_chains_do_not_depend_on_each_other_and_seeds_matter():
    source = Numbered(imbalance_ratio=5)
    many, one, other = source.load(6, 3, 0, 1), source.load(1, 3, 0, 1), source.load(1, 4, 0, 1)
    few = source.load(4, 3, 0, 1)
    assert torch.equal(many.training[:4], few.training)
    assert torch.equal(many.reserve[:4], few.reserve)
    assert torch.equal(many.training[:1], one.training)
    assert torch.equal(one.held_out, other.held_out)
    assert torch.equal(one.x, other.x)
    assert not torch.equal(one.training, other.training)
    assert not torch.equal(one.reserve, other.reserve)
    part = set(numbers(many, many.reserve).flatten().tolist())
    assert not part & set(numbers(other, other.training).flatten().tolist())


def test_unlabelled_rows():
    data = Numbered(labelled=False, rows=50).load(2, 0, 10, 3)
    assert (data.y, data.rank, data.shares, data.classes) == (None, None, None, ())
    assert data.held_out.shape == (60, 3)
    assert data.training.shape == (2, 50)
    assert data.reserve.shape == (2, 48)
    with pytest.raises(BadInput, match="no labels"):
        Numbered(labelled=False, imbalance_ratio=2).load(1, 0, 0, 1)


def test_standard_deviation_and_axes_come_from_the_pool_alone():
    from sklearn.decomposition import PCA

    plain, data = Numbered().load(1, 0, 0, 1), Numbered(projection=2).load(1, 0, 0, 1)
    pca = PCA(2, svd_solver="full").fit(plain.x[0].numpy())
    assert data.space == Space((2,), image=False)
    assert data.x.dtype == torch.float64
    assert np.allclose(data.x[0], pca.transform(plain.x[0].numpy()), atol=1e-9)
    assert np.allclose(data.held_out, pca.transform(plain.held_out.numpy()), atol=1e-9)
    assert data.y is not None
    assert plain.y is not None
    assert torch.equal(data.y, plain.y)


def test_projected_pixels_are_shares_of_255():
    plain, data = Numbered(image=True).load(1, 0, 0, 1), Numbered(image=True, projection=4)
    rows = data.load(1, 0, 0, 1).x[0]
    pixels = plain.x[0].double() / 255
    assert torch.allclose(torch.cdist(rows[:9], rows[:9]), torch.cdist(pixels[:9], pixels[:9]))


def test_binarized_rows_are_the_same_for_every_seed():
    one, two = (Numbered(image=True, binarize=True).load(1, seed, 0, 1) for seed in (0, 1))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.held_out, two.held_out)
    assert set(one.x.unique().tolist()) == {0, 255} == set(one.held_out.unique().tolist())
    assert one.record["binarize"] is True
    assert one.record["x_sha256"] != Numbered(image=True).load(1, 0, 0, 1).record["x_sha256"]


def test_record_has_what_provenance_needs():
    record = Numbered(imbalance_ratio=4).load(1, 0, 0, 1).record
    parts = {"held_out": 36, "calibrators": 0, "reserve": 51, "training": 213}
    assert record["split"] == parts
    assert record["source"] == "numbered"
    assert record["projection"] is None
    assert record["rows_per_chain"] == 39 + 19 + 9


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("rows", {"rows": 0}),
        ("rows", {"rows": 2.5}),
        ("rows", {"rows": 100_000}),
        ("rows", {"rows": 2}),
        ("rows", {"rows": 50, "imbalance_ratio": 30}),
        ("imbalance_ratio", {"imbalance_ratio": 0.5}),
        ("imbalance_ratio", {"imbalance_ratio": "steep"}),
        ("imbalance_ratio", {"imbalance_ratio": 1000}),
        ("test_rows", {"test_rows": 0}),
        ("test_rows", {"test_rows": 60}),
        ("reserve", {"reserve": 1.0}),
        ("reserve", {"reserve": -0.1}),
        ("binarize", {"binarize": "yes"}),
        ("binarize", {"binarize": True}),
        ("projection", {"projection": 0}),
        ("projection", {"projection": 4}),
        ("projection", {"projection": 2, "binarize": True}),
    ],
)
def test_bad_settings_end_in_one_line(key, settings):
    with pytest.raises(BadInput) as caught:
        build(Numbered, settings).load(2, 0, 0, 1)
    assert caught.value.key == key
    assert "\n" not in str(caught.value)
