"""What cannot be written ends a run in one line, with all that was finished in its place."""

import errno
import os
import sys

import pytest

from nc_testbed import cli
from nc_testbed.run import directory, room
from nc_testbed.run.config import stored
from nc_testbed.run.directory import RunDirectory

LAW = ["data=gaussian", "model=gaussian", "policy=replace", "n=50", "chains=20",
       "generations=4", "device=cpu"]  # fmt: skip


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
    kept = RunDirectory(path).completed(range(4), stored(path))
    assert kept == 2 and {p.name for p in (path / "generations").iterdir()} == {
        f"{g:04d}" for g in range(kept)
    }
    started(monkeypatch, path)
    assert record(path) == whole


def test_a_program_error_is_not_taken_for_the_disk(tmp_path):
    with pytest.raises(OSError, match="odd"), room.told(tmp_path):
        raise OSError(errno.EPIPE, "odd")


def test_what_was_begun_is_removed(tmp_path):
    def write():
        with room.writing(tmp_path / "a", 9, tmp_path / "b"):
            (tmp_path / "b").mkdir()
            (tmp_path / "b" / "c").write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(room.CannotWrite) as error:
        write()
    assert error.value.need == 9 and not list(tmp_path.iterdir())


def test_a_sweep_stops_there(tmp_path, monkeypatch, capsys):
    def refuse(descriptor):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(directory.os, "fsync", refuse)
    argv = ["train.py", "-m", *LAW, "seed=1,2", f"hydra.sweep.dir={tmp_path / 's'}"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert "config.yaml: Read-only file system (needs " in str(left.value.code)
    assert len([p for p in (tmp_path / "s").iterdir() if p.is_dir()]) == 1
