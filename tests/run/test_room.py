"""What cannot be written ends a run in one line, with all that was finished in its place."""

import errno
import os
import re
import sys

import pytest
import torch

from nc_testbed.cli import train as cli
from nc_testbed.config.config_file import load_config
from nc_testbed.families.gaussian import GaussianModel
from nc_testbed.record import directory
from nc_testbed.record import disk_errors as room
from nc_testbed.record.directory import RunDirectory

LAW = ["data=gaussian", "model=gaussian", "policy=replace", "n=50", "chains=20",
       "generations=4", "device=cpu"]  # fmt: skip


DOOR = "python scripts/train.py resume="


def started(monkeypatch, path, *also):
    monkeypatch.setattr(sys, "argv", ["train.py", *LAW, f"hydra.run.dir={path}", *also])
    cli.main()


def record(path):
    files = [path / "metrics.parquet", *sorted((path / "generations").rglob("*.*"))]
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


@pytest.fixture
def whole(tmp_path, monkeypatch):
    started(monkeypatch, tmp_path / "whole")
    return record(tmp_path / "whole")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EFBIG])
def test_a_refusal_is_one_line_and_the_run_goes_on_later(
    code, whole, tmp_path, monkeypatch, capsys
):
    path, put = tmp_path / "run", directory._put

    def refuse(file, data):
        put(file, data)
        if "0002" in str(file):
            raise OSError(code, os.strerror(code))

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(directory, "_put", refuse)
        with pytest.raises(SystemExit) as left:
            started(patch, path)
    line = str(left.value.code)  # the interpreter prints it and exits with 1
    assert line.startswith(f"nc_testbed: {path}/generations/000")
    assert os.strerror(code) in line and " (needs " in line and " free); " in line
    assert room.REMEDIES[code] in line and len(line.splitlines()) == 1
    assert line.endswith(f"go on with: python scripts/train.py resume={path}")
    assert capsys.readouterr().err == ""
    kept = RunDirectory(path).count_committed(range(4), load_config(path))
    assert kept == 2 and {p.name for p in (path / "generations").iterdir()} == {
        f"{g:04d}" for g in range(kept)
    }
    started(monkeypatch, path)
    assert record(path) == whole


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB\nmore"), MemoryError(),
     OSError(errno.ENOMEM, "Cannot allocate memory"), RuntimeError("could not create a primitive")],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_memory_that_holds_no_single_chain_is_one_line_too(
    error, whole, tmp_path, monkeypatch, capsys
):
    path, fit = tmp_path / "run", GaussianModel.estimate

    def starved(model, statistic):
        if len(list(path.glob("generations/*"))) == 2:
            raise error
        return fit(model, statistic)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(GaussianModel, "estimate", starved)
        with pytest.raises(SystemExit) as left:
            started(patch, path)
    line = str(left.value.code)  # the interpreter prints it and exits with 1
    assert line.startswith(f"nc_testbed: {path}: memory ran out: ") and line.isprintable()
    assert f"compute.memory=BYTES for smaller blocks, then go on with: {DOOR}{path}; " in line
    assert capsys.readouterr().err == ""
    started(monkeypatch, path)
    assert record(path) == whole


def test_memory_that_runs_out_before_anything_is_created(tmp_path, monkeypatch, capsys):
    def starved(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("nc_testbed.run.prepare.load_data", starved)
    with pytest.raises(SystemExit) as left:
        started(monkeypatch, tmp_path / "run", "sampling.draw=rows")
    said = capsys.readouterr().err
    assert left.value.code == 2 and len(said.splitlines()) == 1
    assert said.startswith(
        "nc_testbed: chains=20: memory ran out before the run began (Default"
    )
    assert not list(tmp_path.iterdir())


def test_a_program_error_is_not_taken_for_the_disk(tmp_path):
    with pytest.raises(OSError, match="odd"), room.exit_on_io_error(tmp_path):
        raise OSError(errno.EPIPE, "odd")
    with pytest.raises(RuntimeError, match="shapes"), room.exit_on_io_error(tmp_path):
        raise RuntimeError("shapes do not match")


def test_what_was_begun_is_removed(tmp_path):
    def write():
        with room.writing(tmp_path / "a", 9, tmp_path / "b"):
            (tmp_path / "b").mkdir()
            (tmp_path / "b" / "c").write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(room.CannotWrite) as error:
        write()
    assert error.value.need == 9 and not list(tmp_path.iterdir())


def test_every_job_of_a_sweep_says_so(tmp_path, monkeypatch, capsys):
    def refuse(descriptor):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(directory.os, "fsync", refuse)
    argv = ["train.py", "-m", *LAW, "seed=1,2", f"hydra.sweep.dir={tmp_path / 's'}"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert left.value.code == 1
    for seed in (1, 2):
        assert re.search(
            rf"^failed: seed={seed}: \S+config.yaml: Read-only ", said.out, re.MULTILINE
        )
    assert said.err.count("Read-only file system (needs ") == 2 and "Traceback" not in said.err
