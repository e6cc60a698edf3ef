"""The verbs ``measure`` and ``export data=``: rows that a user makes elsewhere."""

import json

import numpy as np
import pytest
from rulers import open_verb, write_table

METRICS = "metrics=[recall,precision,novelty]"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path):
    return [
        "data=arrays",
        f"data.path={write_table(tmp_path / 'mine.npz')}",
        "data.reserve=0.5",
    ]


def measure(tmp_path, capsys, *words):
    """What was measured, and what was printed."""
    out = tmp_path / "measured"
    status, printed, errors = open_verb(capsys, "measure", *words, METRICS, f"out={out}")
    assert (status, errors) == (0, ""), errors
    return json.loads((out / "measure.json").read_text()), printed


def test_exported_rows_are_a_chains_training_rows_in_the_users_units(tmp_path, capsys, data):
    words = [*data, "data.imbalance_ratio=4"]
    for chain in (0, 2):
        words_of_chain = [*words, f"chain={chain}", f"out=train{chain}.npz"]
        assert open_verb(capsys, "export", *words_of_chain)[0] == 0
    mine = np.load(tmp_path / "mine.npz")
    trains = [np.load(tmp_path / f"train{chain}.npz") for chain in (0, 2)]
    for train in trains:
        position = [np.flatnonzero(np.abs(mine["x"] - row).max(1) < 1e-6) for row in train["x"]]
        assert all(len(p) == 1 for p in position)  # each is a row of the file
        labels = mine["y"][np.concatenate(position)]
        assert np.array_equal(train["y"], labels)
    counts = [np.unique(train["y"], return_counts=True)[1].tolist() for train in trains]
    assert counts[0] == sorted(counts[0], reverse=True)
    assert counts[1] == [counts[0][2], counts[0][0], counts[0][1]]  # another class is rare


def test_training_rows_are_good_and_no_news(tmp_path, capsys, data):
    assert open_verb(capsys, "export", *data, "out=train.npz")[0] == 0
    measured, printed = measure(tmp_path, capsys, *data, "samples=train.npz")
    samples = measured["samples"]
    assert samples["precision"][1] > 0.7
    assert samples["recall"][1] > 0.7
    assert samples["memorised"][1] > 0.95  # copies of what is taken for their training rows
    assert {"real", "independent", "noise"} <= {*measured}
    assert "your samples" in printed
    other = write_table(tmp_path / "other.npz", seed=5)
    measured, _ = measure(tmp_path, capsys, *data, "samples=train.npz", f"train={other}")
    assert measured["samples"]["memorised"][1] < 0.8


def test_noise_in_place_of_samples_is_seen(tmp_path, capsys, data):
    x = 1e4 + 200 * np.random.default_rng(3).normal(size=(300, 5))
    np.save(tmp_path / "noise.npy", x)
    measured, printed = measure(tmp_path, capsys, *data, "samples=noise.npy")
    assert measured["samples"]["precision"][1] < 0.3 < measured["real"]["precision"][1]
    assert "measured on 300 rows, a run measures 1000" in printed


def test_the_columns_of_a_table_are_in_the_users_units(tmp_path, capsys):
    """Units that are changed in data and samples alike change nothing."""
    read = []
    for shift in (0.0, 1e4):
        folder = tmp_path / f"{shift:g}"
        folder.mkdir()
        table = write_table(folder / "mine.npz", shift=shift)
        sample = write_table(folder / "sample.npz", seed=1, shift=shift)
        words = ["data=arrays", f"data.path={table}", "data.reserve=0.5", f"samples={sample}"]
        read.append(measure(tmp_path, capsys, *words)[0]["samples"])
    for name in ("precision", "recall"):
        assert read[0][name][1] == pytest.approx(read[1][name][1], abs=0.01)


def test_an_axis_of_chains_is_the_chains(tmp_path, capsys, data):
    words = [*data, "data.imbalance_ratio=4"]
    arrays = []
    for chain in (0, 1):
        open_verb(capsys, "export", *words, f"chain={chain}", f"out=t{chain}.npz")
        arrays.append(np.load(tmp_path / f"t{chain}.npz"))
    n = min(len(a["x"]) for a in arrays)
    both = {name: np.stack([a[name][:n] for a in arrays]) for name in "xy"}
    np.savez(tmp_path / "both.npz", **both)
    np.savez(tmp_path / "one.npz", x=both["x"][1], y=both["y"][1])
    together, _ = measure(tmp_path, capsys, *words, "samples=both.npz")
    alone, _ = measure(tmp_path, capsys, *words, "samples=one.npz", "chain=1")
    wrong, _ = measure(tmp_path, capsys, *words, "samples=one.npz", "chain=0")
    assert None not in together["samples"]["recall"]
    assert alone["samples"]["recall"][0] is None  # one chain has no interval
    assert wrong["samples"]["memorised"][1] < alone["samples"]["memorised"][1]


