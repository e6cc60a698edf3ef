"""Exponential families from the command line: statistics, records, laws, what is refused."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nc_testbed.cli import train as cli
from nc_testbed.record.tables import Trajectories

COIN = ["data=bernoulli", "model=bernoulli", "policy=replace", "n=20"]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    cli.main()


def summary(path):
    return json.loads((path / "summary.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("coin") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *COIN, "chains=3000", "generations=9", f"hydra.run.dir={path}")
    return path


def test_a_run_draws_statistics_and_says_so(finished):
    facts = yaml.safe_load((finished / "config.yaml").read_text())["facts"]
    assert (facts["draw"], facts["n"], facts["real_rows"]) == ("statistics", 20, 20)
    assert facts["truth"] == {"p": 0.5}
    names = {p.name for p in (finished / "generations" / "0008").iterdir()}
    assert names == {"weights.safetensors", "statistic.safetensors", "metrics.parquet",
                     "manifest.json"}  # fmt: skip


def test_laws_stand_beside_the_means(finished):
    laws = summary(finished)["laws"]
    assert set(laws) >= {
        "mean",
        "variance",
        "heterozygosity",
        "absorbed",
        "alive_classes",
        "missing_mass",
    }
    heterozygosity = laws["heterozygosity"]
    assert heterozygosity["generations"] == list(range(9))
    assert heterozygosity["values"] == pytest.approx([0.5 * 0.95 ** (g + 1) for g in range(9)])
    assert all(abs(z) < 4 for z in heterozygosity["z"])
    assert heterozygosity["verdict"] == "pass"
    assert {law["verdict"] for law in laws.values()} <= {"pass", "inconclusive"}


def test_laws_are_drawn_in_tensorboard(finished):
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    drawn = [event.value for event in events.Scalars("laws/heterozygosity")]
    assert drawn == pytest.approx(
        summary(finished)["laws"]["heterozygosity"]["values"], rel=1e-6
    )
    assert len(events.Scalars("z against the law/heterozygosity")) == 9


@pytest.mark.parametrize(
    ("wanted", "generations"),
    [("last", [8]), ("3", [0, 3, 6, 8]), ("[7,2]", [2, 7]), ("all", list(range(9)))],
)
def test_what_is_recorded_changes_no_number(
    finished, wanted, generations, tmp_path, monkeypatch
):
    record = [f"record.generations={wanted}", "record.chains=summary"]
    run(
        monkeypatch, *COIN, "chains=3000", "generations=9", *record, f"hydra.run.dir={tmp_path}"
    )
    few = Trajectories.of(pq.read_table(tmp_path / "metrics.parquet"))
    all_of_them = Trajectories.of(pq.read_table(finished / "metrics.parquet"))
    assert few.generations.tolist() == generations
    assert few.chains == 3000
    for name, ci in all_of_them.intervals.items():
        np.testing.assert_allclose(few.intervals[name].mean, ci.mean[generations], atol=1e-14)
    names = sorted(int(p.name) for p in (tmp_path / "generations").iterdir())
    assert names == generations


@pytest.mark.parametrize("policy", ["accumulate", "collect", "anchor"])
def test_a_run_that_goes_on_ends_in_the_same_bytes(policy, tmp_path, monkeypatch):
    base = ["data=gaussian", "model=gaussian", "n=20", "chains=1100", f"policy={policy}"]
    base += ["record.generations=3", "generations=10"]
    run(monkeypatch, *base, f"hydra.run.dir={tmp_path / 'whole'}")
    run(monkeypatch, *base, f"hydra.run.dir={tmp_path / 'parts'}")
    damaged = tmp_path / "parts" / "generations" / "0006" / "weights.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    run(monkeypatch, *base, f"hydra.run.dir={tmp_path / 'parts'}")
    for name in ("metrics.parquet", "generations/0009/weights.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_rows_follow_the_same_laws_where_they_are_asked_for(tmp_path, monkeypatch):
    rows = ["sampling.draw=rows", "metrics=[parameters]", "chains=2000", "generations=5"]
    run(monkeypatch, *COIN, *rows, f"hydra.run.dir={tmp_path}")
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["facts"]["draw"] == "rows"
    laws = summary(tmp_path)["laws"]
    assert laws["heterozygosity"]["verdict"] == "pass"
    assert laws["variance"]["verdict"] == "pass"


def test_a_trillion_rows_are_a_run_like_others(tmp_path, monkeypatch):
    run(monkeypatch, "data=gaussian", "model=gaussian", "policy=accumulate", "n=1000000000000",
        "chains=500", "generations=5", f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert summary(tmp_path)["metrics"]["variance"]["last"]["mean"] == pytest.approx(
        1, abs=1e-5
    )


REFUSED = {
    "data.p=1.5": "data.p=1.5: give a number above 0 and below 1",
    "data.rows=0": "data.rows=0: give at least 1 row",
    "n=0": "n=0: give 1 to 10^15 rows",
    "n=abc": "n=abc: give a whole number or a list or {first, power} or null",
    "n=[20,30]": "n=[20, 30]: 5 generations need as many sizes",
    "n={first:0,power:2}": "n.first=0: give at least 1 row",
    "policy=anchor policy.k=21": "policy.k=21: ",
    "policy=collect policy.k=0": "policy.k=0: ",
    "policy=anchor policy.share=0.1 n={first:20,power:1}": "n=[40, ",
    "model.estimator=mpa": "model.estimator=mpa: did you mean map?",
    "model.prior_count=-1": "model.prior_count=-1.0: give a number >= 0",
    "model.prior_mean=2": "model.prior_mean=2.0: ",
    "model.penalty=0": "model.penalty=0.0: ",
    "model.estimator=l2 model.coordinates=mean": "model.coordinates=mean: ",
    "model.estimator=map model.coordinates=mean model.prior_count=0.5 n=1": "n=1: ",
    "record.generations=0": "record.generations=0: ",
    "record.generations=[99]": "record.generations=[99]: the last generation is 4",
    "record.chains=raws": "record.chains=raws: did you mean rows?",
    "sampling.draw=statistic": "sampling.draw=statistic: did you mean statistics?",
    "sampling.draw=statistics metrics=[recall]": "sampling.draw=statistics: a metric needs rows",
    "sampling.decode=mean": "sampling.decode=mean: ",
    "policy=accumulate budget=10 n=1000000000000": "n=1000000000000: ",
    "sampling.draw=rows n=1000000000000": "n=1000000000000: ",
    "policy=anchor policy.k=1 n=1000000000000": "data.rows=1000000000000: 1e+13 stored rows",
    "data=gaussian model=gaussian model.ddof=1 n=1": "n=1: this estimator needs at least 2 rows",
    "data=gaussian model=gaussian data.dim=101": "data.dim=101: ",
    "data=gaussian model=gaussian model.variance=-1": "model.variance=-1.0: ",
    "data=categorical model=categorical data.probs=[0.5,0.6]": "data.probs=[0.5, 0.6]: ",
    "data=categorical model=categorical model.prior_mean=[1]": "model.prior_mean=[1.0]: ",
    "data=ising model=ising data.spins=1": "data.spins=1: ",
    "data=linear model=linear n=3": "n=3: this estimator needs at least 5 rows",
    "data=linear model=linear data.design=same policy=anchor": "data.design=same: ",
    "data=poisson model=poisson sampling.temperature=0.5": "sampling.temperature=0.5: ",
    "sampling.temperature=0": "sampling.temperature=0.0: ",
    "policy=weighted policy@policy.inner=replace": "policy.inner=Replace: ",
    "policy=verified": "policy=Verified: it asks for the classes of rows",
    "data=blobs model=gaussian model.learn=mean": "model.variance=None: ",
    "stream=true": "stream=True: BernoulliModel is not trained in steps",
    "data=blobs model=gmm stream=true": "stream=True: GMM is not trained in steps",
    "data=blobs model=kde stream=true": "stream=True: KDE is not trained in steps",
    "data=digits model=vae stream=true policy=accumulate": "stream=True: Accumulate looks back",
    "data=digits model=vae stream=true policy=verified": "stream=True: Verified judges rows",
    "data=digits model=vae stream=true policy=reparation": "stream=True: Reparation judges rows",
    "data=digits model=vae stream=true sampling.draw=statistics": "sampling.draw=statistics: ",
    "data=blobs model=gmm metrics=[latent]": "metrics=latent: cannot apply here, it needs encoder",
    "data=wine model=conv_vae": "model._target_=ConvVAE: it convolves images",
    "data=digits model=conv_vae model.channels=[2,2,2,2]": "model.channels=[2, 2, 2, 2]: images",
    "data=gaussian model=kde model.bandwidth=0": "model.bandwidth=0.0: ",
}


@pytest.mark.parametrize("overrides", REFUSED)
def test_a_wrong_setting_ends_in_one_line(overrides, tmp_path, monkeypatch, capsys):
    path = tmp_path / "run"
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, *COIN, *overrides.split(), f"hydra.run.dir={path}")
    assert left.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"nc_testbed: {REFUSED[overrides]}"), lines[0]
    assert not path.exists()
