"""The benchmark runs and says what it measured; times themselves are not tested."""

import json
import math
import sys

import pytest
import torch
from sklearn.mixture import GaussianMixture

from nc_testbed.bench import (
    family_chains,
    floor,
    gmm_fit,
    metric_times,
    packed_sweep,
    scaling,
    vae_epoch,
    whole_runs,
)
from nc_testbed.bench.command import BenchSettings, run
from nc_testbed.bench.vae_epoch import Usual
from nc_testbed.cli import bench as verb
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop import closed_loop as loop
from nc_testbed.models.vae import VAE


def test_a_row_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(family_chains, "GENERATIONS", 2)
    monkeypatch.setitem(vae_epoch.EPOCH, "cpu", 64)
    monkeypatch.setattr(vae_epoch, "BATCH", 32)
    monkeypatch.setitem(vae_epoch.CHAINS, "cpu", (1, 2))
    monkeypatch.setitem(vae_epoch.USUAL, "cpu", 2)
    monkeypatch.setitem(gmm_fit.MIXTURES, "cpu", (2, 3))
    monkeypatch.setattr(gmm_fit, "STEPS", 3)
    monkeypatch.setattr(floor, "COPIED", 1000)
    monkeypatch.setattr(metric_times, "REAL", 200)
    monkeypatch.setattr(metric_times, "SYNTHETIC", 150)
    tiny = "data=blobs model=gmm metrics=parameters chains=2"
    monkeypatch.setattr(whole_runs, "DEFAULT", f"{tiny} generations=2")
    monkeypatch.setattr(
        whole_runs, "MIXTURES", "experiment=gmm_study chains=2 generations=2 n=50"
    )
    monkeypatch.setattr(whole_runs, "LOOPED", 1)
    monkeypatch.setattr(whole_runs, "ACCUMULATE", f"{tiny} policy=accumulate generations=3")
    monkeypatch.setitem(scaling.CHAINS, "cpu", (1, 2))
    monkeypatch.setitem(scaling.STEPS, "cpu", 1)
    monkeypatch.setattr(scaling, "ROWS", (20, 40))
    monkeypatch.setattr(scaling, "GENERATIONS", 2)
    monkeypatch.setattr(scaling, "ACCUMULATE", f"{tiny} policy=accumulate")
    sweep = (f"{tiny} generations=2", ["seed=0", "seed=1"])
    monkeypatch.setattr(packed_sweep, "SWEEPS", {"two": sweep})
    table = run(BenchSettings(chains=10), torch.device("cpu"), tmp_path / "bench")
    content = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert table.count("VAE epoch per chain, R = ") == 4
    assert all(math.isfinite(row["value"]) and row["seconds"] for row in content["rows"])
    assert all(row["value"] > 0 for row in content["rows"] if row["unit"] != "slope")
    scales = [row for row in content["rows"] if row["unit"] == "slope"]
    assert [row["sizes"] for row in scales] == [[1, 2], [20, 40], [1, 2]]
    assert all(len(row["seconds"]) == len(row["sizes"]) for row in scales)
    assert content["facts"]["torch"] == torch.__version__


def test_both_arms_of_the_autoencoder_are_the_same_network_and_the_same_work():
    hidden = (vae_epoch.HIDDEN,)
    sizes = {"batch_size": vae_epoch.BATCH, "latent_dim": vae_epoch.LATENT}
    model = VAE(steps=None, epochs=1, hidden=hidden, **sizes)
    ours = model._initial(Space((28, 28), image=True), RandomStreams(0, (0,))("init"))
    theirs = sum(p.numel() for p in Usual().parameters())
    assert sum(weight.numel() for weight in ours.values()) == theirs
    for rows in vae_epoch.EPOCH.values():
        assert model.updates(rows) == len(torch.arange(rows).split(vae_epoch.BATCH))


def test_both_arms_of_the_mixture_study_have_the_same_settings(monkeypatch):
    made = []

    def watched(*arguments, **settings):
        made.append(GaussianMixture(*arguments, **settings))
        return made[-1]

    monkeypatch.setattr(whole_runs, "GaussianMixture", watched)
    overrides = "experiment=gmm_study chains=2 generations=3 n=50 model.start=warm"
    world = whole_runs.loop_of(torch.device("cpu"), overrides)
    assert whole_runs.scikit_learn_loop(world, 2) >= 1
    ours = world.model
    for theirs in made:
        assert theirs.means_.shape == (ours.components, world.data.space.size)
        assert (theirs.tol, theirs.reg_covar) == (ours.tolerance, ours.floor)
        assert (theirs.max_iter, theirs.warm_start) == (ours.max_iter, True)
    assert len(made) == 2


def test_the_share_of_metrics_is_the_time_in_measure(monkeypatch):
    overrides = "data=blobs model=gmm metrics=parameters chains=2 generations=3"
    world = whole_runs.loop_of(torch.device("cpu"), overrides)
    measure = loop.measure
    with whole_runs.timed_metrics(torch.device("cpu")) as seconds:
        records = [generation.record for generation in loop.closed_loop(world)]
    assert len(seconds) == 3 and min(seconds) > 0
    assert all("variance" in record for record in records)
    assert loop.measure is measure
    with whole_runs.timed_metrics(torch.device("cpu")) as seconds:
        assert len(whole_runs.generation_times(world)) == 3
    assert not seconds


def test_a_device_is_full_where_time_per_chain_falls_no_further():
    assert scaling.full_from([1, 2, 4], [1.0, 1.0, 1.0]) == 1
    assert scaling.full_from([1, 2, 4], [1.0, 0.95, 0.89]) == 2  # small falls add up
    assert scaling.full_from([1, 2, 4], [3.0, 2.0, 1.0]) == 4


def test_mixtures_that_differ_are_an_error(monkeypatch):
    monkeypatch.setitem(gmm_fit.MIXTURES, "cpu", (2, 3))
    monkeypatch.setattr(gmm_fit, "STEPS", 3)
    fit, short = gmm_fit.mixtures, gmm_fit.GMM(8, max_iter=1, tolerance=0.0, start="warm")
    monkeypatch.setattr(gmm_fit, "mixtures", lambda model, *rows: fit(short, *rows))
    with pytest.raises(ArithmeticError, match="log-likelihoods differ"):
        gmm_fit.time_gmm(torch.device("cpu"), 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rows=vea"], "rows=vea: did you mean vae?"),
        (["device=tpu"], "device=tpu: did you mean cpu? (auto, cpu, cuda)"),
        (["chains=0"], "chains=0: give at least 1 chain"),
        (["--rows"], "--rows=: write rows=VALUE"),
    ],
)
def test_bad_input_is_one_line(words, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.py", *words])
    with pytest.raises(SystemExit) as left:
        verb.main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"nc_testbed: {line}")
    assert said.count("\n") == 1
