"""controls.json: written once, whole or not at all, and held against the record."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from events import events, series
from fabricated import CONTROLS, blind, config, described, run

from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.config.config_file import load_config
from nc_testbed.metrics.column import Column
from nc_testbed.record import manifest
from nc_testbed.record.controls import are_controls, read_controls, write_controls
from nc_testbed.record.floors import (
    caveats_of,
    drawn_means,
    floor_refusal,
    refused_classes,
    refused_ranks,
)
from nc_testbed.record.verify import verify
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare
from nc_testbed.view.tensorboard import rebuild

MEASURED = {"real": {"means_error": [0.1, 0.2, 0.3]}, "noise": {"means_error": [5, 6, None]}}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of two generations, made and then given controls; and its settings."""
    folder = tmp_path_factory.mktemp("made")
    np.savez(folder / "x.npz", x=np.random.default_rng(0).normal(size=(60, 3)))
    words = [f"data.path={folder / 'x.npz'}", "model=gmm", "model.components=2", "chains=2",
             "model.covariance=diagonal", "data=arrays", "metrics=[parameters]",
             "policy=replace", "n=20"]  # fmt: skip
    with configurations():
        settings = compose_config([*words, "generations=2"])
    settings = {key: value for key, value in settings.items() if key not in STUDY}
    execute(prepare(settings), settings, folder / "run")
    return folder / "run", settings


@pytest.fixture
def old(begun, tmp_path):
    """A copy of the run without controls, as runs of before are."""
    return shutil.copytree(begun[0], tmp_path / "run")


@pytest.fixture
def longer(begun, old):
    """The run with controls, continued by a generation."""
    write_controls(old, MEASURED, load_config(old))
    settings = begun[1] | {"generations": 3}
    execute(prepare(settings), settings, old)
    return old


def test_a_file_that_was_written_is_read_and_none_is_none(tmp_path):
    assert read_controls(tmp_path, config()) is None
    write_controls(tmp_path, {"real": {"x": [0.5, float("nan"), float("inf")]}}, config())
    assert read_controls(tmp_path, config()) == {"real": {"x": [0.5, None, None]}}
    assert [path.name for path in tmp_path.iterdir()] == ["controls.json"]


def test_every_altered_byte_and_every_other_run_is_refused(tmp_path):
    write_controls(tmp_path, MEASURED, config())
    file = tmp_path / "controls.json"
    data = file.read_bytes()
    for i in range(len(data)):
        file.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        with pytest.raises(ValueError, match="altered"):
            read_controls(tmp_path, config())
    file.write_bytes(data)
    with pytest.raises(ValueError, match="altered"):
        read_controls(tmp_path, config(hash="1" * 64))
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="altered"):
        read_controls(tmp_path, config())


@pytest.mark.parametrize(
    "node",
    [
        None,
        [],
        {"real": None},
        {"real": {"x": 1}},
        {"real": {"x": [1, 2]}},
        {"real": {"x": [1, 2, "3"]}},
        {"real": {"x": [1, 2, True]}},
        {"real": {"x": "123"}},
    ],
)
def test_what_somebody_else_wrote_is_told_apart(node, tmp_path):
    assert not are_controls(node)
    sealed = manifest.seal({"config": config()["hash"], "controls": node})
    (tmp_path / "controls.json").write_bytes(sealed)
    with pytest.raises(ValueError, match="altered"):
        read_controls(tmp_path, config())


def test_a_run_without_controls_still_verifies_and_says_nothing_of_them(old):
    assert verify(old).faults == []
    assert json.loads((old / "summary.json").read_text())["controls"] == {}


def test_a_run_goes_on_with_the_controls_of_its_beginning(longer):
    assert verify(longer).faults == []
    assert json.loads((longer / "summary.json").read_text())["controls"] == MEASURED
    assert "controls.json" in manifest.read_manifest(longer).manifest["files"]


def test_an_altered_file_of_controls_is_a_fault_said_once(longer):
    file = longer / "controls.json"
    file.write_bytes(file.read_bytes().replace(b"0.2", b"0.3"))
    assert verify(longer).faults == ["controls.json is altered"]
    (longer / "manifest.json").unlink()  # as if the run were not finished
    assert verify(longer).faults == ["controls.json is altered"]
    file.unlink()
    assert verify(longer).faults == []


def test_controls_that_a_finished_run_lost_are_missing(longer):
    (longer / "controls.json").unlink()
    assert verify(longer).faults == ["controls.json is missing"]


