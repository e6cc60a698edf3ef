"""The record of truth: whole generations or none."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from nc_testbed.config.config_file import settings_hash
from nc_testbed.core.interfaces import Generation
from nc_testbed.record import directory as module
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.tables import Trajectories
from nc_testbed.view.pictures import samples

CONFIG = {
    "seed": 0,
    "hash": "h",
    "record": {"generations": "all", "chains": "rows"},
    "store": "all",
    "facts": {},
}


def generation(number: int) -> Generation:
    weights = {"encoder.0.weight": torch.full((2, 4, 2), float(number))}
    rows = torch.full((2, 5, 4), number, dtype=torch.uint8)
    record = {"recall": torch.tensor([0.5, number / 10], dtype=torch.float64)}
    return Generation(number, weights, record, rows, rows[:, :3])


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    for g in range(3):
        made.commit(generation(g), CONFIG)
    made.write_table()
    return made


def test_what_was_committed_is_read_back(directory):
    assert directory.count_committed(range(5), CONFIG) == 3
    for g in range(3):
        made = generation(g)
        assert torch.equal(directory.synthetic(g), made.synthetic)
        pictures = samples(directory.generations / f"{g:04d}", "pictures", 2, 3)
        assert torch.equal(pictures, made.pictures)
        weights = directory.weights(g)["encoder.0.weight"]
        assert torch.equal(weights, made.weights["encoder.0.weight"])
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
    assert directory.count_committed(range(3), CONFIG) == 1


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
    assert directory.count_committed(range(3), CONFIG) == 2
    directory.commit(generation(2), CONFIG)
    assert directory.count_committed(range(3), CONFIG) == 3


def test_what_a_killed_run_left_is_cleared_at_the_start(directory):
    half = directory.generations / "0003.tmp-1"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    directory.start(CONFIG)
    assert not half.exists()
    assert directory.count_committed(range(4), CONFIG) == 3


def test_the_manifest_names_size_and_hash_of_every_file(directory):
    folder = directory.generations / "0000"
    manifest = json.loads((folder / "manifest.json").read_text())
    others = {p.name for p in folder.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == others
    for name, entry in manifest["files"].items():
        assert entry["bytes"] == (folder / name).stat().st_size


def test_the_hash_changes_with_what_decides_a_result_and_nothing_else():
    base = {"seed": 0, "chains": 4, "generations": 3, "compute": {"chains": None}}
    free = {
        "generations": 9,
        "compute": {"chains": 1},
        "dashboard": {},
        "name": {},
        "facts": {},
    }
    assert settings_hash(base) == settings_hash(base | free)
    record = {"generations": "last", "chains": "rows"}
    precision = {"precision": "bf16"}
    for change in ({"seed": 1}, {"chains": 5}, {"n": 7}, {"policy": {"k": 1}}, {"record": record},
                   {"compute": precision}):  # fmt: skip
        assert settings_hash(base) != settings_hash(base | change)


def test_recorded_generations_may_leave_gaps(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    for g in (0, 3, 5):
        made.commit(generation(g), CONFIG)
    assert made.count_committed((0, 3, 5, 8), CONFIG) == 3
    assert made.count_committed((0, 2, 3), CONFIG) == 1
    again = RunDirectory(tmp_path / "run")
    assert again.table() is None
    again.read_tables((0, 3))
    assert again.table()["generation"].to_pylist() == [0, 0, 3, 3]


def test_statistics_are_stored_in_place_of_rows(tmp_path):
    made, sums = RunDirectory(tmp_path / "run"), {"ones": torch.tensor([3.0, 4.0]).double()}
    count = {"count": torch.tensor(7.0).double()}
    made.start(CONFIG)
    left = Generation(
        0, {"p": sums["ones"] / 7}, {"mean": sums["ones"] / 7}, statistic=sums | count
    )
    made.commit(left, CONFIG)
    assert made.count_committed((0,), CONFIG) == 1
    assert made.statistic(0)["count"] == 7
    assert torch.equal(made.statistic(0)["ones"], sums["ones"])
    assert not (made.generations / "0000" / "synthetic.safetensors").exists()
    assert samples(made.generations / "0000", "rows", 1, 1) is None


def test_a_generation_that_was_not_measured_has_no_table(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    made.commit(Generation(0, {}, {}, torch.zeros(2, 3, 1)), CONFIG)
    made.write_table()
    assert made.count_committed((0,), CONFIG) == 1 and made.table() is None
    assert not (made.path / "metrics.parquet").exists()
    made.commit(generation(1), CONFIG)
    assert made.table()["generation"].to_pylist() == [1, 1]


def test_summaries_are_stored_in_place_of_chains(tmp_path):
    made = RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    made.commit(generation(2), CONFIG | {"record": {"generations": "all", "chains": "summary"}})
    runs = Trajectories.of(made.table())
    assert (runs.chains, runs.values) == (2, {})
    assert runs.intervals["recall"].mean.tolist() == [0.35]


class Disk:
    """Knows what has been flushed to disk: a power cut may take all else. Every rename is held
    against it, since what is renamed counts from then on."""

    def __init__(self, patch):
        self._sizes: dict[str, int] = {}
        self._order: list[str] = []
        self._due: list[str] = []  # folders whose new names are not on disk yet
        self._fsync, self._rename = os.fsync, os.rename
        self.renames = 0
        patch.setattr(os, "fsync", self.flush)
        patch.setattr(os, "rename", self.rename)

    def flush(self, descriptor):
        self._fsync(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        self._sizes[path] = os.fstat(descriptor).st_size
        self._order.append(path)
        self._due = [folder for folder in self._due if folder != path]

    def rename(self, source, target):
        assert not self._due, "an earlier rename is not on disk"
        inside = [p for p in [*Path(source).rglob("*"), Path(source)] if p.is_file()]
        assert inside and all(self._sizes.get(str(p)) == p.stat().st_size for p in inside)
        if Path(source).is_dir():
            last = self._order[-2:]  # the manifest after all others, then their names
            assert last == [f"{source}/manifest.json", str(source)], last
        self._rename(source, target)
        self._due.append(str(Path(target).parent))
        self.renames += 1

    def whole(self) -> bool:
        return not self._due


def test_what_counts_has_been_flushed_to_disk(tmp_path, monkeypatch):
    disk, made = Disk(monkeypatch), RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    for g in range(2):
        made.commit(generation(g), CONFIG)
        assert disk.whole()
    made.finish(CONFIG, b"{}")
    assert disk.whole() and disk.renames == 1 + 2 + 1 + 3  # of them one early copy of metrics


@pytest.mark.parametrize("left_out", ["_put", "_sync"])
def test_what_has_not_been_flushed_is_noticed(left_out, tmp_path, monkeypatch):
    disk, made = Disk(monkeypatch), RunDirectory(tmp_path / "run")
    made.start(CONFIG)
    forgets = {"_put": lambda path, data: path.write_bytes(data), "_sync": lambda folder: None}
    monkeypatch.setattr(module, left_out, forgets[left_out])
    with pytest.raises(AssertionError):
        made.commit(generation(0), CONFIG)
    assert disk.renames == 1
