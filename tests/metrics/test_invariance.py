"""Figures of a table do not depend on the units of its columns, their zero or their order.

From the file on: data, reference and metrics, as a run has them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.data.arrays import Arrays
from nc_testbed.data.representation import in_stored_units, in_units_of_source
from nc_testbed.data.source import Data, DataLaw
from nc_testbed.metrics.coverage import Coverage
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.frechet import Frechet
from nc_testbed.metrics.kid import KID
from nc_testbed.metrics.neighbours import NEIGHBOURS
from nc_testbed.metrics.precision import Precision
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee import NearestCentre, Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spread import Spread
from nc_testbed.metrics.tail_mass import TailMass
from nc_testbed.metrics.vendi import Vendi

METRICS = (Recall(), Coverage(), Precision(), TailMass(), Frechet(), KID(), Vendi(), Spread())


def normals(n, seed):
    """Rows of three classes, .6 .3 .1, and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    return (rng.normal(size=(n, 4)) + 5 * np.eye(3, 4)[y]) * [1.0, 2.0, 0.5, 1.0], y


def counts(n, seed):
    """The same of Poisson numbers."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    return rng.poisson(2 + 12 * np.eye(3, 4)[y]).astype(float), y


def load(**members) -> Data:
    """The data of a file with these members."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        np.savez(path, **members)
        return Arrays(path=str(path)).load(1, 0, 0, 1)


def evaluate(data: Data, referee, samples: np.ndarray) -> Evaluation:
    """Samples ``[M, D]`` in the units of the file, as a run would measure them."""
    rows = torch.from_numpy(in_stored_units(samples, data.record))[None]
    reference = Reference.build(data, referee, len(samples))
    return Evaluation(None, rows, reference, RandomStreams(0, (SHARED,)))


def columns(x, y, samples) -> dict[str, float]:
    """Every column, with the nearest class mean as the judge, whatever the order of columns."""
    data = load(x=x, y=y)
    classes = data.y[0]
    means = torch.stack([data.x[0][classes == c].mean(0) for c in range(3)])
    law = DataLaw(draw=lambda *_: (means, None), centres=means, scale=0.3)
    evaluation = evaluate(data, NearestCentre(law), samples)
    found = {}
    for metric in METRICS:
        found |= {k: v.item() for k, v in metric.measure(evaluation).items()}
    return found


FIXED = {table: (*table(400, 0), table(300, 1)[0]) for table in (normals, counts)}
EXPECTED = {table: columns(*FIXED[table]) for table in FIXED}
orders = st.permutations(range(4))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    st.lists(st.floats(-4, 4), min_size=4, max_size=4),
    orders,
)
def test_numbers_of_any_unit_zero_and_order(shift, power, order):
    def moved(rows):
        return (rows * 10.0 ** np.array(power) + np.array(shift))[:, order]

    x, y, samples = FIXED[normals]
    assert columns(moved(x), y, moved(samples)) == pytest.approx(
        EXPECTED[normals], rel=1e-5, abs=1e-5, nan_ok=True
    )


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(-(2**30), 2**30), min_size=4, max_size=4),
    st.lists(st.integers(-20, 20), min_size=4, max_size=4),
    orders,
)
def test_whole_numbers_with_ties(shift, power, order):
    def moved(rows):
        return np.ldexp(rows + np.array(shift), power)[:, order]

    x, y, samples = FIXED[counts]
    assert columns(moved(x), y, moved(samples)) == pytest.approx(
        EXPECTED[counts], rel=1e-9, abs=1e-9, nan_ok=True
    )


TABLES = {
    "zeros_ones": lambda rng, n: rng.integers(0, 2, (n, 30)),
    "counts": lambda rng, n: rng.poisson(3, (n, 5)),
    "answers": lambda rng, n: rng.integers(1, 6, (n, 10)),
}


def brute_radii(square):
    """Of every row of ``[N, N]`` squared distances, to its k-th other row."""
    square = square.copy()
    np.fill_diagonal(square, np.inf)
    return np.sort(square, 1)[:, NEIGHBOURS - 1]


@pytest.mark.parametrize("table", TABLES)
def test_whole_numbers_against_exact_distances(table):
    """Squares of whole numbers, weighted in 80 bits in one order: equal ones are equal."""
    rng = np.random.default_rng(0)
    data = load(x=TABLES[table](rng, 1500).astype(float))
    samples = TABLES[table](rng, 500).astype(float)
    evaluation = evaluate(data, Plain(), samples)
    units = data.record["standardized"]
    weights = 1 / np.array(units["sd"]).astype(np.longdouble) ** 2
    held_out = in_units_of_source(data.held_out.numpy(), data.record).round()

    def squares(a, b):
        return sum(w * (p[:, None] - q) ** 2 for w, p, q in zip(weights, a.T, b.T, strict=True))

    across = squares(held_out, samples)
    real = brute_radii(squares(held_out, held_out))
    synthetic = brute_radii(squares(samples, samples))
    # Deviations of 30 columns differ by chance, and few sums of them are equal.
    assert table != "counts" or (across == real[:, None]).any()
    near = evaluation.neighbourhoods
    assert np.array_equal(near.balls[0], (across < real[:, None]).sum(0))
    assert np.array_equal(near.covered[0], (across < real[:, None]).any(1))
    assert np.array_equal(near.recalled[0], (across < synthetic).any(1))


@pytest.mark.parametrize("width", [0.02, 0.5])
def test_coordinates_in_metres(width):
    """Recall was .025 for 1.00: easting and northing were rounded to float32."""
    rng = np.random.default_rng(0)
    zero = np.array([388096.0, 3948996.0])
    data = load(x=zero + rng.normal(size=(900, 2)) * width)
    samples = zero + rng.normal(size=(500, 2)) * width
    near = evaluate(data, Plain(), samples).neighbourhoods
    units = data.record["standardized"]
    plain = (samples - zero) / units["sd"]
    mean = (units["zero"] - zero + units["offset"]) / units["sd"]
    held_out = data.held_out.numpy() + mean
    across = ((held_out[:, None] - plain) ** 2).sum(2)
    radius = brute_radii(((plain[:, None] - plain) ** 2).sum(2))
    recalled = (across < radius).any(1)
    assert recalled.mean() > 0.95
    assert np.array_equal(near.recalled[0], recalled)
