"""Sweeps in one process: all runs side by side, against one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import torch

from nc_testbed.bench.timing import alternately, ratio, table_row
from nc_testbed.bench.whole_runs import configuration
from nc_testbed.core.cache import caching
from nc_testbed.run.execute import execute
from nc_testbed.run.packed import Job, execute_all
from nc_testbed.run.prepare import prepare

REPEATS = 3
SEEDS = [f"seed={seed}" for seed in range(8)]
ANCHORS = [f"{s} policy.k={k}" for s, k in product(SEEDS[:4], (1, 10, 30, 100))]
NETWORK = "data=digits model=vae model.hidden=[64] model.steps=300 policy=replace generations=4"
MIXTURE = "data=blobs model=gmm policy=anchor generations=10"
COINS = "data=bernoulli model=bernoulli policy=replace n=50 chains=20 generations=20"
SWEEPS = {
    "8 seeds of a VAE, 1 chain each, all metrics": (f"{NETWORK} chains=1", SEEDS),
    "8 seeds of a VAE, 1 chain each, recall alone": (
        f"{NETWORK} chains=1 metrics=[recall]",
        SEEDS,
    ),
    "4 seeds x 4 k of a GMM, 1 chain each, all metrics": (f"{MIXTURE} chains=1", ANCHORS),
    "8 seeds of a Bernoulli, 20 chains each": (COINS, SEEDS),
}


def time_packed(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Whole runs with their files and views, by the launchers ``basic`` and ``packed``.

    Composing their settings is not counted. ``chains`` changes nothing.
    """
    return [_row(device, name, *sweep) for name, sweep in SWEEPS.items()]


def _row(device: torch.device, name: str, common: str, jobs: Sequence[str]) -> dict[str, Any]:
    """One row of the table: a sweep whose jobs
    have common overrides and some of their own."""
    configs = [configuration(device, f"{common} {job}") for job in jobs]
    ways = [partial(_sweep, configs, together) for together in (True, False)]
    packed, others = alternately(ways, REPEATS)
    name = f"{name}: one after the other against packed"
    return table_row(name, others, "x", ratio(packed, others))


def _sweep(configs: Sequence[dict[str, Any]], together: bool) -> None:
    """All runs, into a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), caching():
        jobs = [Job(config, Path(folder) / str(i)) for i, config in enumerate(configs)]
        if together:
            return execute_all(jobs, prepare)
        for job in jobs:
            execute(prepare(job.config), job.config, job.path)
