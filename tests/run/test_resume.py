"""Going on: with resume=, after damage, with sets that were not kept, and one at a time."""

import hashlib
import re
import shutil
import sys
import time

import numpy as np
import pytest

from nc_testbed.cli import train as cli
from nc_testbed.cli.rebuild import rebuild_view
from nc_testbed.cli.resume import run_settings
from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.config.config_file import LAST, settings_hash
from nc_testbed.core.errors import BadInput
from nc_testbed.loop.closed_loop import draw_again
from nc_testbed.record import lock
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.verify import verify
from nc_testbed.run.execute import check_directory, execute
from nc_testbed.run.prepare import prepare


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The words of a tiny run on rows of one's own."""
    path = tmp_path_factory.mktemp("data") / "x.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(60, 3)))
    return ["data=arrays", f"data.path={path}", "model=gmm", "model.components=2", "chains=2",
            "model.covariance=diagonal", "metrics=[parameters]", "policy=accumulate"]  # fmt: skip


def run(monkeypatch, *words) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, words)])
    cli.main()


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *base, "generations=3", f"hydra.run.dir={path}")
    return path


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def contents(path) -> dict[str, bytes]:
    files = [path / "metrics.parquet", *(path / "generations").rglob("*")]
    return {str(p.relative_to(path)): p.read_bytes() for p in files if p.is_file()}


def refused(monkeypatch, capsys, *words) -> str:
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, *words)
    captured = capsys.readouterr()
    assert (left.value.code, captured.out, captured.err.count("\n")) == (2, "", 1), captured
    return captured.err.removeprefix("nc_testbed: ")


def test_a_run_goes_on_in_its_own_directory(
    base, finished, copy, tmp_path, monkeypatch, capsys
):
    shutil.rmtree(copy / "generations" / "0001")
    run(monkeypatch, f"resume={copy}")
    out = capsys.readouterr().out
    assert "generation 1: manifest.json is missing; it is made again" in out
    assert "generation 2: comes after one that is rejected; it is made again" in out
    assert contents(copy) == contents(finished)
    run(monkeypatch, f"resume={copy}", "generations=4", "compute.chains=1")
    run(monkeypatch, *base, "generations=4", f"hydra.run.dir={tmp_path / 'whole'}")
    assert contents(copy) == contents(tmp_path / "whole")
    assert verify(copy).faults == []
    assert {p.name for p in tmp_path.iterdir()} == {"run", "whole"}


def test_resume_refuses_what_contradicts_the_run(copy, tmp_path, monkeypatch, capsys):
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    for words, line in {
        ("seed=7",): "seed=7: .* other settings",
        ("policy=replace",): "policy=replace: .* other settings",
        ("generatins=4",): "generatins=4: .* did you mean generations",
        ("store=some",): "store=some: ",
        ("generations=0",): "generations=0: ",
        ("-m",): "resume=given: ",
    }.items():
        assert re.match(line, refused(monkeypatch, capsys, f"resume={copy}", *words))
    assert "no run there" in refused(monkeypatch, capsys, f"resume={tmp_path}")
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


def test_damaged_settings_are_written_anew_by_the_same_command(base, copy, monkeypatch, capsys):
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("generations: 3", "generations: 9", 1))
    assert "config.yaml is altered" in refused(monkeypatch, capsys, f"resume={copy}")
    where = f"hydra.run.dir={copy}"
    assert "other settings" in refused(monkeypatch, capsys, *base, "seed=3", where)
    run(monkeypatch, *base, "generations=3", where)
    assert (copy / "config.yaml").read_text() == text
    assert "made again" not in capsys.readouterr().out


def hashed(body: bytes) -> bytes:
    """A config.yaml whose last line is right: a hash is no signature, anybody can make one."""
    return body + f"{LAST}{hashlib.sha256(body).hexdigest()}\n".encode()


