"""Runs side by side end with the bytes that they end with alone."""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from nc_testbed.bench.whole_runs import configuration, loop_of
from nc_testbed.cli import train as cli
from nc_testbed.core.errors import BadInput
from nc_testbed.data.scikit import Digits
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.joined_runs import divide, join_runs, training_sizes
from nc_testbed.record import lock
from nc_testbed.record.disk_errors import resume_command
from nc_testbed.record.verify import verify
from nc_testbed.run import packed
from nc_testbed.run.execute import execute
from nc_testbed.run.packed import Job, execute_all, packs
from nc_testbed.run.prepare import prepare
from nc_testbed.run.signals import Stopped

CPU = torch.device("cpu")
VAE = "data=digits data.rows=200 model=vae model.steps=20 model.hidden=[16] evaluation.rows=100"
METRICS = "metrics=[recall,coverage,tail_mass,likelihood,latent]"
RING = "data=mixture2d data.imbalance_ratio=5 data.rows=200 data.test_rows=400 model=gmm"
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
    execute_pack = packed.execute_pack

    def noted(pack):
        seen.append(len(pack))
        execute_pack(pack)

    monkeypatch.setattr(packed, "execute_pack", noted)
    return seen


@pytest.mark.parametrize(
    ("common", "each", "wanted"),
    [
        (f"{VAE} {METRICS} policy=anchor chains=2 {T}",
         ["seed=0 policy.k=1", "seed=3 policy.k=1", "seed=0 policy.k=10", "seed=1"], [4]),
        (f"{VAE} {METRICS} policy=replace chains=1 {T}", ["seed=0", "seed=1", "seed=2"], [3]),
        (f"{VAE} metrics=[recall] policy=accumulate chains=1 {T} model.batch_size=30 store=last",
         ["seed=0", "seed=1"], [2]),  # not stacked on a CPU
        (f"{VAE} metrics=[recall] policy=anchor policy.source=fresh stream=true chains=2 {T} "
         "model.start=warm", ["seed=0 policy.k=1", "seed=1 policy.k=3"], [2]),
        (f"{VAE} metrics=[recall] policy=verified chains=2 {T}",
         ["seed=0 policy.keep_correct=0.9", "seed=1 policy.keep_correct=0.5"], [2]),
        (f"{RING} policy=anchor policy.source=fresh chains=3 {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=40", "seed=0 policy.k=0"], [3]),
        (f"{RING} policy=collect chains=1 {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=5", "seed=1 policy.k=1"], [2, 1]),
        ("data=blobs data.rows=150 model=kde policy=reparation chains=2 generations=2",
         ["seed=0", "seed=1"], [2]),
        (f"{COINS} policy=anchor sampling.draw=rows {T}",
         ["seed=0 policy.k=1", "seed=1 policy.k=5"], [2]),
        (f"{COINS} policy=anchor {T}", ["seed=0 policy.k=1", "seed=1 policy.k=5"], [2]),
        ("data=gaussian data.dim=3 model=gaussian n=50 chains=3 policy=accumulate generations=9 "
         "record.generations=4", ["seed=0", "seed=1", "seed=2"], [3]),
    ],
)  # fmt: skip
def test_every_run_has_the_bytes_that_it_has_alone(tmp_path, sizes, common, each, wanted):
    made = jobs_of(tmp_path / "packed", common, *each)
    execute_all(made, prepare)
    assert sizes == wanted
    for run, other in zip(made, alone(made, tmp_path / "alone"), strict=True):
        assert record(run.path) == other
        assert not verify(run.path).faults


@pytest.mark.parametrize(
    "common",
    [f"{VAE} metrics=[recall] policy=accumulate chains=1", f"{COINS} policy=accumulate"],
)
def test_runs_at_different_generations_go_on_together(tmp_path, sizes, common):
    made = jobs_of(tmp_path / "packed", f"{common} {T}", *(f"seed={s}" for s in range(4)))
    for run, generations in zip(made, (1, 2, 0, 3), strict=True):
        shorter = {**run.config, "generations": generations}
        if generations:
            execute(prepare(shorter), shorter, run.path)
    execute_all(made, prepare)
    assert sizes == [4]
    assert [record(run.path) for run in made] == alone(made, tmp_path / "alone")


