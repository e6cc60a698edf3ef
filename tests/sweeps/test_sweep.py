"""Sweeps that are stopped, started again, extended and changed; jobs that fail."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from nc_testbed.cli import train as cli
from nc_testbed.record import lock
from nc_testbed.run.execute import execute

COIN = [
    "data=bernoulli",
    "model=bernoulli",
    "policy=replace",
    "n=20",
    "chains=5",
    "generations=3",
]


def sweep(monkeypatch, *words: str) -> int:
    """Run the command line; its exit status."""
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", *COIN, *words])
    try:
        cli.main()
    except SystemExit as left:
        return left.code or 0
    return 0


@pytest.fixture
def started(monkeypatch):
    """Which runs were executed, by seed and n."""
    seen = []

    def noted(prepared, config, path):
        seen.append((config["seed"], config["n"]))
        execute(prepared, config, path)

    monkeypatch.setattr("nc_testbed.sweeps.job.execute", noted)
    return seen


def contents(folder: Path) -> dict[str, bytes]:
    """The record of every job: what a view, a log and a lock are no part of."""
    files = (p for p in folder.glob("*-*/**/*") if p.is_file() and "tensorboard" not in p.parts)
    kept = (
        p for p in files if p.name not in ("log.txt", "lock", "summary.json", "manifest.json")
    )
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


def jobs(folder: Path) -> list[str]:
    return sorted(p.parent.name for p in folder.glob("*/config.yaml"))


def test_a_sweep_that_is_done_is_not_made_again(tmp_path, monkeypatch, capsys, started):
    words = ["seed=1,2", f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*-*/**/*")}
    assert len(started) == 2 and len(before) > 20
    capsys.readouterr()

    def load(*_):
        raise AssertionError("data are read")

    monkeypatch.setattr("nc_testbed.run.prepare.prepare", load)
    monkeypatch.setattr("nc_testbed.sweeps.job.prepare_run", load)
    assert sweep(monkeypatch, *words) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:3] for line in said[:2]] == [
        ["1/2", "seed=1", "already there"],
        ["2/2", "seed=2", "already there"],
    ]
    assert said[2].startswith(f"2 runs in {tmp_path}: 2 already there")
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("*-*/**/*")} == before


def test_more_values_in_any_order_and_way_of_writing_keep_what_is_there(
    tmp_path, monkeypatch, started
):
    where = f"hydra.sweep.dir={tmp_path}"
    assert sweep(monkeypatch, "seed=1,2", where) == 0
    assert sweep(monkeypatch, "seed=3,2,1", where) == 0
    assert sweep(monkeypatch, "seed=2", "n=20,30", where) == 0
    assert sweep(monkeypatch, "seed=2", where) == 0
    assert started == [(1, 20), (2, 20), (3, 20), (2, 30)]
    assert len(jobs(tmp_path)) == 4


def test_a_half_done_job_is_continued_to_the_same_bytes(tmp_path, monkeypatch, started):
    words = ["seed=1,2", f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    whole, folder = contents(tmp_path), tmp_path / jobs(tmp_path)[1]
    for name in ("manifest.json", "summary.json", "metrics.parquet"):
        (folder / name).unlink()
    shutil.rmtree(folder / "generations" / "0002")
    kept = (folder / "generations" / "0001" / "manifest.json").stat().st_mtime_ns
    assert sweep(monkeypatch, *words) == 0
    assert started == [(1, 20), (2, 20), (2, 20)]
    assert (folder / "generations" / "0001" / "manifest.json").stat().st_mtime_ns == kept
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("name", ["summary.json", "metrics.parquet", "config.yaml"])
def test_a_job_whose_record_is_damaged_is_not_taken_for_done(
    name, tmp_path, monkeypatch, started
):
    words = ["seed=1", f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    file = tmp_path / jobs(tmp_path)[0] / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"?" + whole[-8:])
    assert sweep(monkeypatch, *words) == 0
    assert len(started) == 2
    if name != "summary.json":  # which holds the seconds that it took
        assert file.read_bytes() == whole


def test_other_settings_are_named_and_get_a_directory_of_their_own(
    tmp_path, monkeypatch, capsys, started
):
    where = f"hydra.sweep.dir={tmp_path}"
    assert sweep(monkeypatch, "seed=1,2", where) == 0
    first = jobs(tmp_path)
    capsys.readouterr()
    assert sweep(monkeypatch, "seed=1,2", "n=30", where) == 0
    said = capsys.readouterr().out.splitlines()[0]
    expected = "2 runs made anew, since settings differ from what is there: n: 20 -> 30"
    assert said == f"{expected} ({first[0]})"
    assert len(jobs(tmp_path)) == 4 and set(first) < set(jobs(tmp_path))
    assert {yaml.safe_load((tmp_path / j / "config.yaml").read_text())["n"] for j in first} == {
        20
    }


def test_what_another_version_has_made_is_said(tmp_path, monkeypatch, capsys):
    words = ["seed=1,2", f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    monkeypatch.setattr("nc_testbed.__version__", "99.0")
    capsys.readouterr()
    assert sweep(monkeypatch, *words) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("2 runs made with nc_testbed ") and said.endswith("this is 99.0")


def test_a_sweep_goes_on_with_more_generations(tmp_path, monkeypatch, started):
    where = f"hydra.sweep.dir={tmp_path}"
    assert sweep(monkeypatch, "seed=1,2", where) == 0
    first = jobs(tmp_path)
    assert sweep(monkeypatch, "seed=1,2", "generations=5", where) == 0
    assert jobs(tmp_path) == first
    assert len(list(tmp_path.glob("*/generations/0004"))) == 2
    assert len(started) == 4


@pytest.mark.parametrize("key", ["generations=2,3", "store=all,none", "compute.chains=1,2"])
def test_jobs_that_differ_in_what_decides_no_result_are_apart(
    key, tmp_path, monkeypatch, started
):
    words = [key, f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    assert sweep(monkeypatch, *words) == 0
    assert len(jobs(tmp_path)) == 2 and len(started) == 2


def test_a_value_that_is_given_twice_is_run_once(tmp_path, monkeypatch, capsys, started):
    assert sweep(monkeypatch, "seed=1,1", f"hydra.sweep.dir={tmp_path}") == 0
    assert len(started) == len(jobs(tmp_path)) == 1
    assert "1 made, 1 already there" in capsys.readouterr().out


def test_a_failed_job_is_told_of_and_the_others_are_made(tmp_path, monkeypatch, capsys):
    def failing(prepared, config, path):
        if config["seed"] == 2:
            raise MemoryError("no room\nfor more")
        if config["seed"] == 3:
            raise SystemExit("nc_testbed: x: No space left on device")
        execute(prepared, config, path)

    words = ["seed=1,2,3,4", f"hydra.sweep.dir={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nc_testbed.sweeps.job.execute", failing)
        assert sweep(monkeypatch, *words) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[1].startswith("2/4  seed=2  FAILED  MemoryError: no room")
    assert lines[4].startswith(f"4 runs in {tmp_path}: 2 made, 2 failed; ")
    log = next(tmp_path.glob("seed=2-*")) / "log.txt"
    assert lines[5] == f"failed: seed=2: MemoryError: no room (see {log})"
    assert lines[6].startswith("failed: seed=3: x: No space left on device (see ")
    assert "Traceback" in log.read_text() and "Traceback" not in said.out + said.err
    assert len(jobs(tmp_path)) == 2
    assert sweep(monkeypatch, *words) == 0
    assert "2 made, 2 already there" in capsys.readouterr().out


def test_what_jobs_print_lies_in_their_directories(tmp_path, monkeypatch, capsys):
    assert sweep(monkeypatch, "seed=1,2", f"hydra.sweep.dir={tmp_path}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("1/2  seed=1  heterozygosity ") and lines[0].endswith(" left")
    for job in jobs(tmp_path):
        assert "generation 2/2" in (tmp_path / job / "log.txt").read_text()


def test_long_and_strange_values_have_directories(tmp_path, monkeypatch, started):
    """Values of 300 characters, beyond ASCII, and with slashes."""
    names = [f"{tmp_path}/{name}.npz" for name in ("é" * 100, "a b'c", "x" * 100)]
    import numpy as np

    for name in names:
        np.savez(name, x=np.random.default_rng(1).normal(size=(60, 3)))
    quoted = [name.replace("'", r"\'") for name in names]
    paths = ",".join(f"'{name}'" for name in quoted)
    words = ["data=arrays", "model=gmm", "model.components=1", f"data.path={paths}"]
    assert sweep(monkeypatch, *words, "n=null", f"hydra.sweep.dir={tmp_path / 's'}") == 0
    assert len(jobs(tmp_path / "s")) == 3
    assert all(len(os.fsencode(job)) < 150 for job in jobs(tmp_path / "s"))
    assert sweep(monkeypatch, *words, "n=null", f"hydra.sweep.dir={tmp_path / 's'}") == 0
    assert len(started) == 3


def test_a_relative_directory_and_one_with_strange_letters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sweep(monkeypatch, "seed=1", "hydra.sweep.dir='it\\'s {é}, here'") == 0
    assert len(jobs(tmp_path / "it's {é}, here")) == 1


def test_two_sweeps_in_one_directory_are_refused(tmp_path, monkeypatch, capsys):
    with lock.run_lock(tmp_path):
        assert sweep(monkeypatch, "seed=1", f"hydra.sweep.dir={tmp_path}") == 2
    line = capsys.readouterr().err
    assert line.startswith(f"nc_testbed: hydra.sweep.dir={tmp_path}: pid ")
    assert line.count("\n") == 1


def test_a_run_that_another_process_makes_is_waited_for(tmp_path, monkeypatch, capsys, started):
    words = ["seed=1", f"hydra.sweep.dir={tmp_path}"]
    assert sweep(monkeypatch, *words) == 0
    folder = tmp_path / jobs(tmp_path)[0]
    sealed = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    other = lock.run_lock(folder)
    other.__enter__()

    def done(_):
        (folder / "manifest.json").write_bytes(sealed)
        other.__exit__(None, None, None)

    monkeypatch.setattr("nc_testbed.sweeps.job.time.sleep", done)
    assert sweep(monkeypatch, *words) == 0
    assert len(started) == 2  # the second was turned away
    assert "1 already there" in capsys.readouterr().out


def test_the_hash_in_a_name_is_that_of_the_settings(tmp_path, monkeypatch):
    assert sweep(monkeypatch, "seed=1", f"hydra.sweep.dir={tmp_path}") == 0
    job = jobs(tmp_path)[0]
    assert json.loads((tmp_path / job / "summary.json").read_text())["hash"][:12] == job[-12:]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["hydra/launcher=rey"], "hydra/launcher=rey: did you mean ray?"),
        (
            ["hydra/launcher=joblib", "hydra.launcher.n_jobs=many"],
            "hydra.launcher.n_jobs=many: ",
        ),
        (["seed=interval(1,3)"], "seed=interval(1,3): list what is swept over"),
        (["hydra/sweeper=optuna", "seed=interval(1,3)"], "objective=None: a search needs one"),
        (["objective={metric: 3}"], "objective.metric=3: "),
        (["objective={metrik: x}"], "objective={'metrik': 'x'}: give {metric: name}"),
        (["objective={metric: x,smallest: n}"], "objective.smallest=n: give both"),
        (["objective={metric: x,smallest: k,at_least: 1}"], "objective.smallest=k: no number"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nc_testbed.sweeps.engines._is_installed", lambda plugin: True)
    assert sweep(monkeypatch, *words, f"hydra.sweep.dir={tmp_path / 's'}") == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"nc_testbed: {line}") and said.err.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("engine", ["launcher=joblib", "launcher=slurm", "launcher=submitit_local",
                                    "launcher=ray", "sweeper=optuna"])  # fmt: skip
def test_an_engine_that_is_not_installed_is_named(engine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nc_testbed.sweeps.engines._is_installed", lambda plugin: False)
    assert sweep(monkeypatch, f"hydra/{engine}", f"hydra.sweep.dir={tmp_path / 's'}") == 2
    extra = engine.partition("=")[2].replace("submitit_local", "slurm")
    line = f"nc_testbed: hydra/{engine}: needs pip install 'nc_testbed[{extra}]'\n"
    assert capsys.readouterr().err == line
    assert not (tmp_path / "s").exists()
