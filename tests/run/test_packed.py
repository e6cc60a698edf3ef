"""Runs side by side end with the bytes that they end with alone."""

import json
from pathlib import Path

import pytest
import torch

from nc_testbed.bench.runs import configuration
from nc_testbed.run import packed
from nc_testbed.run.packed import Job, execute_all
from nc_testbed.run.prepare import prepare
from nc_testbed.run.run import execute
from nc_testbed.run.verify import verify

CPU = torch.device("cpu")
VAE = "data=digits data.rows=200 model=vae model.steps=20 model.hidden=[16] evaluation.rows=100"
METRICS = "metrics=[recall,coverage,tail_mass,likelihood,latent]"
RING = "data=mixture2d data.imbalance=5 data.rows=200 data.held_out=400 model=gmm"
COINS = "data=bernoulli model=bernoulli n=50 chains=20"
T = "generations=3"


def job(folder: Path, overrides: str) -> Job:
    config = configuration(CPU, overrides)
    return Job(config, folder / overrides.replace("/", "_")[-100:])


def jobs_of(folder: Path, common: str, *each: str) -> list[Job]:
    return [job(folder, f"{common} {own}") for own in each]


def record(run: Path) -> dict[str, bytes]:
    """Every file of the record whose bytes no clock decides, and the summary without its time."""
    files = [run / "config.yaml", run / "metrics.parquet", *run.glob("generations/*/*")]
    found = {str(file.relative_to(run)): file.read_bytes() for file in files}
    summary = json.loads((run / "summary.json").read_text())
    return found | {"summary.json": json.dumps({**summary, "wall_s": 0}).encode()}


def alone(jobs: list[Job], folder: Path) -> list[dict[str, bytes]]:
    """The records of the same runs, each made by itself."""
    for i, each in enumerate(jobs):
        execute(prepare(each.config), each.config, folder / str(i))
    return [record(folder / str(i)) for i in range(len(jobs))]


@pytest.fixture
def sizes(monkeypatch) -> list[int]:
    """How many runs every pack had."""
    seen: list[int] = []
    execute_pack = packed._execute

    def noted(pack):
        seen.append(len(pack))
        execute_pack(pack)

    monkeypatch.setattr(packed, "_execute", noted)
    return seen


@pytest.mark.parametrize(
    ("common", "each", "wanted"),
    [
        (f"{VAE} {METRICS} policy=anchor chains=2 {T}",
         ["seed=0 policy.k=1", "seed=3 policy.k=1", "seed=0 policy.k=10", "seed=1"], [4]),
        (f"{VAE} {METRICS} policy=replace chains=1 {T}", ["seed=0", "seed=1", "seed=2"], [3]),
        (f"{VAE} metrics=[recall] policy=accumulate chains=1 {T} model.batch=30 store=last",
         ["seed=0", "seed=1"], [2]),  # not stacked on a CPU
        (f"{VAE} metrics=[recall] policy=anchor policy.source=fresh stream=true chains=2 {T} "
         "model.start=warm", ["seed=0 policy.k=1", "seed=1 policy.k=3"], [2]),
        (f"{VAE} metrics=[recall] policy=verified chains=2 {T}",
         ["seed=0 policy.right=0.9", "seed=1 policy.right=0.5"], [2]),
        (f"{RING} policy=anchor policy.source=fresh chains=3 {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=40", "seed=0 policy.k=0"], [3]),
        (f"{RING} policy=collect chains=1 {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=5", "seed=1 policy.k=1"], [2, 1]),
        ("data=blobs data.rows=150 model=kde policy=reparation chains=2 generations=2",
         ["seed=0", "seed=1"], [2]),
        (f"{COINS} policy=anchor sampling.draw=rows {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=5"], [2]),
        (f"{COINS} policy=anchor {T}", ["seed=0 policy.k=1", "seed=1 policy.k=5"], [1, 1]),
    ],
)  # fmt: skip
def test_every_run_has_the_bytes_that_it_has_alone(tmp_path, sizes, common, each, wanted):
    made = jobs_of(tmp_path / "packed", common, *each)
    execute_all(made, prepare)
    assert sizes == wanted
    for run, other in zip(made, alone(made, tmp_path / "alone"), strict=True):
        assert record(run.path) == other
        assert not verify(run.path).faults