def test_a_signal_leaves_every_run_whole(tmp_path, monkeypatch, capsys):
    common = f"{VAE} metrics=[recall] policy=replace chains=1 {T}"
    made = jobs_of(tmp_path / "packed", common, "seed=0", "seed=1")
    keep = packed._keep

    def signalled(pair):
        run, own = pair
        if own.number == 1 and run.path == made[0].path:
            os.kill(os.getpid(), signal.SIGTERM)
        keep(pair)

    monkeypatch.setattr(packed, "_keep", signalled)
    with pytest.raises(SystemExit) as left:
        execute_all(made, prepare)
    monkeypatch.setattr(packed, "_keep", keep)
    assert left.value.code == 143
    said = capsys.readouterr().err
    for run in made:
        assert f"stopped by SIGTERM; {resume_command(run.path)}" in said
        there = sorted(path.name for path in run.path.glob("generations/*"))
        assert there == ["0000", "0001"]
        assert not verify(run.path).faults
    execute_all(made, prepare)
    assert [record(run.path) for run in made] == alone(made, tmp_path / "alone")


def test_a_directory_in_use_is_refused_and_nothing_is_run(tmp_path):
    made = jobs_of(tmp_path, f"{VAE} metrics=[recall] chains=1 {T}", "seed=0", "seed=1")
    with lock.run_lock(made[1].path), pytest.raises(BadInput, match="is writing there"):
        execute_all(made, prepare)
    assert not (made[0].path / "config.yaml").exists()


def test_runs_that_do_not_fit_together_stay_apart(tmp_path, monkeypatch):
    def sizes_of(common: str, *each: str) -> list[int]:
        made = jobs_of(tmp_path, common, *each)
        groups = packed._groups(made)
        found = [packs(g, [prepare(job.config) for job in g]) for g in groups]
        return [len(pack) for group in found for pack in group]

    seeds = ["seed=0", "seed=1"]
    assert sizes_of(VAE, *seeds) == [2]
    for key in ("n=100,150", "generations=2,3", "model.steps=10,11", "policy=replace,anchor"):
        name, _, values = key.partition("=")
        assert sizes_of(VAE, *(f"{name}={value}" for value in values.split(","))) == [1, 1]
    assert sizes_of(f"{VAE} policy=anchor", "policy.source=pool", "policy.source=fixed") == [
        1,
        1,
    ]
    monkeypatch.setattr(packed, "_room", lambda run: packed._bytes(run))
    assert sizes_of(VAE, *seeds) == [1, 1]


@pytest.mark.parametrize(
    ("policy", "rows"),
    [("replace", [200, 50, 70]), ("accumulate", [200, 250, 320]), ("collect", [200, 203, 206]),
     ("weighted", [200, 250, 270]), ("anchor", [200, 50, 70])],
)  # fmt: skip
def test_training_sizes_are_those_that_a_policy_composes(policy, rows):
    more = " policy.k=3" if policy in ("collect", "anchor") else ""
    run = prepare(configuration(CPU, f"{VAE} policy={policy}{more} n=[200,50,70] {T}"))
    assert training_sizes(run.policy, run.data, run.sizes, None) == rows
    world = run.run(print)
    composed = [sum(g.lineage[0]["rows"].values()) for g in closed_loop(world)]
    assert composed == [world.chains * m for m in rows]


def test_a_chain_that_diverges_does_not_touch_those_of_other_runs():
    common = "data=blobs data.rows=64 model=vae model.likelihood=gaussian model.steps=20"
    small = "model.hidden=[16] metrics=[spread] chains=2 generations=2 evaluation.rows=50"
    one, other = (loop_of(CPU, f"{common} {small} seed={seed}") for seed in (0, 1))
    broken = dataclasses.replace(other.data, x=other.data.x * 1e200)
    whole = join_runs([one, dataclasses.replace(other, data=broken)])
    found = [divide(g, whole.runs) for g in closed_loop(whole)]
    assert all(g.weights["diverged"].all() for _, g in found)
    for (g, _), own in zip(found, closed_loop(one), strict=True):
        assert torch.equal(g.synthetic, own.synthetic)
        assert all(torch.equal(g.weights[name], own.weights[name]) for name in own.weights)
        assert {k: v.tolist() for k, v in g.record.items() if not v.isnan().any()} == {
            k: v.tolist() for k, v in own.record.items() if not v.isnan().any()
        }


