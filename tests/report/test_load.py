"""Runs for notebooks: the numbers are the record's, the axes have names."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import xarray
from fabricated import config, run
from safetensors.torch import save_file

import nc_testbed
from nc_testbed import load_run, load_samples, load_sweep, load_weights
from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Generation
from nc_testbed.record.tables import summary_rows


@pytest.fixture
def one(tmp_path):
    classes = {
        "event": [8, 8],
        "classes": ["a", "b"],
        "rank_to_class": [[0, 1], [1, 0], [0, 1]],
    }
    return run(tmp_path / "one", config("anchor", policy={"k": 3}, facts=classes))


def test_the_values_are_those_of_the_table_under_named_axes(one):
    data, table = load_run(one), pq.read_table(one / "metrics.parquet").to_pandas()
    assert data["tail_coverage"].dims == ("chain", "generation")
    for row in table.to_dict("records"):
        at = data.sel(chain=row["chain"], generation=row["generation"])
        for name in ("tail_coverage", "nll", "fidelity", "coverage", "fit_variance"):
            assert at[name].item() == row[name], name
        assert at["coverage_rank"].sel(rank=0).item() == row["coverage_rank_0"]


def test_settings_and_summary_travel_with_the_values(one):
    data = load_run(str(one))
    assert (data["policy"].item(), data["model"].item(), data["seed"].item()) == (
        "anchor",
        "vae",
        0,
    )
    assert data.attrs["settings"]["policy"] == {"k": 3}
    assert data.attrs["summary"] == json.loads((one / "summary.json").read_text())
    assert data.attrs["facts"]["event"] == [8, 8]


def test_ranks_are_an_axis_that_knows_the_class_of_every_chain(one):
    data = load_run(one)
    assert data["coverage_rank"].dims == ("chain", "generation", "rank")
    assert data["label"].sel(rank=0).values.tolist() == ["a", "b", "a"]
    unlabelled = run(one.parent / "two", config(facts={"event": [4]}))
    assert "label" not in load_run(unlabelled).coords


def test_runs_of_several_seeds_are_put_along_an_axis_of_their_own(tmp_path):
    runs = [load_run(run(tmp_path / str(seed), config(seed=seed))) for seed in (1, 2)]
    both = xarray.concat(runs, "run", combine_attrs="drop", join="exact")
    assert dict(both["nll"].sizes) == {"run": 2, "chain": 3, "generation": 4}
    assert both["seed"].values.tolist() == [1, 2]


def test_an_exact_law_lies_over_generations(one):
    file = one / "summary.json"
    summary = json.loads(file.read_text())
    law = {"law": "replace.variance", "source": "derived", "generations": [1, 3]}
    ends = {"values": [0.5, None], "z": [0.1, None], "verdict": "pass"}
    summary["laws"] = {"coverage": law | ends}
    file.write_text(json.dumps(summary))
    found = load_run(one)["coverage_law"]
    assert found.dims == ("generation",)
    np.testing.assert_array_equal(found.values, [np.nan, 0.5, np.nan, np.nan])
    assert found.attrs == {"law": "replace.variance", "source": "derived"}


def test_the_status_of_a_chain_says_what_its_numbers_mean(one):
    table = pq.read_table(one / "metrics.parquet")
    status = np.arange(table.num_rows) % 4.0
    pq.write_table(table.append_column("status", [status]), one / "metrics.parquet")
    found = load_run(one)["status"]
    assert found.sel(chain=1, generation=0).item() == 1.0
    assert found.attrs["flag_meanings"].split()[3] == "diverged"


def test_summaries_have_an_axis_of_statistics(one):
    x = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    pq.write_table(summary_rows(Generation(0, {}, {"nll": x})), one / "metrics.parquet")
    nll = load_run(one)["nll"]
    assert nll.dims == ("statistic", "generation")
    assert nll.sel(statistic="mean", generation=0).item() == 3.0
    assert nll.sel(statistic="q100", generation=0).item() == 6.0


def test_samples_have_the_axes_of_an_event_and_only_those_asked_for_are_read(one):
    found = load_samples(one, generation=2, rows=5)
    assert dict(found.sizes) == {"chain": 3, "row": 5, "y": 8, "x": 8}
    assert found["generation"].item() == 2
    assert (found == 20).all()
    assert load_samples(one)["generation"].item() == 3
    assert load_samples(one).sizes["row"] == load_samples(one, rows=99).sizes["row"] == 20


@pytest.mark.parametrize(
    ("event", "axes"), [([64], ("coordinate",)), ([4, 4, 4], ("channel", "y", "x"))]
)
def test_samples_of_vectors_and_of_colours(event, axes, tmp_path):
    made = run(tmp_path / "run", config(facts={"event": event}))
    assert load_samples(made, 0).dims == ("chain", "row", *axes)


def test_samples_are_in_the_units_of_the_data_again(tmp_path):
    units = {"zero": [1e6] * 64, "offset": [0.0] * 64, "sd": [0.5] * 64, "constant_columns": []}
    facts = {"event": [64], "data": {"standardized": units, "projection": None}}
    made = run(tmp_path / "run", config(facts=facts))
    stored = run(tmp_path / "stored", config(facts={"event": [64]}))
    expected = 1e6 + 0.5 * load_samples(stored, 0).to_numpy().astype(float)
    np.testing.assert_array_equal(load_samples(made, 0), expected)


def test_weights_are_the_tensors_of_a_fit(one):
    means = torch.arange(6.0).reshape(3, 2)
    save_file({"means": means}, one / "generations" / "0001" / "weights.safetensors")
    assert load_weights(one, 1)["means"].tolist() == means.tolist()


def test_a_sweep_is_a_data_frame_whose_values_are_the_runs(tmp_path):
    for k in (1, 9):
        run(tmp_path / "sweep" / str(k), config("anchor", policy={"k": k}))
    frame = load_sweep(tmp_path / "sweep")
    mine = frame[(frame["policy.k"] == 9) & (frame["metric"] == "nll") & (frame["chain"] == 2)]
    wanted = load_run(tmp_path / "sweep" / "9")["nll"].sel(chain=2)
    assert mine.sort_values("generation")["value"].tolist() == wanted.values.tolist()


def test_what_the_readme_shows_can_be_run(tmp_path, monkeypatch):
    run(tmp_path / "outputs" / "my_run", config())
    run(tmp_path / "outputs" / "sweep" / "0", config())
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (tmp_path / "shown.py").write_text(readme.split("```py\n")[1].split("```")[0])
    monkeypatch.chdir(tmp_path)
    assert "load_weights" in runpy.run_path("shown.py")


def _cut(file):
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    ("load", "damage", "said"),
    [
        (
            load_run,
            lambda r: _cut(r / "metrics.parquet"),
            "metrics.parquet: is not a run's table",
        ),
        (
            load_run,
            lambda r: (r / "summary.json").write_text("[" * 9999),
            "is not a run's summary",
        ),
        (
            load_run,
            lambda r: (r / "config.yaml").write_text("a: 1"),
            "config.yaml: has no name",
        ),
        (load_run, lambda r: (r / "summary.json").unlink(), "is no finished run; load_sweep"),
        (load_sweep, lambda r: _cut(r / "metrics.parquet"), "is not a run's table of metrics"),
        (load_sweep, lambda r: (r / "summary.json").unlink(), "no finished run is there"),
        (
            load_samples,
            lambda r: _cut(r / "generations/0003/synthetic.safetensors"),
            "synthetic",
        ),
        (
            load_samples,
            lambda r: (r / "generations/0003/synthetic.safetensors").unlink(),
            "kept",
        ),
        (load_weights, lambda r: None, "kept no weights"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(load, damage, said, one):
    damage(one)
    with pytest.raises(BadInput) as refused:
        load(one)
    line = str(refused.value)
    assert said in line and "\n" not in line


def test_what_is_not_there_is_refused(one):
    with pytest.raises(BadInput, match=r"run=/nowhere: is not there"):
        load_run("/nowhere")
    with pytest.raises(BadInput, match="generation=7: recorded were 0, 1, 2, 3"):
        load_samples(one, 7)
    with pytest.raises(BadInput, match="rows=0: give at least 1"):
        load_samples(one, rows=0)


@pytest.mark.parametrize(("load", "library"), [(load_run, "xarray"), (load_sweep, "pandas")])
def test_a_library_that_is_missing_is_named(load, library, one, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadInput, match=rf"{library}: is not installed: pip install {library}"):
        load(one)


def test_the_functions_are_imported_when_they_are_asked_for():
    code = "import sys, nc_testbed; print('torch' in sys.modules, dir(nc_testbed))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("False")
    assert "'load_run'" in done.stdout
    with pytest.raises(AttributeError, match="no attribute 'load_runs'"):
        _ = nc_testbed.load_runs
