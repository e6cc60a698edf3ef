"""The benchmark's arms do the same work: what is timed is not judged here."""

import json

import pytest
import torch

from nc_testbed import bench
from nc_testbed.types import BadInput

CPU = torch.device("cpu")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(bench, "MIXTURES", 2)
    monkeypatch.setattr(bench, "STEPS", 3)


def test_mixtures_agree_with_scikit_learn(few, tmp_path):
    table = bench.run(["gmm"], CPU, 1, tmp_path)
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [row["unit"] for row in rows] == ["s", "x"]
    assert all(row["what"] in table and len(row["seconds"]) == bench.REPEATS for row in rows)


def test_arms_that_differ_are_an_error(few, monkeypatch):
    fit = bench.mixtures
    short = bench.GMM(8, steps=1, tolerance=0.0, start="warm")
    monkeypatch.setattr(bench, "mixtures", lambda model, *rows: fit(short, *rows))
    with pytest.raises(ArithmeticError, match="log-likelihoods differ"):
        bench.gmm(CPU, 1)


def test_unknown_rows_are_refused(tmp_path):
    with pytest.raises(BadInput, match="gmm"):
        bench.run(["gm"], CPU, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()