def test_the_view_made_anew_has_the_same_lines_as_the_first(tmp_path):
    folder = run(tmp_path / "run", config(), CONTROLS)
    rebuild(folder, config(), pq.read_table(folder / "metrics.parquet")).close()
    found = events(folder / "tensorboard")
    for control, label in (("real", "real rows"), ("tail_absent", "no tail")):
        mean = CONTROLS[control]["tail_coverage"][1]
        drawn = series(found, f"controls/tail_coverage/{label}")
        assert drawn == dict.fromkeys(range(4), pytest.approx(mean))
    (folder / "controls.json").write_text("{}")  # damaged: the view goes without
    rebuild(folder, config(), pq.read_table(folder / "metrics.parquet")).close()
    tags = events(folder / "tensorboard").Tags()["scalars"]
    assert "1 tail/tail_coverage" in tags
    assert not any(tag.startswith("controls/") for tag in tags)


def test_the_view_says_in_words_what_is_refused_and_leaves_it_out_of_the_end(tmp_path):
    settings = config(facts={"event": [8, 8], "referee_accuracy": 0.9923})
    folder = run(tmp_path / "run", settings, blind())
    rebuild(folder, settings, pq.read_table(folder / "metrics.parquet")).close()
    found = events(folder / "tensorboard")
    text = found.Tensors("caveats/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "tail_coverage is no measure here" in text
    assert "99.2% of held-out rows" in text
    table = found.Tensors("controls/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| tail_coverage | 0.94 | 0.588 | 0 | 0.01 |" in table.splitlines()
    assert "| fidelity | 0.95 | 0.94 |  | 0.985 |" in table.splitlines()
    finals = [tag for tag in found.Tags()["scalars"] if tag.startswith("0 final/")]
    assert finals == ["0 final/1 fidelity"]


def test_the_floor_of_a_tail_is_what_it_reads_without_one_of_others_independent_columns():
    high = {"tail_x": [0.1, 0.2, 0.3], "x": [0.1, 0.2, 0.3]}
    assert "rows without the tail read 0.2" in floor_refusal({"tail_absent": high}, "tail_x")
    assert floor_refusal({"tail_absent": high}, "x") is None
    assert floor_refusal({"independent": high}, "tail_x") is None
    sentence = floor_refusal({"independent": high}, "x")
    assert sentence.startswith("x is no measure here: rows of independent columns read 0.2")


@pytest.mark.parametrize(("mean", "is_refused"), [(0.1, False), (0.1001, True), (None, False)])
def test_a_floor_may_be_a_tenth_and_one_that_was_not_measured_refuses_nothing(mean, is_refused):
    refusal = floor_refusal({"tail_absent": {"tail_x": [0, mean, 1]}}, "tail_x")
    assert (refusal is not None) == is_refused


def test_classes_whose_own_floor_is_high_are_named():
    """Of seven classes the two rarest are the tail, which tail_absent leaves out."""
    everywhere = {f"coverage_rank_{i}": [0.8, 0.9, 1.0] for i in range(7)}
    absent = everywhere | {"coverage_rank_6": [0.0, 0.31, 0.5], "coverage_rank_5": [0, 0.05, 1]}
    independent = {f"coverage_rank_{i}": [0, 0.02, 0.1] for i in range(7)}
    independent["coverage_rank_1"] = [0.1, 0.2, 0.3]
    controls = {"tail_absent": absent, "independent": independent}
    assert refused_ranks(controls, "tail_coverage") == {1: 0.2, 6: 0.31}
    assert refused_classes(controls, "tail_coverage") == (
        "coverage of single classes is no measure of rank 1 (0.2), 6 (0.31): floors above 0.1"
    )
    assert refused_ranks(controls, "matched_coverage") == {1: 0.2, 6: 0.31}
    assert refused_classes(controls, "tail_mass") is None


def test_caveats_are_of_the_headline_that_was_measured():
    assert caveats_of(config(), blind(), ["fidelity"]) == []
    assert len(caveats_of(config(), blind(), ["fidelity", "tail_coverage"])) == 1
    assert caveats_of(config(), CONTROLS, ["tail_coverage"]) == []


def test_a_chart_of_a_share_has_all_levels_of_a_loss_only_the_near_ones():
    columns = described()
    assert drawn_means(CONTROLS, "fidelity", columns["fidelity"]) == {
        "real": 0.95,
        "tail_absent": 0.94,
        "noise": 0.985,
    }
    assert drawn_means(CONTROLS, "nll", columns["nll"]) == {"real": 110}


@pytest.mark.parametrize(
    ("column", "is_drawn"),
    [
        (Column(low=0, worse="lower"), True),  # a ratio that noise brings to 0
        (Column(low=0, worse="higher"), False),
        (Column(worse="lower"), False),
        (Column(low=0, worse="either"), False),
        (Column(low=0, high="C", worse="either"), True),
    ],
)
def test_floors_are_drawn_where_getting_worse_has_an_end(column, is_drawn):
    means = drawn_means({"noise": {"x": [0, 1, 2]}, "real": {"x": [1, 2, 3]}}, "x", column)
    assert list(means) == (["real", "noise"] if is_drawn else ["real"])
