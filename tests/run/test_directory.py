"""The record of truth: whole generations or none."""

import json

import pyarrow.parquet as pq
import pytest
import torch

from nc_testbed.loop import Generation
from nc_testbed.models.vae import VAEFit
from nc_testbed.run.directory import RunDirectory, settings_hash
from nc_testbed.run.pictures import samples
from nc_testbed.types import Space

SPACE = Space((2, 2), image=True)


def generation(number: int) -> Generation:
    weights = {"encoder.0.weight": torch.full((2, 4, 2), float(number))}
    rows = torch.full((2, 5, 4), number, dtype=torch.uint8)
    record = {"recall": torch.tensor([0.5, number / 10], dtype=torch.float64)}
    return Generation(number, VAEFit("bernoulli", None, weights, SPACE), rows, rows[:, :3], record)


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.start({"seed": 0, "hash": "h"})
    for g in range(3):
        made.commit(generation(g), "h")
    return made


def test_what_was_committed_is_read_back(directory):
    assert directory.completed() == 3
    for g in range(3):
        made = generation(g)
        assert torch.equal(directory.synthetic(g), made.synthetic)
        pictures = samples(directory.generations / f"{g:04d}", "pictures", 2, 3)
        assert torch.equal(pictures, made.pictures)
        weights = directory.weights(g)["encoder.0.weight"]
        assert torch.equal(weights, made.fit.state_dict()["encoder.0.weight"])
    table = pq.read_table(directory.path / "metrics.parquet")
    assert table.column_names == ["generation", "chain", "recall"]
    assert table["recall"].to_pylist() == [0.5, 0.0, 0.5, 0.1, 0.5, 0.2]


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "synthetic.safetensors", "metrics.parquet"]
)
def test_a_flipped_bit_ends_the_record_there(directory, name):
    victim = directory.generations / "0001" / name
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 16
    victim.write_bytes(data)
    assert directory.completed() == 1


@pytest.mark.parametrize("damage", ["missing file", "missing manifest", "broken manifest"])
def test_an_incomplete_generation_does_not_count(directory, damage):
    folder = directory.generations / "0002"
    manifest = folder / "manifest.json"
    if damage == "missing file":
        (folder / "weights.safetensors").unlink()
    elif damage == "missing manifest":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text()[:-5])
    assert directory.completed() == 2
    directory.commit(generation(2), "h")
    assert directory.completed() == 3


def test_what_a_killed_run_left_is_cleared_at_the_start(directory):
    half = directory.generations / "0003.tmp-1"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    directory.start({"seed": 0, "hash": "h"})
    assert not half.exists()
    assert directory.completed() == 3


def test_the_manifest_names_size_and_hash_of_every_file(directory):
    folder = directory.generations / "0000"
    manifest = json.loads((folder / "manifest.json").read_text())
    others = {p.name for p in folder.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == others
    for name, entry in manifest["files"].items():
        assert entry["bytes"] == (folder / name).stat().st_size


def test_the_hash_changes_with_what_decides_a_result_and_nothing_else():
    base = {"seed": 0, "chains": 4, "generations": 3, "compute": {"chains": None}}
    free = {"generations": 9, "compute": {"chains": 1}, "dashboard": {}, "name": {}, "record": {}}
    assert settings_hash(base) == settings_hash(base | free)
    for change in ({"seed": 1}, {"chains": 5}, {"n": 7}, {"policy": {"k": 1}}):
        assert settings_hash(base) != settings_hash(base | change)
