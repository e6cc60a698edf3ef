"""The command line end to end, on digits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nc_testbed.cli import train as cli
from nc_testbed.core.errors import BadInput

ROOT = Path(__file__).parents[1]
TINY = ["data=digits", "model=gmm", "model.components=3", "model.covariance=diagonal",
        "chains=2", "generations=3", "policy=replace"]  # fmt: skip


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    cli.main()


def refused(monkeypatch, capsys, *arguments: str) -> str:
    """The one line that a refused command prints."""
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, *arguments)
    assert left.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


@pytest.fixture(scope="module", autouse=True)
def referee_cache(tmp_path_factory):
    """Referees trained by these tests go to a folder of their own."""
    before = os.environ.get("NC_TESTBED_CACHE")
    os.environ["NC_TESTBED_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["NC_TESTBED_CACHE"]
    else:
        os.environ["NC_TESTBED_CACHE"] = before


@pytest.fixture(scope="module")
def finished(tmp_path_factory, referee_cache):
    """A finished tiny run."""
    path = tmp_path_factory.mktemp("runs") / "first"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *TINY, f"hydra.run.dir={path}")
    return path


def test_a_run_leaves_what_the_design_lists(finished):
    there = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    events = {p for p in there if p.startswith("tensorboard/events.out.tfevents.")}
    tensors = [f"{name}.safetensors" for name in ("weights", "synthetic", "pictures")]
    names = (*tensors, "metrics.parquet", "manifest.json")
    generations = {f"generations/{g:04d}/{name}" for g in range(3) for name in names}
    files = {"config.yaml", "controls.json", "metrics.parquet", "summary.json"}
    assert there - events == files | {"manifest.json", "lock"} | generations
    assert len(events) == 1


def test_the_table_has_a_row_per_generation_and_chain(finished):
    table = pq.read_table(finished / "metrics.parquet")
    assert table.column_names[:2] == ["generation", "chain"]
    assert table["generation"].to_pylist() == [0, 0, 1, 1, 2, 2]
    assert table["chain"].to_pylist() == [0, 1] * 3
    assert {"recall", "precision", "coverage", "frechet", "nll"} <= set(table.column_names)


def test_the_config_and_the_summary_say_what_was_run(finished):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert config["model"]["components"] == 3
    assert config["name"] == {"data": "digits", "model": "gmm", "policy": "replace"}
    assert len(config["hash"]) == len(config["facts"]["referee"]) == 64
    assert config["record"] == {"generations": "all", "chains": "rows"}
    assert config["facts"]["draw"] == "rows"
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["policy"] == "replace"
    table = pq.read_table(finished / "metrics.parquet").to_pydict()
    last = np.mean(
        [v for v, g in zip(table["recall"], table["generation"], strict=True) if g == 2]
    )
    assert summary["metrics"]["recall"]["last"]["mean"] == pytest.approx(last)


def test_synthetic_sets_are_stored_rows(finished):
    for g in range(3):
        stored = load_file(finished / "generations" / f"{g:04d}" / "synthetic.safetensors")
        assert stored["rows"].shape[0] == 2
        assert stored["rows"].dtype == np.uint8
        pictures = load_file(finished / "generations" / f"{g:04d}" / "pictures.safetensors")
        assert pictures["pictures"].shape == (2, 64, 64)


def test_the_same_command_gives_the_same_table(finished, tmp_path, monkeypatch):
    run(monkeypatch, *TINY, f"hydra.run.dir={tmp_path / 'again'}")
    first = (finished / "metrics.parquet").read_bytes()
    assert (tmp_path / "again" / "metrics.parquet").read_bytes() == first
    run(monkeypatch, *TINY, "seed=1", f"hydra.run.dir={tmp_path / 'other'}")
    assert (tmp_path / "other" / "metrics.parquet").read_bytes() != first


def test_chains_at_once_and_their_number_change_no_chain(finished, tmp_path, monkeypatch):
    run(
        monkeypatch,
        *TINY,
        "chains=3",
        "compute.chains=1",
        f"hydra.run.dir={tmp_path / 'three'}",
    )
    two = pq.read_table(finished / "metrics.parquet").to_pydict()
    three = pq.read_table(tmp_path / "three" / "metrics.parquet").to_pydict()
    kept = [i for i, chain in enumerate(three["chain"]) if chain < 2]
    for name, column in two.items():
        assert np.array_equal(column, [three[name][i] for i in kept], equal_nan=True), name


def test_a_finished_run_is_extended_and_its_beginning_stays(
    finished, tmp_path, monkeypatch, capsys
):
    where = f"hydra.run.dir={tmp_path / 'run'}"
    run(monkeypatch, *TINY, "generations=2", where)
    kept = {p: p.read_bytes() for p in (tmp_path / "run" / "generations").rglob("*.*")}
    run(monkeypatch, *TINY, "generations=3", where)
    assert all(p.read_bytes() == data for p, data in kept.items())
    assert "generation 0/2" not in capsys.readouterr().out.split("run: ")[1]
    again = (tmp_path / "run" / "metrics.parquet").read_bytes()
    assert again == (finished / "metrics.parquet").read_bytes()
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("2 quality/recall")] == [0, 1, 2]


def test_a_damaged_generation_is_made_again(finished, tmp_path, monkeypatch):
    where = f"hydra.run.dir={tmp_path / 'run'}"
    run(monkeypatch, *TINY, where)
    victim = tmp_path / "run" / "generations" / "0001" / "synthetic.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    run(monkeypatch, *TINY, where)
    again = (tmp_path / "run" / "metrics.parquet").read_bytes()
    assert again == (finished / "metrics.parquet").read_bytes()


def test_a_directory_of_another_run_is_refused(finished, monkeypatch, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    line = refused(monkeypatch, capsys, *TINY, "seed=7", f"hydra.run.dir={finished}")
    assert "hydra.run.dir=" in line
    assert "other settings" in line
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


REFUSED = {
    "policy=anchr": "policy=anchr: did you mean anchor?",
    "polcy=anchor": "polcy=anchor: did you mean policy?",
    "chains=0": "chains=0: give at least 1 chain",
    "chains=many": "chains=many: give a whole number",
    "seed=-1": "seed=-1: ",
    "generations=1.5": "generations=1.5: give a whole number",
    "device=gpu": "device=gpu: did you mean cpu? (auto, cpu, cuda)",
    "compute.memory=1": "compute.memory=1: give at least 16777216 bytes, or auto",
    "compute.memory=lots": "compute.memory=lots: give (auto) or a whole number",
    "compute.memory=100000000000000": "compute.memory=100000000000000: this device has",
    "compute.precision=half": "compute.precision=half: use one of (auto, bf16, float32)",
    "sampling.decode=men": "sampling.decode=men: did you mean mean?",
    "+cahins=3": "cahins=3: did you mean chains?",
    "+policy.kk=3": "policy.kk=3: did you mean k?",
    "policy.kk=3": "policy.kk=3: did you mean policy.k?",
    "policy.k=-1": "policy.k=-1: ",
    "policy.k=100000": "policy.k=100000: ",
    "policy.k=1.5": "policy.k=1.5: give a whole number or null",
    "policy.source=frehs": "policy.source=frehs: did you mean fresh?",
    "policy.share=2": "policy.share=2.0: ",
    "data=mnst": "data=mnst: did you mean mnist?",
    "data.imbalance_ratio=0.5": "data.imbalance_ratio=0.5: ",
    "data.reserve=0.001": "policy.k=",
    "model.latent_dim=0": "model.latent_dim=0: ",
    "model.steps=null": "model.steps=",
    "model._target_=os.system": "model._target_=os.system: name a class of nc_testbed",
    "metrics=[recall,precison]": "metrics=precison: did you mean precision?",
    "metrics=[modes]": "metrics=modes: cannot apply here, it needs modes",
    "evaluation.rows=3": "evaluation.rows=3: ",
    "data.test_rows=3": "data.test_rows=3: metrics need at least 7 rows",
    "budget=0": "budget=0: ",
    "budget=99999": "budget=99999: ",
    "policy.k=[": "policy.k=[: cannot be read",
    "policy=null": "policy=None: use one of (accumulate, anchor",
    "policy=../model/gmm": "policy=../model/gmm: use one of (accumulate, anchor",
    "policy=anchor,replace": "policy=anchor,replace: several values make several runs",
    "~data": "~data=: a run needs it",
    "metrics=[]": "metrics=None: choose one",
    "+name=3": "name=3: ",
    "seed='a\x1b[31m\nb'": "seed=a\\x1b[31m\\nb: give a whole number",
    "seed=${oc.env:NO_SUCH_NAME}": "seed=${oc.env:NO_SUCH_NAME}: cannot be used here",
    "figure=3": "figure=3: give {study: name, ...}, or null",
    "figure={study:curves,columns:3}": "figure.columns=3: give a list",
    "extensions=[os]": "extensions=os: this is Python's own",
    "extensions=[no_such_package]": "extensions=no_such_package: no such package here",
    "model.latent_dim=1000000000000": "model=VAE: one chain takes",
    "evaluation.rows=10000000000000": "evaluation.rows=10000000000000: ",
    "hydra.sweep.dir=../x": "hydra.sweep.dir=../x: leads out of the working directory",
    "+hydra.callbacks.a._target_=os.system": "hydra.callbacks=",
    "hydra.searchpath=[pkg://os]": "hydra.searchpath=",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_wrong_setting_ends_in_one_line_and_leaves_nothing(
    override, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "run"
    base = [
        "data=digits",
        "policy=anchor",
        "policy.share=0.02",
        "policy.source=fresh",
        f"hydra.run.dir={path}",
    ]
    line = refused(monkeypatch, capsys, *base, override)
    assert line.startswith(f"nc_testbed: {REFUSED[override]}"), line
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["data=arrays", "data.path=/nowhere"], "data.path=/nowhere: "),
        (["data=arrays"], "data.path=None: "),
        (["data=mnist", "model=gmm"], "model.covariance=full: rows have 784 coordinates"),
        (["data=moons", "model=vae"], "model.likelihood=bernoulli: these rows are vectors"),
        (["data=fashion_mnist", "data.root=/nowhere"], "data.root=/nowhere: "),
        (["data=swiss_roll", "model=gmm", "metrics=[tail_mass]"], "metrics=tail_mass: "),
        (
            ["data=moons", "model=gmm", "compute.precision=bf16"],
            "compute.precision=bf16: GMM does",
        ),
        (["device=cpu", "compute.compile=true"], "compute.compile=True: only the losses of"),
    ],
)
def test_wrong_combinations(arguments, line, tmp_path, monkeypatch, capsys):
    path = tmp_path / "run"
    printed = refused(monkeypatch, capsys, *arguments, f"hydra.run.dir={path}")
    assert printed.startswith(f"nc_testbed: {line}"), printed
    assert not path.exists()


def test_every_job_of_a_sweep_is_checked_before_the_first_starts(tmp_path, monkeypatch, capsys):
    sweep = [
        "-m",
        *TINY[:-1],
        "policy=replace,anchor",
        "chains=2,0",
        f"hydra.sweep.dir={tmp_path}/s",
    ]
    assert "chains=0: " in refused(monkeypatch, capsys, *sweep)
    assert not (tmp_path / "s").exists()


def test_a_sweep_gives_every_job_a_directory(tmp_path):
    policies, seeds = ("replace", "accumulate", "anchor"), ("1", "2")
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *TINY[:-1],
               "generations=2", f"policy={','.join(policies)}", f"seed={','.join(seeds)}",
               "metrics=[recall]", f"hydra.sweep.dir={tmp_path}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    configs = [yaml.safe_load(p.read_text()) for p in tmp_path.glob("*/config.yaml")]
    jobs = {(c["name"]["policy"], str(c["seed"])) for c in configs}
    assert jobs == {(p, s) for p in policies for s in seeds}
    assert len(configs) == 6
    assert "\x1b" not in done.stdout


def test_a_users_own_model_runs(tmp_path, monkeypatch):
    """The guide's example: a package beside the project, named in extensions."""
    page = (ROOT / "docs" / "guide" / "model.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "my_models.py").write_text(code)
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    (tmp_path / "my_conf" / "model" / "blob.yaml").write_text("_target_: my_models.Blob\n")
    words = ["--config-dir", "my_conf", "extensions=[my_models]", "model=blob", "data=blobs"]
    monkeypatch.chdir(tmp_path)
    small = ["policy=replace", "chains=2", "generations=2", f"hydra.run.dir={tmp_path / 'run'}"]
    run(monkeypatch, *words, *small)
    assert (tmp_path / "run" / "summary.json").is_file()


def test_bad_input_names_key_value_and_remedy():
    error = BadInput("k", -1, "give k >= 0").within("policy")
    assert (error.key, error.value, error.remedy) == ("policy.k", -1, "give k >= 0")


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("--help", 0),
        ("--cfg=job", 0),
        ("polcy=anchor", 2),
        ("policy=anchr", 2),
        ("chains=0", 2),
        ("resume=/nowhere", 2),
    ],
)
def test_an_answer_that_needs_no_model_does_not_wait_for_one(word, left, tmp_path):
    """torch takes more than a second to import, and all else that is heavy comes with it."""
    code = (
        "import sys\nfrom nc_testbed import cli\n"
        "left = 0\ntry:\n    cli.main()\nexcept SystemExit as error:\n    left = error.code\n"
        "print(left, 'torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, word]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == f"{left} False"