HOSTILE = {
    "deep": b"hash: x\na: " + b"[" * 100_000,
    "digits": b"hash: x\nseed: " + b"9" * 5000 + b"\n",
    "code": b"hash: !!python/object/apply:os.system ['touch executed']\n",
    "no YAML": b"a: [1\n",
    "no text": b"\xff\xfe",
    "nothing": b"",
    "a list": b"- 1\n",
    "no hash": b"a: 1\n",
    "another hash": b"hash: x\n",
    "no groups": f"seed: 0\nhash: {settings_hash({'seed': 0})}\n".encode(),
    "no settings": f"generations: x\nhash: {settings_hash({})}\n".encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_settings_that_somebody_has_made_up_are_refused_in_time(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_bytes(hashed(HOSTILE[name]))
    began = time.monotonic()
    for door in (
        lambda: run_settings(tmp_path),
        lambda: rebuild_view(tmp_path, tmp_path / "tensorboard"),
    ):
        with pytest.raises(BadInput, match="config.yaml"):
            door()
    assert verify(tmp_path).faults == [
        "config.yaml is missing, altered, or not of this version"
    ]
    with pytest.raises(BadInput, match="name another directory"):
        check_directory(tmp_path, {"seed": 1})
    assert time.monotonic() - began < 5
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


def test_a_config_yaml_of_something_else_stays(base, tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yaml").write_text("mine: 1\n")
    line = refused(monkeypatch, capsys, *base, f"hydra.run.dir={tmp_path}")
    assert "no run's" in line
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


def test_a_run_does_not_go_on_from_other_data(base, tmp_path, monkeypatch, capsys):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.random.default_rng(1).normal(size=(60, 3)))
    words = [*base, f"data.path={path}", "generations=1", f"hydra.run.dir={tmp_path / 'run'}"]
    run(monkeypatch, *words)
    before = contents(tmp_path / "run")
    np.savez(path, x=np.random.default_rng(2).normal(size=(60, 3)))
    capsys.readouterr()
    assert "other real data" in refused(monkeypatch, capsys, *words)
    assert contents(tmp_path / "run") == before


def test_a_second_writer_is_told_of_the_first(base, copy, monkeypatch, capsys):
    with lock.run_lock(copy):
        before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
        for words in ([f"resume={copy}"], [*base, "generations=3", f"hydra.run.dir={copy}"]):
            line = refused(monkeypatch, capsys, *words)
            assert re.match(r"hydra.run.dir=.*: pid \d+ on \S+ is writing there", line)
        assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before
    run(monkeypatch, f"resume={copy}")


MODELS = {
    "gmm": [],
    "vae": ["model=vae", "model.likelihood=gaussian", "model.hidden=[8]", "model.latent_dim=2",
            "model.steps=4", "model.batch_size=8", "metrics=[likelihood]"],
    "kde": ["model=kde"],
    "gaussian": ["data=gaussian", "model=gaussian", "sampling.draw=rows", "n=50"],
    "window": ["policy=anchor"],
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_sets_that_were_not_kept_are_drawn_again_to_the_bit(base, name, tmp_path, monkeypatch):
    words = [w for w in base if not (name == "gaussian" and w.startswith("data"))]
    words = [w for w in words if not w.startswith("model") or name in ("gmm", "window")]
    words = [w for w in words if not w.startswith("policy") or name != "window"]
    with configurations():
        config = compose_config([*words, *MODELS[name], "generations=4"])
    config = {key: value for key, value in config.items() if key not in STUDY}
    for store in ("all", "none", "last"):
        commit = RunDirectory.commit
        chosen, path = config | {"store": store}, tmp_path / store
        if store != "all":  # ended after two generations, without a word
            monkeypatch.setattr(RunDirectory, "commit", _ends(commit, 2))
            with pytest.raises(KeyboardInterrupt):
                execute(prepare(chosen), chosen, path)
            monkeypatch.setattr(RunDirectory, "commit", commit)
        execute(prepare(chosen), chosen, path)
        assert verify(path).faults == []
    sets = {s: [g for g in range(4) if _kept(tmp_path / s, g)] for s in ("all", "last", "none")}
    assert sets == {"all": [0, 1, 2, 3], "last": [3], "none": []}
    whole, drawn = contents(tmp_path / "all"), contents(tmp_path / "none")
    assert drawn.items() >= {k: v for k, v in whole.items() if _result(k)}.items()
    assert (
        contents(tmp_path / "last").items()
        >= {k: v for k, v in whole.items() if _result(k)}.items()
    )
    world, directory = prepare(config).run(print), RunDirectory(tmp_path / "all")
    for g in range(4):
        fit = world.model.restore(directory.weights(g), world.data.space)
        assert directory.is_synthetic(g, draw_again(world, fit, g))
    assert not directory.is_synthetic(1, directory.synthetic(2))


def _ends(commit, after: int):
    def ending(self, generation, config):
        if generation.number == after:
            raise KeyboardInterrupt
        commit(self, generation, config)

    return ending


def _kept(path, generation: int) -> bool:
    return (path / "generations" / f"{generation:04d}" / "synthetic.safetensors").exists()


def _result(name: str) -> bool:
    return not name.endswith(("synthetic.safetensors", "manifest.json"))


def test_rows_that_cannot_be_drawn_as_recorded_end_in_one_line(
    base, tmp_path, monkeypatch, capsys
):
    where = tmp_path / "run"
    run(monkeypatch, *base, "generations=2", "store=none", f"hydra.run.dir={where}")
    capsys.readouterr()
    monkeypatch.setattr(
        "nc_testbed.run.execute.draw_again", lambda w, fit, g: draw_again(w, fit, g) + 1e-9
    )
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, f"resume={where}", "generations=3")
    assert left.value.code == 2
    assert "store=" in (line := capsys.readouterr().err) and "cannot be drawn again" in line
