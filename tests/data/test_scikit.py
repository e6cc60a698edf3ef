import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from nc_testbed.core.space import Space
from nc_testbed.data.scikit import BreastCancer, Digits, Wine


def test_digits_are_the_published_ones_in_256_levels():
    data = Digits().load(2, 0, 0, 1)
    assert data.space == Space((8, 8), image=True)
    assert data.x.dtype == torch.uint8
    ours = torch.cat([data.x[0], data.held_out]).numpy().astype(float) * 16 / 255
    theirs = load_digits(return_X_y=True)[0]
    order = [np.lexsort(np.round(rows).T) for rows in (ours, theirs)]
    assert np.abs(ours[order[0]] - theirs[order[1]]).max() <= 0.5 * 16 / 255
    assert data.held_out.shape == (340, 64)
    assert data.training.shape[1] > 1000
    assert Digits(imbalance_ratio=10).load(2, 0, 0, 1).training.shape[1] > 400


@pytest.mark.parametrize(
    ("source", "theirs", "rows"),
    [(BreastCancer(), load_breast_cancer(), 350), (Wine(), load_wine(), 110)],
)
def test_tables_are_standardised_over_the_rows_that_chains_train_on(source, theirs, rows):
    data = source.load(2, 0, 0, 1)
    assert data.space == Space((theirs.data.shape[1],), image=False)
    assert data.training.shape[1] > rows
    assert data.classes == tuple(theirs.target_names)
    pool = data.x[0].numpy()
    training = pool[np.unique(data.training)]
    assert len(training) == data.training.shape[1]  # all of them in every chain
    assert np.allclose(training.mean(0), 0, atol=1e-9)
    assert np.allclose(training.std(0), 1)
    # undo it: every row must be one of the published rows of its class
    known = theirs.data[:, 0]
    both = np.concatenate([pool, data.held_out.numpy()])[:, 0]
    slope, start = np.polyfit(np.sort(both), np.sort(known), 1)
    assert np.allclose(np.sort(slope * both + start), np.sort(known))
    assert data.y is not None
    assert data.held_out_y is not None
    labels = torch.cat([data.y[0], data.held_out_y])
    assert np.bincount(labels).tolist() == np.bincount(theirs.target).tolist()


def test_a_rare_diagnosis_rotates():
    data = BreastCancer(imbalance_ratio=8).load(2, 0, 0, 1)
    assert data.shares is not None
    assert data.has_tail
    assert data.shares[0, 0] > 0.85
    assert data.shares[1, 1] > 0.85
