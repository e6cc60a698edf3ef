"""The lines that end a sweep hold policies against each other, within chains."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from nc_testbed.cli import train
from nc_testbed.sweeps.policy_differences import SHOWN, MadeRun, difference_lines

COLUMNS = {"tail_coverage": {"low": 0, "high": 1, "worse": "lower", "headline": 1}}
RNG = np.random.default_rng(0)
COMMON = RNG.uniform(0.1, 0.7, size=10)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make a run of these last values; its records are read from memory."""
    monkeypatch.setattr(
        "nc_testbed.sweeps.policy_differences.load_config",
        lambda path: {"facts": {"columns": COLUMNS}},
    )

    def make(policy, last, seed=0, n=100, **keys):
        folder = tmp_path / f"{policy}-{seed}-{n}-{keys}"
        folder.mkdir()
        R = len(last)
        table = {"generation": [0] * R + [1] * R, "chain": [*range(R)] * 2}
        table["tail_coverage"] = [0.9] * R + list(last)
        pq.write_table(pa.table(table), folder / "metrics.parquet")
        config = {"name": {"policy": policy}, "policy": keys, "seed": seed, "n": n}
        return MadeRun(folder, config | {"generations": 2})

    return make


def test_each_policy_is_held_against_the_first_within_chains(made):
    gain = 0.1 + 0.02 * RNG.normal(size=10)
    runs = [made("replace", COMMON), made("anchor", COMMON + gain), made("real", COMMON + 0.2)]
    first, second = difference_lines(runs)
    t = stats.ttest_1samp(gain, 0).confidence_interval()
    assert first == (
        f"tail_coverage at generation 1: anchor less replace "
        f"{gain.mean():.3f} [{t.low:.3f}, {t.high:.3f}], 10 paired chains"
    )
    assert second.startswith("tail_coverage at generation 1: real less replace 0.20 [")
    assert not second.startswith(
        "tail_coverage at generation 1: real less replace 0.20 [0.20, 0.2"
    )


def test_seeds_count_together_and_only_shared_chains_are_paired(made):
    runs = [made("replace", COMMON, seed=s) for s in (1, 2)]
    runs += [made("anchor", COMMON[::-1], seed=s) for s in (2, 3)]
    (line,) = difference_lines(runs)
    assert line.endswith(", 10 paired chains")
    runs += [made("anchor", COMMON[::-1], seed=1)]
    (line,) = difference_lines(runs)
    assert line.endswith(", 20 paired chains")


def test_runs_that_differ_in_more_than_their_policy_are_not_compared(made):
    apart = [made("replace", COMMON, n=100), made("anchor", COMMON, n=200)]
    assert difference_lines(apart) == []
    together = [*apart, made("anchor", COMMON, n=100, k=5), made("anchor", COMMON, n=100, k=9)]
    lines = difference_lines(together)
    assert [line.partition(": ")[2].split(" less ")[0] for line in lines] == [
        "anchor k=5",
        "anchor k=9",
    ]


def test_many_differences_are_counted(made):
    runs = [made("replace", COMMON), *(made("anchor", COMMON, k=k) for k in range(SHOWN + 3))]
    lines = difference_lines(runs)
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "3 more differences: make a report"


def test_a_table_that_cannot_be_read_has_no_line(made):
    runs = [made("replace", COMMON), made("anchor", COMMON)]
    (runs[1].path / "metrics.parquet").write_bytes(b"?")
    assert difference_lines(runs) == []
    (runs[0].path / "metrics.parquet").unlink()
    assert difference_lines(runs) == []


def test_a_sweep_ends_with_them(tmp_path, monkeypatch, capsys):
    coin = ["data=bernoulli", "model=bernoulli", "n=20", "generations=3"]
    words = [*coin, "policy=replace,real", "chains=8", f"hydra.sweep.dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["train.py", "-m", *words])
    train.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("2 runs in ")
    assert lines[3].startswith("heterozygosity at generation 2: real less replace ")
    assert lines[3].endswith("], 8 paired chains")
    assert len(lines) == 4
