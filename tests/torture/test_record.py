"""The record of truth under kills, failing writes and damage; TORTURE=long for all of it."""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from nc_testbed.config.config_file import load_config, root
from nc_testbed.record import manifest
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.verify import verify

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "run")]
from killed import RUNS, Killed, steps
from test_view import steps as shown

pytestmark = pytest.mark.torture
LONG = os.environ.get("TORTURE") == "long"
KILLS = 100 if LONG else 3
FLIPS, TRUNCATIONS, SWAPS = (600, 150, 50) if LONG else (20, 10, 5)
GENERATION = ("weights.safetensors", "synthetic.safetensors", "pictures.safetensors",
              "metrics.parquet", "manifest.json")  # fmt: skip
WHOLE = ("config.yaml", "metrics.parquet", "summary.json", "manifest.json")


@pytest.fixture(scope="module")
def killed():
    server = Killed()
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(killed, tmp_path_factory):
    """Uninterrupted runs by name: directory, bytes, seconds, steps on files, steps shown."""
    made = {}
    for name in RUNS:
        path, since = tmp_path_factory.mktemp("whole") / name, time.monotonic()
        assert killed.run(name, path) == 0, Path(f"{path}.log").read_text()
        made[name] = path, contents(path), time.monotonic() - since, steps(path), shown(path)
    return made


def contents(run: Path) -> dict[str, bytes]:
    """Every byte that must be the same however often a run was interrupted."""
    files = [run / "config.yaml", run / "metrics.parquet", *(run / "generations").rglob("*")]
    return {str(p.relative_to(run)): p.read_bytes() for p in files if p.is_file()}


def survived(killed, whole, name: str, path: Path) -> bool:
    """Whether what a run has left verifies, and the run goes on to the bytes it would have had, and
    to a dashboard that shows every step once."""
    if (path / "config.yaml").exists():
        assert verify(path).faults == []
    assert killed.run(name, path) == 0, Path(f"{path}.log").read_text()
    assert "it is made again" not in Path(f"{path}.log").read_text()  # nothing unreadable
    same = contents(path) == whole[name][1] and verify(path).faults == []
    assert shown(path) == whole[name][4]
    shutil.rmtree(path)
    return same


def test_killed_at_random_times(killed, whole, tmp_path):
    draw, same, names, cut = random.Random(1), 0, list(RUNS), 0
    for i in range(KILLS):
        name, path = names[i % len(names)], tmp_path / "run"
        after = draw.uniform(0, whole[name][2])
        cut += killed.run(name, path, after=after) == -signal.SIGKILL
        same += survived(killed, whole, name, path)
    print(f"{same}/{KILLS} killed at random times resumed identical ({cut} before their end)")
    assert same == KILLS


@pytest.mark.parametrize("action", ["kill", "fail"])
@pytest.mark.parametrize("name", ["anchor", "last"] if LONG else ["last"])
def test_killed_or_failing_at_every_step(killed, whole, tmp_path, name, action):
    """Generations that were there before are there after: at most the one in work is lost."""
    total, same, views = whole[name][3], 0, 0
    tried = range(1, total + 1) if LONG else random.Random(2).sample(range(1, total + 1), 2)
    for at in tried:
        status = killed.run(name, path := tmp_path / "run", at=at, action=action)
        said = Path(f"{path}.log").read_text()
        ended = -signal.SIGKILL if action == "kill" else 1
        assert status == ended or "the run goes on without TensorBoard's view" in said, said
        views += status == 0
        assert action == "kill" or not list(path.rglob("*.tmp-*"))  # it gives back its room
        same += survived(killed, whole, name, path)
    print(f"{same}/{len(tried)} of {total} steps: {action} there, {name}: resumed identical")
    assert same == len(tried)
    assert views <= (action == "fail")  # its folder alone is made by a step that is counted


