"""The view of a run: rebuilt from the record, and never a run's undoing."""

import shutil
import sys
import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nc_testbed.cli import rebuild
from nc_testbed.cli import train as cli
from nc_testbed.run import execute as module
from nc_testbed.view.tensorboard import Dashboard
from nc_testbed.view.tensorboard_view import View

LAW = ["data=gaussian", "model=gaussian", "policy=replace", "n=50", "chains=20", "device=cpu"]


def steps(run) -> dict[str, list[int]]:
    """The steps of every tag, in the order of the files."""
    kinds = ("scalars", "images", "tensors")
    found = EventAccumulator(str(run / "tensorboard"), dict.fromkeys(kinds, 0)).Reload()
    read = (found.Scalars, found.Images, found.Tensors)
    return {
        tag: [event.step for event in of(tag)]
        for kind, of in zip(kinds, read, strict=True)
        for tag in found.Tags()[kind]
    }


def started(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    cli.main()


def killed_view(monkeypatch, run, generations: int) -> None:
    """What a run leaves that was killed, if nobody cleared up: events beside older ones, the last
    one cut off, and of a generation that is not there (any more)."""

    def beside(path, settings, *_):
        return Dashboard(path / "tensorboard", settings, start=100)

    with monkeypatch.context() as patch:
        patch.setattr(module, "rebuild", beside)
        started(monkeypatch, *LAW, f"generations={generations}", f"hydra.run.dir={run}")
    (run / "summary.json").unlink()
    shutil.rmtree(run / "generations" / f"{generations - 1:04d}")
    newest = max((run / "tensorboard").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-7])


def test_no_step_is_there_twice_or_missing_after_kills(tmp_path, monkeypatch, capsys):
    whole, run = tmp_path / "whole", tmp_path / "run"
    started(monkeypatch, *LAW, "generations=6", f"hydra.run.dir={whole}")
    for generations in (2, 3, 5):
        killed_view(monkeypatch, run, generations)
    assert len(list((run / "tensorboard").iterdir())) == 3
    there = {tag: [s for s in at if s < 4] for tag, at in steps(whole).items()}
    ends = ("0 final/1 variance", "0 final/2 kl")
    assert set(ends) < set(there)
    wanted = {tag: at for tag, at in there.items() if tag not in ends}
    mean = "intervals/variance/mean"
    assert wanted[mean] == [0, 1, 2, 3] != steps(run)[mean]  # the control: left as it is
    rebuild.main([str(run)])
    assert "4 generations: " in capsys.readouterr().out
    assert steps(run) == wanted
    killed_view(monkeypatch, run, 6)
    started(monkeypatch, *LAW, "generations=6", f"hydra.run.dir={run}")  # goes on by itself too
    assert steps(run) == steps(whole)
    (run / "tensorboard" / "events.out.tfevents.0").write_bytes(b"no event")
    rebuild.main([str(run)])
    assert steps(run) == steps(whole)


def test_where_there_is_no_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        rebuild.main([str(tmp_path)])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(
        f"nc_testbed: run={tmp_path}: no run there: name a dir"
    )


def test_a_run_goes_on_without_its_view(tmp_path, monkeypatch, capsys):
    """Events are written on a thread of TensorBoard's own: its errors are heard of later."""
    from tensorboard.compat.tensorflow_stub.io.gfile import LocalFileSystem

    real, calls = LocalFileSystem.append, []

    def append(self, *arguments):
        calls.append(1)
        if len(calls) > 40:
            raise OSError(28, "No space left on device")
        return real(self, *arguments)

    monkeypatch.setattr(LocalFileSystem, "append", append)
    before = threading.excepthook
    started(monkeypatch, *LAW, "generations=4", f"hydra.run.dir={tmp_path / 'run'}")
    said = capsys.readouterr().err.splitlines()
    assert len(calls) > 40 and len(said) == 1, said
    assert "goes on without TensorBoard's view (OSError: [Errno 28] No space left" in said[0]
    assert f"python scripts/rebuild_dashboard.py {tmp_path / 'run'}" in said[0]
    assert (tmp_path / "run" / "summary.json").is_file() and threading.excepthook is before
    monkeypatch.undo()
    rebuild.main([str(tmp_path / "run")])
    assert list(range(4)) in steps(tmp_path / "run").values()


def test_any_error_of_a_view_is_said_once(tmp_path, capsys):
    def fails():
        raise ValueError("no\nboard")

    with View(fails, tmp_path) as view:
        view.generation(None)
        view.close()
    assert len(capsys.readouterr().err.splitlines()) == 1
