"""The verb ``controls``, and the controls that a run measures once."""

import json

import numpy as np
import pytest
from rulers import open_verb, write_table

from nc_testbed.metrics.precision import Precision
from nc_testbed.run.control_values import ControlValues, controls_key, recall_controls


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path / "cache"))


def test_a_table_of_controls_is_printed_and_written(tmp_path, capsys):
    table = write_table(tmp_path / "mine.npz")
    out = tmp_path / "out"
    words = [f"data.path={table}", "data.reserve=0.5", "data.imbalance_ratio=2", "chains=2"]
    words += ["metrics=[matched_coverage,fidelity]", f"out={out}"]
    status, printed, errors = open_verb(capsys, "controls", "data=arrays", *words)
    assert (status, errors) == (0, "")
    controls = json.loads((out / "controls.json").read_text())
    assert {"real", "tail_absent", "independent", "noise", "copies", "few_5"} <= {*controls}
    assert {"contracted_.9", "tail_absent+halves_10", "real+far_50"} <= {*controls}
    low, mean, high = controls["real"]["fidelity"]
    assert low <= mean <= high
    assert mean > 0.7
    assert controls["noise"]["fidelity"][1] < 0.2
    assert (
        controls["tail_absent"]["tail_coverage"][1] < 0.2 < controls["real"]["tail_coverage"][1]
    )
    lines = printed.splitlines()
    table_lines = [line for line in lines if line.split()[0] in {*controls, "control"}]
    assert len(table_lines) == len(controls) + 1
    assert max(map(len, table_lines)) <= 100
    rows = controls["real"]["rows"][1]
    assert f"controls have {rows:g} rows a chain, not 1000" in printed


def test_a_planar_mixture_has_controls_and_a_refused_headline(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["data=mixture2d", "chains=2", "evaluation.rows=400", "metrics=[recall,modes]"]
    status, printed, _ = open_verb(capsys, "controls", *words, f"out={out}")
    assert status == 0
    controls = json.loads((out / "controls.json").read_text())
    assert controls["real"]["modes_captured"][1] == 8
    assert controls["noise"]["modes_captured"][1] < 2
    # Marginals of a ring meet on every mode: there the number of modes says nothing.
    assert controls["independent"]["modes_captured"][1] > 4
    assert "is no measure here" in printed


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data=wine", "model=vae"], "model=vae: nothing is fitted here: leave it out"),
        (["data=wine", "chain=2"], "chain=2: did you mean chains?"),
        (["data=wine", "metrics=[likelihood]"], "metrics=likelihood: cannot apply here"),
        (["data=wien"], "data=wien: did you mean wine?"),
        (["data=wine", "seed=1,2"], "seed=: give one value"),
        (["outputs"], "outputs=: write key=value"),
        (["data=wine", "evaluation.rows=3"], "evaluation.rows=3: give at least 20 rows"),
    ],
)
def test_what_cannot_be_asked_is_one_line(tmp_path, capsys, words, line):
    out = tmp_path / "out"
    status, _, errors = open_verb(capsys, "controls", *words, f"out={out}")
    assert status == 2
    assert errors.startswith(f"nc_testbed: {line}")
    assert len(errors.splitlines()) == 1
    assert not out.exists()


def run_words(tmp_path, name, *more):
    table = write_table(tmp_path / "mine.npz")
    return [
        "data=arrays", f"data.path={table}", "data.reserve=0.5", "model=gmm", "chains=2",
        "model.covariance=diagonal", "model.components=2", "policy=replace", "generations=2",
        "metrics=[recall,precision]", f"out={tmp_path / name}", *more,
    ]  # fmt: skip


def test_a_run_measures_its_controls_once_for_all_seeds(tmp_path, capsys):
    assert open_verb(capsys, "train", *run_words(tmp_path, "a"))[0] == 0
    (kept,) = (tmp_path / "cache" / "controls").iterdir()
    before = kept.stat().st_mtime_ns
    assert open_verb(capsys, "train", *run_words(tmp_path, "b", "seed=1"))[0] == 0
    summaries = [
        json.loads((tmp_path / name / "summary.json").read_text())["controls"] for name in "ab"
    ]
    assert summaries[0] == summaries[1]
    assert {*summaries[0]} == {"real", "independent", "noise"}  # no class is rare
    assert [p.stat().st_mtime_ns for p in kept.parent.iterdir()] == [before]
    kept.write_text("{")  # a damaged file is measured again, and equal
    assert open_verb(capsys, "train", *run_words(tmp_path, "c"))[0] == 0
    again = json.loads((tmp_path / "c" / "summary.json").read_text())["controls"]
    assert again == summaries[0]


def test_a_run_on_statistics_has_no_controls(tmp_path, capsys):
    words = ["data=bernoulli", "model=bernoulli", "policy=replace", "n=20", "generations=2"]
    assert open_verb(capsys, "train", *words, f"out={tmp_path / 'run'}")[0] == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["controls"] == {}


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path / "file"))
    assert recall_controls("key", lambda: ControlValues({}, 7)).rows == 7


def test_the_key_changes_with_all_that_controls_depend_on(tmp_path):
    from nc_testbed.data.scikit import Wine

    data = Wine().load(1, 0, 0, 1)
    first = (data, "Wine()", "hash", {"precision": Precision()}, (1, 100, "cpu"))
    others = [
        (Wine(test_rows=8).load(1, 0, 0, 1), *first[1:]),
        (data, "Wine(rows=20)", *first[2:]),
        (*first[:2], "other", *first[3:]),
        (*first[:3], {}, first[4]),
        (*first[:4], (2, 100, "cpu")),
        (*first[:4], (1, 101, "cpu")),
    ]
    keys = [controls_key(*arguments) for arguments in (first, *others)]
    assert len({*keys}) == 7
    assert controls_key(*first) == keys[0]


def test_intervals_keep_to_the_range_of_a_column():
    from nc_testbed.metrics.column import Columns

    values = {"real": {"precision": np.array([0.99, 1.0, 0.8])}}
    columns = Columns.declared_by([Precision()])
    low, mean, high = ControlValues(values, 50).summary(columns)["real"]["precision"]
    assert mean == pytest.approx(0.93)
    assert 0 < low < mean < high <= 1