def test_control_another_stream_key_is_seen(killed, whole, tmp_path):
    """The comparison above can fail: one key of one chain's samples is changed, after a kill."""
    path = tmp_path / "run"
    killed.run("anchor", path, at=whole["anchor"][3] // 3)
    assert killed.run("anchor", path, changed=True) == 0
    other = contents(path)
    differ = {key for key, data in whole["anchor"][1].items() if other[key] != data}
    assert "generations/0002/synthetic.safetensors" in differ
    assert "generations/0001/synthetic.safetensors" not in differ
    print("control: one changed stream key is seen")


def names_of(run: Path) -> dict[str, list[Path]]:
    """The files of every kind of artefact of a run."""
    kinds = {name: sorted(run.glob(f"generations/*/{name}")) for name in GENERATION}
    return kinds | {f"run's {name}": [run / name] for name in WHOLE}


def found(run: Path, file: Path) -> bool:
    """Whether a damaged file is named, and the record ends before it."""
    place = file.relative_to(run)
    named = any(fault.startswith(str(place)) for fault in verify(run).faults)
    if place.parts[0] != "generations":
        return named
    directory = RunDirectory(run)
    done = directory.count_committed(range(4), load_config(run))
    return named and done == int(place.parts[1]) and file.name in directory.rejected[0]


def damaged(file: Path, draw: random.Random, how: str) -> bytes:
    data = bytearray(file.read_bytes())
    if how == "flip":
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    else:
        del data[draw.randrange(len(data)) :]
    return bytes(data)


@pytest.fixture(scope="module")
def victim(whole, tmp_path_factory):
    """A run to be damaged, and put right again after each time."""
    path = tmp_path_factory.mktemp("victim") / "run"
    return shutil.copytree(whole["anchor"][0], path)


@pytest.mark.parametrize(("how", "times"), [("flip", FLIPS), ("truncation", TRUNCATIONS)])
def test_damage_is_found_and_named(victim, how, times):
    draw, seen, tried = random.Random(3), 0, 0
    for files in names_of(victim).values():
        for _ in range(times):
            file = draw.choice(files)
            good = file.read_bytes()
            file.write_bytes(damaged(file, draw, how))
            seen, tried = seen + found(victim, file), tried + 1
            file.write_bytes(good)
    assert verify(victim).faults == []
    print(f"{seen}/{tried} {how}s found and named")
    assert seen == tried


def test_swapped_files_are_found_and_named(victim, whole):
    """A file of a generation in the place of another's; and of another run in the run's own."""
    draw, seen, tried = random.Random(4), 0, 0
    for files in names_of(victim).values():
        for _ in range(SWAPS):
            one = draw.choice(files)
            others = [file for file in files if file != one] or [whole["last"][0] / one.name]
            other = draw.choice(others)
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            if other.is_relative_to(victim):
                other.write_bytes(first)
            early = min(one, other) if other.is_relative_to(victim) else one
            seen, tried = seen + found(victim, early), tried + 1
            one.write_bytes(first), other.write_bytes(second)
    print(f"{seen}/{tried} swapped files found and named")
    assert seen == tried


def test_swapped_and_transplanted_generations_are_found(victim, whole):
    """Whole folders, their manifests with them: of this run, and of one with other settings."""
    draw, seen = random.Random(5), 0
    for _ in range(SWAPS):
        one, two = draw.sample(range(4), 2)
        a, b = (victim / "generations" / f"{g:04d}" for g in (one, two))
        if draw.random() < 0.5:
            b = whole["last"][0] / "generations" / f"{one:04d}"
        kept = shutil.copytree(a, victim.parent / "kept")
        shutil.rmtree(a)
        shutil.copytree(b, a)
        seen += found(victim, a / "manifest.json")
        shutil.rmtree(a)
        shutil.move(kept, a)
    print(f"{seen}/{SWAPS} swapped or transplanted generations found and named")
    assert seen == SWAPS


def test_control_without_hashes_damage_is_silent(victim, monkeypatch):
    file = victim / "generations" / "0001" / "weights.safetensors"
    good = file.read_bytes()
    file.write_bytes(damaged(file, random.Random(6), "flip"))
    assert found(victim, file)
    monkeypatch.setattr(manifest, "_fault", lambda *said: None)
    assert not found(victim, file)
    file.write_bytes(good)
    print("control: without hashes a flip is silent")


def test_control_without_parents_a_generation_of_another_chain_is_silent(victim, monkeypatch):
    """A generation whose own manifest is right is told by the chain alone."""
    folder = victim / "generations" / "0002"
    good = (folder / "manifest.json").read_bytes()
    said = manifest.unseal(good)
    del said["sha256"]
    (folder / "manifest.json").write_bytes(manifest.seal(said | {"parent": "0" * 64}))
    assert found(victim, folder / "manifest.json")
    inspect = manifest.inspect
    monkeypatch.setattr(manifest, "inspect", lambda f, g, parent, c: inspect(f, g, None, c))
    assert RunDirectory(victim).count_committed(range(4), load_config(victim)) == 4
    (folder / "manifest.json").write_bytes(good)
    assert (
        root(load_config(victim))
        == manifest.read_manifest(victim / "generations/0000").manifest["parent"]
    )
