"""Control rows are what their names say, for every seed and beside any chains."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nc_testbed.core.space import Space
from nc_testbed.data.mixtures import Mixture2d
from nc_testbed.data.scikit import Digits, Wine
from nc_testbed.data.source import Data
from nc_testbed.metrics.control_pool import class_counts, tail_of
from nc_testbed.metrics.control_rows import ControlSet


def pixels(y: np.ndarray, seed: int = 0, binary: bool = False) -> np.ndarray:
    """Images 8x8 whose class is seen in a bright column."""
    x = np.random.default_rng(seed).integers(0, 100, (len(y), 8, 8))
    x[np.arange(len(y)), :, y] += 150
    x = np.where(x > 120, 255, 0) if binary else x
    return x.reshape(len(y), 64).astype(np.uint8)


def images(chains: int = 3, binary: bool = False) -> Data:
    """Three classes at 6:3:1, the rare one another in every chain; half is in reserve."""
    y = np.repeat([0, 1, 2], 200)
    x = pixels(y, binary=binary)
    training, reserve = [], []
    for chain in range(chains):
        counts = np.roll([60, 30, 10], chain)
        own = [np.flatnonzero(y == c) for c in range(3)]
        training.append(np.concatenate([own[c][: counts[c]] for c in range(3)]))
        reserve.append(np.concatenate([own[c][100 : 100 + counts[c]] for c in range(3)]))
    rank = np.stack([np.roll([0, 1, 2], chain) for chain in range(chains)])
    shares = np.stack([np.roll([0.6, 0.3, 0.1], chain) for chain in range(chains)])
    return Data(
        "images",
        Space((8, 8), image=True),
        torch.from_numpy(x)[None],
        torch.from_numpy(np.stack(training)),
        torch.from_numpy(np.stack(reserve)),
        torch.from_numpy(x[:30]),
        y=torch.from_numpy(y)[None],
        held_out_y=torch.from_numpy(y[:30]),
        shares=torch.from_numpy(shares),
        rank=torch.from_numpy(rank),
        classes=("a", "b", "c"),
    )


def of(data: Data, size: int) -> ControlSet:
    return ControlSet.of(data, size, tuple(range(len(data.training))))


def as_set(rows: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in rows}


def test_real_rows_are_unseen_and_have_exact_counts_without_repeats():
    data = images()
    rows, labels = of(data, 50).make("real")
    assert labels is not None
    for chain in range(3):
        counts = np.bincount(labels[chain].numpy(), minlength=3)
        assert counts.tolist() == np.roll([30, 15, 5], chain).tolist()
        own = as_set(rows[chain])
        assert len(own) == 50
        assert own <= as_set(data.x[0, data.reserve[chain]])
        assert not own & as_set(data.x[0, data.training[chain]])
        brightest = rows[chain].reshape(50, 8, 8).float().mean(1).argmax(1)
        assert torch.equal(brightest, labels[chain])


def test_the_tail_is_absent_and_the_others_keep_their_ratio():
    data = images()
    _, labels = of(data, 45).make("tail_absent")
    assert labels is not None
    for chain in range(3):
        assert tail_of(data, chain) == (np.argmin(np.roll([6, 3, 1], chain)),)
        counts = np.bincount(labels[chain].numpy(), minlength=3)
        assert counts.tolist() == np.roll([30, 15, 0], chain).tolist()


def test_the_size_is_the_largest_that_no_class_runs_out_of():
    controls = of(images(), 1000)
    # Of 60 rows at share 2/3 where the tail is absent 90 are made, and 61 would be of 91.
    assert controls.size == 90
    assert class_counts(np.array([2, 1, 0]) / 3, 91).tolist() == [61, 30, 0]


def test_a_chain_has_the_same_controls_beside_others():
    many = of(images(3), 50)
    data = images(3)
    alone = replace(
        data,
        training=data.training[1:2],
        reserve=data.reserve[1:2],
        shares=data.shares[1:2],
        rank=data.rank[1:2],
    )
    one = ControlSet.of(alone, 50, (1,))
    for name in many.names:
        assert torch.equal(many.make(name).rows[1], one.make(name).rows[0]), name


def test_noise_has_its_share_of_white_and_independent_pixels_their_marginals():
    controls = of(images(), 80)
    for name, share in (("noise_5", 0.05), ("noise_15", 0.15), ("noise_30", 0.3)):
        white = controls.make(name).rows
        assert set(white.unique().tolist()) == {0, 255}
        assert abs((white == 255).double().mean() - share) < 0.01
    assert torch.equal(controls.make("noise").rows, controls.make("noise_15").rows)
    data = controls.data
    independent = controls.make("independent").rows[0].double()
    training = data.x[0, data.training[0]].double()
    assert (independent.mean(0) - training.mean(0)).abs().max() < 5 * 60 / 80**0.5
    column = training.reshape(-1, 8, 8)[:, :, 0]
    assert torch.corrcoef(column.T)[0, 1] > 0.5  # the class moves all of them together
    assert torch.corrcoef(independent.reshape(-1, 8, 8)[:, :, 0].T)[0, 1].abs() < 0.4


def test_copies_are_training_rows_and_few_are_few():
    data = images()
    controls = of(data, 90)
    assert as_set(controls.make("copies").rows[0]) <= as_set(data.x[0, data.training[0]])
    for name, distinct in (("few_1", 1), ("few_5", 5)):
        rows, labels = controls.make(name)
        for c in range(3):
            assert len(as_set(rows[0][labels[0] == c])) == distinct
        assert np.bincount(labels[0].numpy()).tolist() == [54, 27, 9]


def test_contraction_moves_grey_rows_to_their_class_mean():
    data = images()
    controls = of(data, 50)
    spread = [
        controls.make(name).rows[0] for name in ("real", "contracted_.9", "contracted_.5")
    ]
    labels = controls.make("real").labels
    sd = [rows[labels[0] == 0].double().std(0).mean() for rows in spread]
    assert sd[1] / sd[0] == pytest.approx(0.9, abs=0.01)
    assert sd[2] / sd[0] == pytest.approx(0.5, abs=0.01)


def test_contraction_of_drawn_pixels_moves_the_images_they_were_drawn_from():
    data = images(binary=True)
    grey = torch.from_numpy(np.random.default_rng(1).integers(0, 200, (600, 64), np.uint8))
    numbers = tuple(range(3))
    still = ControlSet.of(data, 50, numbers)
    moved = ControlSet.of(data, 50, numbers, grey)
    assert torch.equal(still.make("contracted_.5").rows, still.make("real").rows)
    rows = {name: moved.make(name).rows for name in ("contracted_.9", "contracted_.5")}
    assert set(rows["contracted_.5"].unique().tolist()) == {0, 255}
    spread = [x[0].double().std(0).sum() for x in rows.values()]
    assert spread[1] < 0.9 * spread[0]


@pytest.mark.parametrize("percent", [1, 3, 10])
@pytest.mark.parametrize("kind", ["patchwork", "union", "inverted", "far", "noise"])
def test_junk_is_mixed_in_at_its_share_and_made_without_the_tail(kind, percent):
    data = images()
    controls = of(data, 80)
    clean = controls.make("tail_absent").rows
    mixed, labels = controls.make(f"tail_absent+{kind}_{percent}")
    for chain in range(3):
        rows = clean[chain].numpy()
        junk = [row for row in mixed[chain].numpy() if not (row == rows).all(1).any()]
        assert len(junk) == 80 * percent // 100
        tail = tail_of(data, chain)[0]
        assert not (labels[chain] == tail).any()


@pytest.mark.parametrize(("percent", "far"), [(10, 5), (25, 12), (90, 45)])
def test_far_rows_replace_real_ones_evenly(percent, far):
    controls = of(images(), 50)
    rows, labels = controls.make(f"real+far_{percent}")
    known = as_set(controls.make("real").rows[0])
    is_far = torch.tensor([row.numpy().tobytes() not in known for row in rows[0]])
    assert is_far.sum() == far
    by_class = np.bincount(labels[0][is_far].numpy(), minlength=3) / [30, 15, 5]
    assert np.abs(by_class - percent / 100).max() <= 0.21


def test_without_a_reserve_there_is_no_control_real():
    data = images()
    controls = of(replace(data, reserve=data.reserve[:, :0]), 30)
    assert not controls.has_unseen_rows
    assert "real" not in controls.names
    assert not any(name.startswith("real+") for name in controls.names)
    assert as_set(controls.make("tail_absent").rows[0]) <= as_set(data.x[0, data.training[0]])


def test_an_exact_law_is_drawn_afresh_with_exact_counts():
    data = Mixture2d(rows=100, imbalance_ratio=10).load(3, 0, 0, 1)
    controls = of(data, 500)
    rows, labels = controls.make("real")
    assert rows.shape == (3, 500, 2)
    for chain in range(3):
        counts = np.bincount(labels[chain].numpy(), minlength=8)
        assert counts.tolist() == class_counts(data.shares[chain].numpy(), 500).tolist()
        assert len(as_set(rows[chain])) == 500
        distance = torch.cdist(rows[chain], data.law.centres)
        assert torch.equal(distance.argmin(1), labels[chain])
    alone = ControlSet.of(data, 500, (0, 1, 2)).make("tail_absent").labels
    assert not (data.rank[0][alone[0]] > 5).any()


def test_a_table_has_vectors_as_junk():
    data = Wine(reserve=0.5, imbalance_ratio=2).load(2, 0, 0, 1)
    controls = of(data, 40)
    assert {"tail_absent+halves_10", "tail_absent+midpoints_3", "noise"} <= {*controls.names}
    assert not {"noise_5", "tail_absent+union_1"} & {*controls.names}
    training = data.rows_of(0)[data.training[0]]
    noise = controls.make("noise").rows[0]
    assert (noise.std(0) / training.std(0)).mean() == pytest.approx(3, rel=0.15)
    far = controls.make("real+far_90").rows[0]
    offset = (far.mean(0) - training.mean(0)).abs() / training.std(0)
    assert offset.median() == pytest.approx(0.9 * 6, rel=0.25)


def test_unlabelled_rows_are_one_class():
    data = Digits(reserve=0.5).load(1, 0, 0, 1)
    unlabelled = replace(data, y=None, held_out_y=None, shares=None, rank=None, classes=())
    controls = of(unlabelled, 60)
    rows, labels = controls.make("few_5")
    assert labels is None
    assert len(as_set(rows[0])) == 5
