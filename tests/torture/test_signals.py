"""Signals at random moments, starts within one second, full disks, limits on files and memory.

``TORTURE=long`` makes the long version; every test prints its figure (``pytest -s``).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from forked import Forked, record

LONG = os.environ.get("TORTURE") == "long"
pytestmark = pytest.mark.torture
LAW = ["data=gaussian", "model=gaussian", "policy=replace", "n=50", "chains=200",
       "generations=4", "device=cpu"]  # fmt: skip
NETWORK = ["data=digits", "model=vae", "model.steps=100", "model.hidden=[32]", "model.latent_dim=4",
           "chains=2", "generations=5", "metrics=[recall]", "policy=accumulate"]  # fmt: skip
EXITS = {signal.SIGTERM: 143, signal.SIGUSR1: 85, signal.SIGUSR2: 85, signal.SIGINT: 130}


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    server = Forked(NC_TESTBED_CACHE=str(tmp_path_factory.mktemp("cache")))
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(forked, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """What an uninterrupted run leaves, and its seconds; the referee is made on the way."""
    folder = tmp_path_factory.mktemp("whole")
    for name, generations in (("once", 1), ("again", 5)):
        run = [*NETWORK, f"generations={generations}", f"hydra.run.dir={folder / name}"]
        assert forked.run(folder / "log", *run) == 0, (folder / "log").read_text()
    seconds = json.loads((folder / "again" / "summary.json").read_text())["wall_s"]
    return record(folder / "again"), seconds


def interrupted(forked, folder: Path, kind: signal.Signals, after: float, *also: str):
    """A run that gets a signal so many seconds after its directory is there: exit status, what it
    printed, and seconds until it had left."""
    run = folder / "run"
    child = forked.start(folder / "log", *NETWORK, f"hydra.run.dir={run}", *also)
    while not (run / "generations").is_dir():
        time.sleep(0.002)
    time.sleep(after)
    sent = time.monotonic()
    os.kill(child, kind)
    _, status = forked.wait()
    return status, (folder / "log").read_text(), time.monotonic() - sent


def test_random_signals_lose_nothing_that_was_finished(forked, whole, tmp_path):
    bytes_of, seconds = whole
    draw, count = random.Random(0), 50 if LONG else 3
    same, slowest, kept = 0, 0.0, []
    for i in range(count):
        kind = list(EXITS)[i % len(EXITS)]
        folder = tmp_path / str(i)
        folder.mkdir()
        after = draw.uniform(0, seconds)
        status, said, took = interrupted(forked, folder, kind, after)
        slowest = max(slowest, took)
        kept.append(len(list((folder / "run" / "generations").glob("????"))))
        assert status in (EXITS[kind], 0), said
        assert status == 0 or f"stopped by {kind.name}; go on with: " in said
        assert "Traceback" not in said
        assert not list((folder / "run" / "generations").glob("*tmp*"))
        again = [*NETWORK, f"hydra.run.dir={folder / 'run'}"]
        assert forked.run(folder / "log", *again) == 0, (folder / "log").read_text()
        same += record(folder / "run") == bytes_of
    print(f"\n{same}/{count} resumed identical after signals; slowest left in {slowest:.2f} s;"
          f" generations kept {min(kept)} to {max(kept)} of 5")  # fmt: skip
    assert same == count and slowest < 10
    assert max(kept) > 0


def test_a_sweep_ends_with_the_job_that_is_ended(forked, whole, tmp_path):
    jobs = ["-m", *NETWORK, "seed=1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    child = forked.start(tmp_path / "log", *jobs)
    while not list(tmp_path.glob("sweep/*/generations/0000")):
        time.sleep(0.002)
    os.kill(child, signal.SIGTERM)
    assert forked.wait() == (child, 143), (tmp_path / "log").read_text()
    assert len(list((tmp_path / "sweep").glob("*/config.yaml"))) == 1


def test_resuming_with_another_stream_would_be_seen(forked, whole, tmp_path):
    """The negative control: the same comparison fails for one changed seed."""
    other = [*NETWORK, "seed=1", f"hydra.run.dir={tmp_path / 'run'}"]
    assert forked.run(tmp_path / "log", *other) == 0
    assert record(tmp_path / "run").keys() == whole[0].keys()
    assert record(tmp_path / "run") != whole[0]


def directories(forked, folder: Path, starts: int, *also: str) -> list[Path]:
    """The directories of runs that are started at once, named as if all began in one second."""
    root = folder / "outputs"
    where = f"hydra.run.dir={root}/${{unique:}}"
    for i in range(starts):
        forked.start(folder / f"log{i}", *LAW, f"seed={i}", "generations=2", where, *also)
    statuses = [forked.wait()[1] for _ in range(starts)]
    assert statuses == [0] * starts, [(folder / f"log{i}").read_text() for i in range(starts)]
    return list(root.iterdir())


def test_starts_in_one_second_have_directories_of_their_own(forked, tmp_path):
    starts = 16 if LONG else 4
    made = directories(forked, tmp_path, starts)
    complete = [p for p in made if (p / "summary.json").is_file()]
    seeds = {yaml.safe_load((p / "config.yaml").read_text())["seed"] for p in complete}
    print(f"\n{len(seeds)}/{starts} starts complete in {len(made)} directories")
    assert seeds == set(range(starts)) and len(made) == starts


def test_without_a_name_of_their_own_they_would_meet(forked, tmp_path):
    """The negative control: two runs of other seeds in a directory without ``unique``."""
    one = f"hydra.run.dir={tmp_path / 'one'}"
    logs = [tmp_path / "log0", tmp_path / "log1"]
    for i, log in enumerate(logs):
        forked.start(log, *LAW, f"seed={i}", one)
    statuses = [forked.wait()[1] for _ in logs]
    seeds = {yaml.safe_load((tmp_path / "one" / "config.yaml").read_text())["seed"]}
    assert len(seeds) < 2 or statuses != [0, 0]


def test_a_limit_on_file_sizes_ends_a_run_in_one_line(forked, whole, tmp_path):
    """Too small for the settings (3 kB), the weights or the sets; the log has less than 2 kB."""
    bytes_of, _ = whole
    largest = max(map(len, bytes_of.values()))
    limits = range(2000, largest, largest // 12) if LONG else [2000, largest // 2]
    same = 0
    for limit in limits:
        run, log = tmp_path / str(limit), tmp_path / f"log{limit}"
        status = forked.run(log, *NETWORK, f"hydra.run.dir={run}", files=limit)
        said = log.read_text()
        assert (status, said.count("File too large (needs ")) == (1, 1), said
        assert "Traceback" not in said and "ulimit -f" in said
        assert not list(run.rglob("*tmp*"))
        assert forked.run(log, *NETWORK, f"hydra.run.dir={run}") == 0
        same += record(run) == bytes_of
    print(f"\n{same}/{len(limits)} went on to the same bytes after a limit on file sizes")
    assert same == len(limits)


def test_a_limit_on_memory_ends_a_run_in_one_line(forked, whole, tmp_path):
    """Whoever asks for memory first gets none: torch, oneDNN, Arrow, TensorBoard's thread."""
    bytes_of, _ = whole
    limits, ended, same = range(8, 44, 4) if LONG else [16], 0, 0
    for limit in limits:
        run, log = tmp_path / str(limit), tmp_path / f"log{limit}"
        status = forked.run(log, *NETWORK, f"hydra.run.dir={run}", memory=limit * 2**20)
        said = log.read_text()
        assert status in (0, 1) and "Traceback" not in said, said
        assert status == 0 or f"nc_testbed: {run}: memory ran out" in said.splitlines()[-1], (
            said
        )
        assert not list(run.rglob("*tmp*"))
        assert forked.run(log, *NETWORK, f"hydra.run.dir={run}") == 0
        ended, same = ended + status, same + (record(run) == bytes_of)
    print(f"\n{same}/{len(limits)} went on to the same bytes after a limit on memory, of which"
          f" {ended} were ended by it")  # fmt: skip
    assert same == len(limits) and ended > 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_ends_a_run_in_one_line(forked, whole, small_disk, tmp_path):
    """Another program fills the disk to all but so many bytes, after the estimate has passed."""
    bytes_of, _ = whole
    total = sum(map(len, bytes_of.values()))
    rooms = [total * i // 12 for i in range(11)] if LONG else [total // 2]
    same = 0
    for room in rooms:
        run, log, filler = small_disk / "run", tmp_path / "log", small_disk / "filler"
        forked.start(log, *NETWORK, f"hydra.run.dir={run}")
        while not (run / "generations").is_dir():
            time.sleep(0.002)
        free = shutil.disk_usage(small_disk).free
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - room)
        status, said = forked.wait()[1], log.read_text()
        assert (status, said.count("No space left on device (needs ")) == (1, 1), said
        assert "Traceback" not in said
        assert f"nc_testbed: {run}/" in said and not list(run.rglob("*tmp*"))
        filler.unlink()
        assert forked.run(log, *NETWORK, f"hydra.run.dir={run}") == 0, log.read_text()
        same += record(run) == bytes_of
        shutil.rmtree(run)
    print(f"\n{same}/{len(rooms)} went on to the same bytes after a full disk")
    assert same == len(rooms)
