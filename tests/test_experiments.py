"""Every experiment runs as its file says, in a tiny size, and draws its figure."""

import sys
from pathlib import Path

import pytest
import yaml

from nc_testbed.cli import train as cli
from nc_testbed.cli.request import read_request
from nc_testbed.config.compose import configurations

EXPERIMENTS = sorted((Path(__file__).parents[1] / "conf" / "experiment").glob("*.yaml"))


def node(path):
    return yaml.safe_load(path.read_text())


def tiny(path, out):
    """The experiment with few chains, generations, steps, and one value of each swept key."""
    sweep = node(path).get("sweep") or {}
    values = {key: ("null" if v[0] is None else v[0]) for key, v in sweep.items()}
    kept = [f"{key}={value}" for key, value in values.items()]
    if "steps" in node(path).get("model", {}):
        kept += ["model.steps=5", "n=100"]
    return [
        f"experiment={path.stem}",
        "chains=3",
        "generations=3",
        f"hydra.run.dir={out}",
        *kept,
    ]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    cli.main()


def test_experiments_were_found():
    assert len(EXPERIMENTS) >= 19


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_runs_tiny_and_draws_its_figure(
    path, tmp_path, monkeypatch, capsys, device
):
    text = path.read_text()
    for word in ("# Question:", "# Command:", "# Cost:"):
        assert word in text
    assert f"experiment={path.stem}" in text.split("# Command:")[1].splitlines()[0]
    where = "auto" if device.type == "cuda" else "cpu"  # auto: some families are for a CPU
    run(monkeypatch, *tiny(path, tmp_path / "run"), f"device={where}")
    assert (tmp_path / "run" / "summary.json").is_file()
    drawn = (tmp_path / "run" / f"{path.stem}.png").is_file()
    assert drawn == bool(node(path).get("figure"))
    assert drawn == (f"figure: {tmp_path / 'run'}" in capsys.readouterr().out)


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize(
    "path", [p for p in EXPERIMENTS if node(p).get("full")], ids=lambda p: p.stem
)
def test_the_full_size_of_an_experiment_can_be_run(path, end):
    """Composed and prepared, with the first and with the last value of every key."""
    size = (node(path).get("sweep") or {}) | node(path)["full"]
    values = {
        key: value[end] if isinstance(value, list) else value for key, value in size.items()
    }
    texts = {k: "null" if v is None else str(v).replace("\\$", "$") for k, v in values.items()}
    kept = [f"{key}={text}" for key, text in texts.items()]
    with configurations():
        read_request([f"experiment={path.stem}", "size=full", *kept], False, [])


def test_a_study_sweeps_draws_over_its_runs_and_yields_to_the_command_line(
    tmp_path, monkeypatch, capsys
):
    small = ["experiment=fresh_or_fixed", "chains=20", "generations=3", "n=10"]
    run(monkeypatch, *small, "policy.k=2", f"hydra.sweep.dir={tmp_path / 'all'}")
    configs = [node(p) for p in (tmp_path / "all").glob("*/config.yaml")]
    assert sorted(c["policy"]["source"] for c in configs) == ["fixed", "fresh", "pool"]
    assert {c["policy"]["k"] for c in configs} == {2}
    assert (tmp_path / "all" / "fresh_or_fixed.png").is_file()
    given = ["policy.source=fresh,pool", f"hydra.sweep.dir={tmp_path / 'two'}"]
    run(monkeypatch, "-m", *small, *given)
    assert len(list((tmp_path / "two").glob("*/config.yaml"))) == 2


def test_the_full_size_replaces_what_is_not_given(tmp_path, monkeypatch):
    given = ["experiment=fresh_or_fixed", "chains=20", "generations=3", "policy.k=2"]
    full = "full={n: 12, policy.k: 5, policy.source: [fresh, pool]}"
    run(monkeypatch, *given, "size=full", full, f"hydra.sweep.dir={tmp_path / 'all'}")
    configs = [node(p) for p in (tmp_path / "all").glob("*/config.yaml")]
    assert sorted(c["policy"]["source"] for c in configs) == ["fresh", "pool"]
    assert {(c["n"], c["policy"]["k"]) for c in configs} == {(12, 2)}
    assert not {"size", "full", "sweep", "figure"} & set(configs[0])


def test_one_full_size_is_one_run(tmp_path, monkeypatch):
    given = ["experiment=ring", "chains=2", "generations=2", "data.rows=40", "metrics=[modes]"]
    run(monkeypatch, *given, "size=full", "full={n: 30}", f"hydra.run.dir={tmp_path / 'run'}")
    assert node(tmp_path / "run" / "config.yaml")["n"] == 30


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["figure.study=zipff"], "figure.study=zipff: did you mean zipf?"),
        (["+figure.colour=red"], "figure.colour=red: "),
        (["experiment=zipff"], "experiment=zipff: did you mean zipf?"),
        (["sweep={n: 3}"], "sweep={'n': 3}: give {key: [values]}"),
        (["size=huge"], "size=huge: give quick or full"),
        (["size=full"], "size=full: this experiment has one size; leave it out"),
        (["size=full", "full={n: -3}"], "n=-3: give "),
    ],
)
def test_a_wrong_study_is_refused_before_it_runs(
    arguments, line, tmp_path, monkeypatch, capsys
):
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, "experiment=zipf", *arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"nc_testbed: {line}")
    assert not (tmp_path / "run").exists()


def test_one_directory_for_many_runs_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "experiment=fresh_or_fixed", f"hydra.run.dir={tmp_path / 'run'}")
    assert "give out=, or hydra.sweep.dir" in capsys.readouterr().err
