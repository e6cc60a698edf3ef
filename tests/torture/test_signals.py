"""Signals at random moments, starts within one second, disks and limits that are full.

``TORTURE=long`` makes the long version; every test prints its figure (``pytest -s``).
"""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from forked import Forked, record

LONG = os.environ.get("TORTURE") == "long"
pytestmark = pytest.mark.torture
LAW = ["data=gaussian", "model=gaussian", "policy=replace", "n=50", "chains=200",
       "generations=4", "device=cpu"]  # fmt: skip
NETWORK = ["data=digits", "model=vae", "model.steps=100", "model.hidden=[32]", "model.latent=4",
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


def test_resuming_with_another_stream_would_be_seen(forked, whole, tmp_path):
    """The negative control: the same comparison fails for one changed seed."""
    other = [*NETWORK, "seed=1", f"hydra.run.dir={tmp_path / 'run'}"]
    assert forked.run(tmp_path / "log", *other) == 0
    assert record(tmp_path / "run").keys() == whole[0].keys()
    assert record(tmp_path / "run") != whole[0]
