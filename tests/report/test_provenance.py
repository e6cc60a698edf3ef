"""Where numbers come from: records that verify, settings, and commands that give them back."""

import shlex

import pytest
from fabricated import config, run
from made import arm

from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.config.config_file import settings_hash
from nc_testbed.report import sources
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.rerun import rerun_command
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare

COMMANDS = (
    "policy=replace",
    "data=digits model=gmm policy=anchor policy.k=3 seed=7 generations=4",
    "experiment=ring policy=accumulate",
    "experiment=gaussian_grid",
    "policy=weighted policy@policy.inner=anchor policy.inner.k=4 model.lr=1e-4",
    "policy=reparation policy@policy.inner=weighted policy@policy.inner.inner=replace",
    "metrics=[recall,precision] 'n={first: 100, power: 2}' data.imbalance_ratio=null",
    "data=arrays 'data.path=\"/tmp/a b=c, true.npz\"' 'model.hidden=[16,8]'",
    "data=gaussian model=gaussian record.generations=[0,3] record.chains=summary n=[10,20]",
    "compute.precision=bf16 compute.chains=2 store=last dashboard.single_chains=true",
)


def settings(line):
    made = compose_config(shlex.split(line))
    made = {key: value for key, value in made.items() if key not in STUDY}
    return {**made, "hash": settings_hash(made), "facts": {"n": 1}}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_of_a_run_gives_its_settings_back(line):
    with configurations():
        stored = settings(line)
        made = rerun_command(stored)
        again = settings(made.removeprefix("python scripts/train.py "))
    assert again["hash"] == stored["hash"]
    assert again == stored


@pytest.mark.parametrize(
    "changes",
    [
        {"name": {"data": "of_ones_own", "model": "gmm", "policy": "replace"}},
        {"name": {"data": "digits", "model": "gmm,vae", "policy": "replace"}},
        {"name": {"data": "digits", "model": "gmm", "policy": "$(touch x)"}},
        {"a_setting_of_the_past": 3},
        {"seed": "${oc.env:HOME}"},
    ],
)
def test_no_command_is_given_that_does_not(changes):
    with configurations():
        stored = settings("data=digits model=gmm policy=replace") | changes
        assert rerun_command(stored) is None


@pytest.fixture
def made(tmp_path):
    """A real run of an exponential family, and its settings."""
    words = "data=bernoulli model=bernoulli policy=replace n=50 chains=20 generations=3"
    with configurations():
        stored = {k: v for k, v in compose_config(words.split()).items() if k not in STUDY}
    execute(prepare(stored), stored, tmp_path / "run")
    return tmp_path / "run"


def test_a_record_that_verifies_says_so_and_a_damaged_one_what(made):
    table = sources.run_table(gather_runs([made]).runs)
    (line,) = table.rows
    told = dict(zip(table.header, line, strict=True))
    assert told["record"] == "all verifies"
    assert len(told["chain head"]) == len(told["settings"]) == 12
    assert (told["referee"], told["seed"], told["device"]) == ("none", "0", "cpu")
    with open(made / "generations" / "0001" / "metrics.parquet", "r+b") as file:
        file.write(b"x")
    (line,) = sources.run_table(gather_runs([made]).runs).rows
    assert "generations/0001/metrics.parquet is altered" in line[-1]


def test_a_record_that_makes_the_check_fail_is_told_of(made, monkeypatch):
    def fails(folder):
        raise KeyError("draw")

    monkeypatch.setattr(sources, "verify", fails)
    (line,) = sources.run_table(gather_runs([made]).runs).rows
    assert line[-1] == "faults: 1, cannot be checked (KeyError)"


def test_a_large_record_is_not_read(made, monkeypatch):
    monkeypatch.setattr(sources, "VERIFIED", 100)
    monkeypatch.setattr(sources, "verify", None)
    (line,) = sources.run_table(gather_runs([made]).runs).rows
    assert line[-1] == "large: not verified here"


def test_a_run_that_was_made_is_given_its_command(made):
    ((folder, line),) = sources.rerun_commands(gather_runs([made]).runs)
    assert folder == made
    assert "policy=replace" in line and "chains=20" in line


def test_settings_that_differ_are_apart_from_those_that_all_share():
    values = {"variance": [[1.0, 1.0]] * 2}
    arms = [
        arm("anchor", values, k=1, source="fresh"),
        arm("anchor", values, k=9, source="fresh"),
    ]
    table = sources.differing_settings(arms)
    assert table.header == ["setting", "anchor k=1 source=fresh", "anchor k=9 source=fresh"]
    assert table.rows == [["policy.k", "1", "9"], ["seeds", "0", "0"]]
    common = dict(sources.common_settings(arms))
    assert common["policy.source"] == "fresh"
    assert common["n"] == "100"
    assert "policy.k" not in common


def test_lines_for_a_shell_are_quoted(tmp_path):
    folder = run(tmp_path / "a b", config())
    lines = sources.next_commands([folder], gather_runs([folder]).runs[0])
    assert shlex.split(lines["report"])[2:] == [str(folder)]
    assert shlex.split(lines["verify"])[2:] == [str(folder)]
    assert shlex.split(lines["resume"])[2:] == [f"resume={folder}", "generations=8"]
