import hashlib

import numpy as np

from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.data.representation import binarize, project, sha256, standardize


def test_pixels_are_drawn_with_their_own_probability():
    values = np.arange(256, dtype=np.uint8)
    drawn = binarize(np.tile(values, (5000, 1)), RandomStreams(0, (SHARED,))("binarize"))
    assert set(np.unique(drawn)) == {0, 255}
    assert drawn.dtype == np.uint8
    share, p = (drawn == 255).mean(0), values / 255
    assert share[0] == 0
    assert share[255] == 1
    error = np.sqrt(p * (1 - p) / 5000)[1:-1]
    z = (share[1:-1] - p[1:-1]) / error
    assert np.abs(z).max() < 5  # 254 pixels: P(|z| > 5 anywhere) = 1.5e-4
    assert abs((z**2).mean() - 1) < 4 * np.sqrt(2 / 254)


def test_standardized_by_the_first_table():
    x = np.array([[0.0, 5.0], [2.0, 5.0]])
    own, other = standardize(x, np.array([[3.0, 6.0]]))
    assert own.tolist() == [[-1, 0], [1, 0]]
    assert other.tolist() == [[2, 1]]


def test_projection_keeps_the_principal_axes():
    rng = np.random.default_rng(0)
    for shape in ((60, 8), (6, 20)):
        x = rng.normal(size=shape) * np.linspace(3, 1, shape[1])
        own, other = project(x, x[:2] + 1, 3)
        _, _, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
        expected = (x - x.mean(0)) @ axes[:3].T
        assert np.allclose(np.abs(own), np.abs(expected))
        assert np.allclose(np.abs(other), np.abs((x[:2] + 1 - x.mean(0)) @ axes[:3].T))


def test_sha256_is_of_the_bytes():
    x = np.arange(6.0).reshape(2, 3)
    assert sha256(x.T) == hashlib.sha256(x.T.tobytes()).hexdigest() != sha256(x)
