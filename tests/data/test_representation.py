import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.data.representation import (
    Standardization,
    binarize,
    in_stored_units,
    in_units_of_source,
    project,
    sha256,
)


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


def test_standardized_by_the_rows_it_was_made_of():
    units = Standardization.of(np.array([[0.0, 5.0], [2.0, 5.0]]))
    assert units.apply(np.array([[0.0, 5.0], [2.0, 5.0]])).tolist() == [[-1, 0], [1, 0]]
    assert units.apply(np.array([[3.0, 6.0]])).tolist() == [[2, 1]]
    assert units.as_record() == {
        "zero": [0, 5],
        "offset": [1, 0],
        "sd": [1, 1],
        "constant_columns": [1],
    }


tables = arrays.arrays(np.float64, (8, 3), elements=st.integers(-50, 50).map(float))


@settings(deadline=None)
@given(tables, st.integers(-(2**40), 2**40), st.integers(-60, 60))
def test_no_bit_depends_on_a_whole_number_added_or_a_power_of_two_times(x, shift, power):
    z = Standardization.of(x).apply(x)
    moved = np.ldexp(x + shift, power)
    if (np.abs(x).max(0) > 0).all() and (x != x[0]).any(0).all():
        assert np.array_equal(Standardization.of(moved).apply(moved), z)


def test_coordinates_far_from_zero_keep_their_digits():
    """Centimetres at four million metres, against 80-bit arithmetic on exact differences."""
    x = 3948996.0 + np.random.default_rng(0).normal(size=(900, 2)) * 0.02
    exact = (x - x[0]).astype(np.longdouble)
    exact = (exact - exact.mean(0)) / exact.std(0)
    np.testing.assert_allclose(Standardization.of(x).apply(x), exact, rtol=0, atol=1e-14)


@pytest.mark.parametrize("largest", [1e39, 1e300, 1e-300])
def test_columns_of_any_size_are_standardised(largest):
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    z = Standardization.of(x * largest).apply(x * largest)
    np.testing.assert_allclose(z, (x - x.mean(0)) / x.std(0), atol=1e-12)


def test_a_constant_is_zero_whatever_its_mean_rounds_to():
    x = np.full((10, 2), 0.1)
    assert (x.mean(0) != 0.1).all()  # the trap
    assert (Standardization.of(x).apply(x) == 0).all()


def test_stored_rows_have_their_units_back():
    x = np.random.default_rng(0).normal(size=(40, 3)) * [1, 1e-3, 1e6] + [0, 5, 1e9]
    units = Standardization.of(x)
    record = {"standardized": units.as_record()}
    np.testing.assert_allclose(in_units_of_source(units.apply(x), record), x, rtol=1e-13)
    assert np.array_equal(in_stored_units(x, record), units.apply(x))
    assert in_units_of_source(x, {}) is x
    assert in_stored_units(x, record | {"projection": 2}) is x  # on other axes


def test_projection_keeps_the_principal_axes():
    rng = np.random.default_rng(0)
    for shape in ((60, 8), (6, 20)):
        x = rng.normal(size=shape) * np.linspace(3, 1, shape[1])
        own, other = project(x, x[:2] + 1, 3)
        assert project(x, x[:0], 3)[1].shape == (0, 3)
        _, _, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
        expected = (x - x.mean(0)) @ axes[:3].T
        assert np.allclose(np.abs(own), np.abs(expected))
        assert np.allclose(np.abs(other), np.abs((x[:2] + 1 - x.mean(0)) @ axes[:3].T))


def test_sha256_is_of_the_bytes():
    x = np.arange(6.0).reshape(2, 3)
    assert sha256(x.T) == hashlib.sha256(x.T.tobytes()).hexdigest() != sha256(x)