def started(monkeypatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    cli.main()


def test_the_launcher_makes_the_sweep_that_hydras_own_makes(
    tmp_path, monkeypatch, capsys, sizes
):
    words = [
        "-m",
        *VAE.split(),
        "metrics=[recall]",
        "chains=1",
        "generations=2",
        "policy=anchor",
    ]
    words += ["seed=0,1", "policy.k=1,10"]
    for name in ("basic", "packed"):
        launcher = f"hydra/launcher={name}"
        started(monkeypatch, *words, launcher, f"hydra.sweep.dir={tmp_path / name}")
    assert sizes == [4]
    made = sorted(path.parent.name for path in (tmp_path / "packed").glob("*/summary.json"))
    assert len(made) == 4
    for run in made:
        assert record(tmp_path / "packed" / run) == record(tmp_path / "basic" / run)
    logs = [log.read_text() for log in sorted((tmp_path / "packed").glob("*/log.txt"))]
    assert any("4 runs side by side, 4 chains" in log for log in logs)
    assert capsys.readouterr().out.count("4 made") == 2
    started(
        monkeypatch, *words, "hydra/launcher=packed", f"hydra.sweep.dir={tmp_path / 'packed'}"
    )
    assert sizes == [4]
    assert "4 already there" in capsys.readouterr().out


def test_runs_go_on_alone_where_together_they_fail(tmp_path, monkeypatch, capsys):
    def broken(pack):
        raise RuntimeError("no pack today")

    monkeypatch.setattr(packed, "execute_pack", broken)
    words = ["-m", *VAE.split(), "metrics=[recall]", "chains=1", "generations=1", "seed=0,1"]
    started(monkeypatch, *words, "hydra/launcher=packed", f"hydra.sweep.dir={tmp_path / 'all'}")
    logs = "".join(log.read_text() for log in (tmp_path / "all").glob("*/log.txt"))
    assert "no pack today" in logs
    assert len(list((tmp_path / "all").glob("*/summary.json"))) == 2
    assert "2 made" in capsys.readouterr().out


def test_a_signal_ends_a_packed_sweep_with_its_status(tmp_path, monkeypatch, capsys):
    def signalled(pack):
        raise Stopped(143)

    monkeypatch.setattr(packed, "execute_pack", signalled)
    words = ["-m", *VAE.split(), "metrics=[recall]", "chains=1", "generations=1", "seed=0,1"]
    with pytest.raises(SystemExit) as left:
        started(monkeypatch, *words, "hydra/launcher=packed", f"hydra.sweep.dir={tmp_path}")
    assert left.value.code == 143
    said = capsys.readouterr().out
    assert said.count("not finished: seed=") == 2 and "2 not finished" in said
    left_words = [json.loads(file.read_text()) for file in tmp_path.glob(".jobs/0*.json")]
    assert [(word["state"], word["text"]) for word in left_words] == [
        ("stopped", "status 143")
    ] * 2


def test_a_study_is_drawn_after_a_packed_sweep(tmp_path, monkeypatch, capsys):
    where = f"hydra.sweep.dir={tmp_path / 'study'}"
    tiny = ["n=20", "generations=2", "model.max_iter=3", "record.generations=all"]
    started(monkeypatch, "-m", "experiment=gmm_study", "chains=2", *tiny, "seed=0,1",
            "hydra/launcher=packed", where)  # fmt: skip
    assert f"figure: {tmp_path / 'study' / 'gmm_study.png'}" in capsys.readouterr().out


def test_rows_are_read_once_for_all_runs_of_a_command(tmp_path, monkeypatch, capsys):
    read, times = Digits.read, []

    def counted(self):
        times.append(1)
        return read(self)

    monkeypatch.setattr(Digits, "read", counted)
    words = [*VAE.split(), "metrics=[recall]", "chains=1", "generations=1", "seed=0,1"]
    for k in (1, 2):
        started(monkeypatch, "-m", *words, f"hydra.sweep.dir={tmp_path / str(k)}")
        assert len(times) == k