def test_images_may_have_an_axis_of_channels(tmp_path, capsys):
    words = ["data=digits", "metrics=[precision]"]
    assert open_verb(capsys, "export", "data=digits", "out=t.npz")[0] == 0
    x = np.load(tmp_path / "t.npz")["x"]
    assert (x.dtype, x.shape[1:]) == (np.uint8, (8, 8))
    readings = []
    for number, form in enumerate((x, x[:, None], x[..., None])):
        np.save(tmp_path / "s.npy", form)
        out = tmp_path / f"out{number}"
        samples = "samples=s.npy"
        assert open_verb(capsys, "measure", *words, samples, f"out={out}")[0] == 0
        readings.append(json.loads((out / "measure.json").read_text())["samples"])
    assert readings[0] == readings[1] == readings[2]


X = np.full((40, 8, 8), 9, np.uint8)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"x": X / 255}, "x is float64: images are uint8 from 0 to 255"),
        ({"x": X[:, :7]}, "x is [40, 7, 8]: rows of these data are [8, 8]"),
        ({"x": X.reshape(40, 64)}, "x is [40, 64]: rows of these data are [8, 8]"),
        ({"x": X > 3}, "x is bool: images are uint8"),
        ({"x": (X > 3).astype(np.uint8)}, "pixels are 0 and 1, those of these data 0 to 255"),
        ({"x": X[:0]}, "x [0, 8, 8] is empty"),
        ({"x": X[:5]}, "has 5 rows: give 20 or more"),
        ({"x": X, "y": np.arange(40)}, "y has [10, 11, 12], no labels of these data"),
        ({"x": X, "y": np.zeros(3, int)}, "y is [3]: give one label per row of x"),
        ({"x": X, "y": np.zeros(40)}, "y is float64: give whole numbers"),
        ({"z": X}, "holds z, not x and at most y"),
        ({"x": np.array([{}])}, "x holds Python objects"),
    ],
)
def test_rows_of_other_data_are_one_line(tmp_path, capsys, arrays, line):
    np.savez(tmp_path / "s.npz", **arrays)
    words = ["data=digits", "samples=s.npz", "metrics=[precision]", f"out={tmp_path / 'out'}"]
    status, _, errors = open_verb(capsys, "measure", *words)
    assert status == 2
    assert errors.startswith(f"nc_testbed: samples=s.npz: {line}"), errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_vectors_that_are_not_finite_are_one_line(tmp_path, capsys, data):
    x = np.ones((30, 5))
    x[3, 1] = np.nan
    np.save(tmp_path / "s.npy", x)
    status, _, errors = open_verb(capsys, "measure", *data, "samples=s.npy")
    assert (status, errors.count("\n")) == (2, 1)
    assert "x has NaN or infinity in 1 rows" in errors


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "samples=: name the .npz or .npy"),
        (["samples=nope.npz"], "samples=nope.npz: no such file"),
        (["samples=s.npy", "chain=-1"], "chain=-1: give the number of a chain"),
        (["samples=s.npy", "chains=2"], "chains=2: did you mean chain?"),
        (["samples=s.npy", "train=s2.npy"], "train=s2.npy: no such file"),
        (["samples=s.npy", "evaluation.rows=50"], "evaluation.rows=50: x has 40 rows a chain"),
        (["samples=s.npy", "policy=real"], "policy=real: nothing is fitted here"),
        (["samples=s.npy", "data.imbalance_ratio=-1"], "data.imbalance_ratio=-1"),
    ],
)
def test_what_cannot_be_measured_is_one_line(tmp_path, capsys, words, line):
    np.save(tmp_path / "s.npy", X)
    status, _, errors = open_verb(capsys, "measure", "data=digits", *words, "out=out")
    assert status == 2
    assert errors.startswith(f"nc_testbed: {line}"), errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["out=t.csv"], "out=t.csv: name a file that ends in .npz"),
        (["out=no/t.npz"], "out=no/t.npz: "),
        (["out=t.npz", "chain=two"], "chain=two: give the number of a chain"),
        (["out=t.npz", "samples=x"], "samples=x: "),
    ],
)
def test_an_export_that_cannot_be_is_one_line(tmp_path, capsys, words, line):
    status, _, errors = open_verb(capsys, "export", "data=digits", *words)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"nc_testbed: {line}"), errors
    assert not [*tmp_path.glob("t.*")]
