"""What verify.py says of a run, and what a manifest may not say."""

import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from nc_testbed.cli import verify_run as command
from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.record import manifest
from nc_testbed.record.verify import verify
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs by policy, made once: 20 rows that all chains share, 3 generations."""
    folder = tmp_path_factory.mktemp("made")
    np.savez(folder / "x.npz", x=np.random.default_rng(0).normal(size=(60, 3)))
    rows = [f"data.path={folder / 'x.npz'}", "model=gmm", "model.components=2", "chains=2",
            "model.covariance=diagonal", "data=arrays", "metrics=[parameters]"]  # fmt: skip
    words = {
        "anchor": [*rows, "policy=anchor", "policy.source=fixed", "n=20"],
        "accumulate": [*rows, "policy=accumulate", "budget=30", "store=none"],
        "statistics": ["data=poisson", "model=poisson", "policy=anchor", "n=50", "policy.k=10"],
    }
    with configurations():
        for name, mine in words.items():
            config = compose_config([*mine, "generations=3"])
            config = {k: v for k, v in config.items() if k not in STUDY}
            execute(prepare(config), config, folder / name)
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made / "anchor", tmp_path / "run")


def said(monkeypatch, capsys, *words) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["verify.py", *map(str, words)])
    status = 0
    try:
        command.main()
    except SystemExit as left:
        status = left.code
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_run_verifies_and_its_lineage_is_printed(run, monkeypatch, capsys):
    code, text = said(monkeypatch, capsys, run)
    assert code == 0
    lines = text.splitlines()
    assert lines[0].startswith("generation 0: 1 real (")
    assert lines[2].startswith("generation 2: 0.5 real (")
    assert lines[2].endswith("0.5 from generation 1")
    assert lines[-1].endswith("all verifies")


def test_counts_stand_for_rows_that_were_never_drawn(made, monkeypatch, capsys):
    code, text = said(monkeypatch, capsys, made / "statistics")
    assert code == 0
    assert "drawn as statistics" in text
    assert "generation 2: 0.2 real, 0.8 from generation 1" in text
    code, text = said(monkeypatch, capsys, made / "statistics", "out=x.npz")
    line = "nc_testbed: out=x.npz: this run was drawn as statistics, without rows\n"
    assert (code, text) == (2, line)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("policy", ["anchor", "accumulate"])
def test_the_origin_of_every_training_row(made, tmp_path, monkeypatch, capsys, policy, suffix):
    out = tmp_path / f"out.{suffix}"
    code, text = said(monkeypatch, capsys, made / policy, f"out={out}")
    assert code == 0, text
    found = dict(np.load(out)) if suffix == "npz" else load_file(out)
    origin, row = found["origin_0002"], found["row_0002"]
    lineage = manifest.read_manifest(made / policy / "generations" / "0002").manifest["lineage"]
    counts = np.bincount(origin.ravel())
    assert {str(g): n for g, n in enumerate(counts.tolist()) if n} == lineage["rows"]
    if policy == "anchor":  # the same real rows in every generation, generation 0's own
        first, held = found["row_0000"], found["row_0001"]
        for chain in range(2):
            fixed = row[chain][origin[chain] == 0]
            assert set(fixed) <= set(first[chain])
            assert set(fixed) == set(held[chain][found["origin_0001"][chain] == 0])
            assert row[chain][origin[chain] == 2].tolist() == list(
                range((origin[chain] == 2).sum())
            )


def test_rows_are_printed_where_asked_for(run, monkeypatch, capsys):
    _, text = said(monkeypatch, capsys, run, "rows=true")
    assert "generation 1, chain 1, real rows: " in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/nowhere"], "nc_testbed: run=/nowhere: no run there"),
        ([], "nc_testbed: folder=: name the directory"),
        (["/nowhere", "rows=maybe"], "nc_testbed: rows=maybe: give true or false"),
        (["/nowhere", "origin=x.npz"], "nc_testbed: origin=x.npz: it is called out now"),
        (["/nowhere", "out=x.pt"], "nc_testbed: out=x.pt: name a file that ends in .npz"),
    ],
)
def test_what_is_no_run_ends_in_one_line(words, line, monkeypatch, capsys):
    code, text = said(monkeypatch, capsys, *words)
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith(line)


def test_whatever_else_lies_in_a_generation_is_named(run, monkeypatch, capsys):
    (run / "generations" / "0001" / "notes.txt").write_text("mine")
    (run / "generations" / "else").mkdir()
    (run / "generations" / "0003.tmp-7").mkdir()
    code, text = said(monkeypatch, capsys, run)
    assert code == 1
    assert "generations/0001/notes.txt is not of this generation" in text
    assert "generations/else is not of this run" in text
    assert "generations/0003.tmp-7 was left by a run that was killed" in text


def test_a_finished_run_that_has_lost_its_end_is_known_by_its_last_manifest(run):
    shutil.rmtree(run / "generations" / "0002")
    assert verify(run).faults[0] == "generations/0002/manifest.json is missing"
    (run / "manifest.json").unlink()  # as if it had been killed before
    verdict = verify(run)
    assert "not finished: 2 of 3 generations" in verdict.notes
    assert verdict.faults == ["metrics.parquet is not what the generations hold"]


def test_a_table_of_fewer_generations_is_one_that_was_not_rewritten_yet(run):
    two = verify(run)
    assert two.faults == []
    fewer = run.parent / "fewer"
    shutil.copytree(run, fewer)
    (fewer / "manifest.json").unlink()
    table = (fewer / "generations" / "0000" / "metrics.parquet").read_bytes()
    (fewer / "metrics.parquet").write_bytes(table)
    assert verify(fewer).faults == []
    (fewer / "metrics.parquet").write_bytes(table[:-9] + bytes([table[-9] ^ 1]) + table[-8:])
    assert verify(fewer).faults == ["metrics.parquet is not what the generations hold"]


def resealed(folder, change) -> None:
    """A manifest with a right seal and a change that nobody of good will would make."""
    content = json.loads((folder / "manifest.json").read_text())
    del content["sha256"]
    change(content["files"])
    (folder / "manifest.json").write_bytes(manifest.seal(content))


@pytest.mark.parametrize(
    "name", ["../0000/weights.safetensors", "/etc/hostname", "..", "a\0b", ""]
)
def test_a_manifest_names_no_file_outside_its_folder(run, name):
    folder = run / "generations" / "0002"
    resealed(folder, lambda files: files.update({name: files["weights.safetensors"]}))
    fault = verify(run).faults[0]
    assert fault.startswith("generations/0002/")
    assert "no file of this folder" in fault or "is missing" in fault or "does not say" in fault


def test_a_link_is_no_file(run):
    file = run / "generations" / "0002" / "weights.safetensors"
    file.rename(run / "elsewhere")
    file.symlink_to(run / "elsewhere")
    assert verify(run).faults == ["generations/0002/weights.safetensors is missing"]


def test_sizes_are_checked_before_anything_is_read(run, monkeypatch):
    file = run / "generations" / "0002" / "weights.safetensors"
    with open(file, "ab") as more:
        more.truncate(2**40)
    assert "altered, 1099511627776 bytes instead of" in verify(run).faults[0]


@pytest.mark.parametrize("text", ["[]", "{}", "null", "[" * 9999, '{"files": 3}', "\xff", ""])
def test_whatever_a_manifest_holds_is_a_fault_and_no_error(run, text):
    (run / "generations" / "0001" / "manifest.json").write_text(text, encoding="latin-1")
    faults = verify(run).faults
    assert faults == ["generations/0001/manifest.json is altered"]
