"""Which runs a report takes, and what it says of the others."""

import json
import shutil

import pytest
import yaml
from fabricated import config, run

from nc_testbed.core.errors import BadInput
from nc_testbed.report.find_runs import find_runs, gather_runs
from nc_testbed.report.tidy import sheet


def test_what_is_not_finished_is_named(tmp_path):
    done = run(tmp_path / "done", config())
    begun = run(tmp_path / "begun", config(seed=1))
    (begun / "summary.json").unlink()
    found = gather_runs([tmp_path])
    assert [each.folder for each in found.runs] == [done]
    (line,) = found.left_out
    assert line.startswith(f"{begun}: not finished")
    with pytest.raises(BadInput, match="no finished run is there"):
        gather_runs([begun])


def test_a_run_inside_a_run_belongs_to_it_for_every_reader(tmp_path):
    """A report and a table of the same folder are about the same runs."""
    folder = run(tmp_path / "run", config())
    shutil.copytree(folder, tmp_path / "copy")
    shutil.move(tmp_path / "copy", folder / "inner")
    run(folder / "other", config(seed=1))
    gathered = gather_runs([folder])
    assert [each.folder for each in gathered.runs] == [folder]
    assert gathered.left_out == ()
    assert sheet([folder]).folders == find_runs([folder]).finished == (folder,)


def test_every_reader_finds_the_same_runs_in_the_same_order(tmp_path):
    for i in (10, 9, 1):
        run(tmp_path / f"{i}_seed={i}", config(seed=i))
    begun = run(tmp_path / "2_seed=2", config(seed=2))
    (begun / "summary.json").unlink()
    gathered = gather_runs([tmp_path])
    folders = tuple(each.folder for each in gathered.runs)
    assert folders == tuple(tmp_path / f"{i}_seed={i}" for i in (1, 9, 10))
    assert sheet([tmp_path]).folders == folders
    assert len(gathered.left_out) == sheet([tmp_path]).unfinished == 1


def test_a_run_that_lost_its_settings_is_refused_by_every_reader(tmp_path):
    run(tmp_path / "whole", config())
    (run(tmp_path / "damaged", config(seed=1)) / "config.yaml").unlink()
    for read in (gather_runs, sheet):
        with pytest.raises(BadInput, match=r"damaged/config\.yaml: cannot be read"):
            read([tmp_path])


def test_the_same_chains_are_not_counted_twice(tmp_path):
    """Of two runs with one seed the one with more chains stays: it holds the other's."""
    run(tmp_path / "a", config("replace"))
    more = run(tmp_path / "b", config("replace", chains=5))
    other = run(tmp_path / "c", config("replace", seed=1))
    run(tmp_path / "d", config("replace", device="cuda", store="last"))
    found = gather_runs([tmp_path])
    assert [each.folder for each in found.runs] == [more, other]
    assert [line.split(": ")[0] for line in found.left_out] == [
        str(tmp_path / "a"),
        str(tmp_path / "d"),
    ]
    assert all(f"repeats {more}" in line for line in found.left_out)


def test_jobs_of_a_sweep_come_in_their_order(tmp_path):
    for i in (10, 2, 1):
        run(tmp_path / f"{i}_seed={i}", config(seed=i))
    assert [each.config["seed"] for each in gather_runs([tmp_path]).runs] == [1, 2, 10]


def test_what_makes_other_chains_is_no_repeat(tmp_path):
    for i, changes in enumerate(({}, {"n": 21}, {"seed": 1}, {"policy": {"k": 1}})):
        run(tmp_path / str(i), config(**changes))
    assert len(gather_runs([tmp_path]).runs) == 4


LAW = {"law": "l", "source": "s", "generations": [0], "values": [1.0], "z": [None]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("laws", {"nll": 3}),
        ("laws", {"nll": {**LAW, "verdict": 1}}),
        ("laws", {"nll": {**LAW, "verdict": "pass", "values": ["<b>"]}}),
        ("laws", {"nll": {**LAW, "verdict": "pass", "values": [1.0, 2.0]}}),
        ("laws", {"nll": {**LAW, "verdict": "pass", "generations": [], "values": [], "z": []}}),
        ("alarms", [[]]),
        ("alarms", [{"on": "x", "alpha": 0.05, "generation": ["a"], "tail_ranks": []}]),
        ("versions", []),
        ("wall_s", "long"),
    ],
)
def test_a_summary_that_no_run_wrote_is_refused(tmp_path, key, value):
    folder = run(tmp_path / "run", config())
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, key: value}))
    with pytest.raises(BadInput, match=r"summary\.json: has"):
        gather_runs([tmp_path])


@pytest.mark.parametrize(
    "changes",
    [{"seed": "x"}, {"facts": {"event": [0]}}, {"facts": {"event": [2, "a"]}}, {"facts": {}}],
)
def test_settings_that_no_run_wrote_are_refused(tmp_path, changes):
    settings = config()
    folder = run(tmp_path / "run", settings)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | changes))
    with pytest.raises(BadInput, match=r"config\.yaml: has no"):
        gather_runs([tmp_path])
