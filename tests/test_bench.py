"""The benchmark runs and says what it measured; times themselves are not tested."""

import json
import sys

import pytest
import torch

from nc_testbed.bench import command, families, floor, gmm, metrics, vae
from nc_testbed.bench.command import BenchSettings, run
from nc_testbed.bench.vae import Usual
from nc_testbed.models.vae import VAE
from nc_testbed.rng import Streams
from nc_testbed.types import Space


def test_a_row_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "GENERATIONS", 2)
    monkeypatch.setattr(vae, "EPOCH", 64)
    monkeypatch.setattr(vae, "BATCH", 32)
    monkeypatch.setitem(vae.CHAINS, "cpu", (1, 2))
    monkeypatch.setattr(gmm, "MIXTURES", 2)
    monkeypatch.setattr(gmm, "STEPS", 3)
    monkeypatch.setattr(floor, "COPIED", 1000)
    monkeypatch.setattr(metrics, "REAL", 200)
    monkeypatch.setattr(metrics, "SYNTHETIC", 150)
    table = run(BenchSettings(chains=10), torch.device("cpu"), tmp_path / "bench")
    content = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert table.count("VAE epoch per chain, R = ") == 4
    assert all(row["value"] > 0 and row["seconds"] for row in content["rows"])
    assert content["facts"]["torch"] == torch.__version__


def test_both_arms_of_the_autoencoder_are_the_same_network_and_the_same_work():
    model = VAE(steps=None, epochs=1, batch=vae.BATCH, hidden=(vae.HIDDEN,), latent=vae.LATENT)
    ours = model._initial(Space((28, 28), image=True), Streams(0, (0,))("init"))
    theirs = sum(p.numel() for p in Usual().parameters())
    assert sum(weight.numel() for weight in ours.values()) == theirs
    assert model.updates(vae.EPOCH) == len(torch.arange(vae.EPOCH).split(vae.BATCH))


def test_mixtures_that_differ_are_an_error(monkeypatch):
    monkeypatch.setattr(gmm, "MIXTURES", 2)
    monkeypatch.setattr(gmm, "STEPS", 3)
    fit, short = gmm.mixtures, gmm.GMM(8, steps=1, tolerance=0.0, start="warm")
    monkeypatch.setattr(gmm, "mixtures", lambda model, *rows: fit(short, *rows))
    with pytest.raises(ArithmeticError, match="log-likelihoods differ"):
        gmm.gmm(torch.device("cpu"), 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rows=vea"], "rows=vea: did you mean vae?"),
        (["device=tpu"], "device=tpu: did you mean cpu? (auto, cpu, cuda)"),
        (["chains=0"], "chains=0: give at least 1 chain"),
        (["--rows"], "--rows=: write key=value"),
    ],
)
def test_bad_input_is_one_line(words, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.py", *words])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"nc_testbed: {line}")
    assert said.count("\n") == 1
