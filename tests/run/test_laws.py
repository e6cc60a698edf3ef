"""What is held against a law, and what is not."""

import json
import sys

import numpy as np
import pyarrow as pa
import pytest

from nc_testbed.cli import train as cli
from nc_testbed.laws.law import ExactLaw
from nc_testbed.record.law_check import RARE, law_check
from nc_testbed.record.tables import Trajectories

R = 10_000


def carried_by(chains):
    """A variance that all chains but these have lost; its law has three chains more or less."""
    values = np.zeros(R)
    values[:chains] = 0.25
    table = pa.table({"generation": [0] * R, "chain": list(range(R)), "variance": values})
    law = ExactLaw(
        "a law", "derived", np.array([0.25 * (chains + 3) / R]), None, 0.25, False, (0.0,), 0.25
    )
    return law_check(Trajectories.of(table), "variance", law, 0)


def test_a_mean_that_a_handful_of_chains_carries_is_not_judged():
    few, more = carried_by(RARE - 5), carried_by(RARE + 50)
    assert (few.verdict, np.isnan(few.z)) == ("inconclusive", True)
    assert (more.verdict, np.isnan(more.z)) == ("pass", False)


@pytest.mark.parametrize(
    ("given", "there"), [([], True), (["sampling.temperature=0.9"], False)]
)
def test_biased_samples_follow_no_law_of_unbiased_ones(given, there, tmp_path, monkeypatch):
    words = ["data=bernoulli", "model=bernoulli", "policy=replace", "n=20", "chains=5"]
    place = ["generations=2", f"hydra.run.dir={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["train.py", *words, *given, *place])
    cli.main()
    laws = json.loads((tmp_path / "run" / "summary.json").read_text())["laws"]
    assert ("variance" in laws) == there
