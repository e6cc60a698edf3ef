"""Whole runs: the default run and its metrics, the
GMM study, and what accumulating costs."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from nc_testbed.bench.timing import alternately, ratio, table_row, wait
from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.loop import closed_loop as loop
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.run import Run
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare

DEFAULT = "policy=anchor"
MIXTURES = "experiment=gmm_study chains=64 generations=41 record.generations=last"
LOOPED = 4
"""Chains of the loop over scikit-learn."""
ACCUMULATE = "policy=accumulate model.steps=100 generations=11"


def time_runs(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """The default run once; the GMM study against a loop over scikit-learn; accumulating.

    ``chains`` changes nothing.
    """
    studies = [row for start in ("cold", "warm") for row in gmm_study(device, start)]
    return [*default_run(device), *studies, accumulating(device)]


def default_run(device: torch.device) -> list[dict[str, Any]]:
    """The run of ``DEFAULT`` as the command makes
    it, less Python's start, and its metrics."""
    config = configuration(device, DEFAULT)
    temporary = tempfile.TemporaryDirectory()
    quiet = redirect_stdout(StringIO())
    with temporary as folder, quiet, timed_metrics(device) as metrics:
        start = time.perf_counter()
        execute(prepare(config), config, Path(folder) / "run")
        seconds = time.perf_counter() - start
    return [
        table_row(f"the default run, {DEFAULT}, less start-up", [seconds], "s", seconds),
        table_row(
            "share of it that metrics take", [sum(metrics)], "of 1", sum(metrics) / seconds
        ),
    ]


def gmm_study(device: torch.device, start: str) -> list[dict[str, Any]]:
    """The loop of the GMM study, metrics of its last generation and no files, per
    generation and chain against scikit-learn's.

    Both have the same rows, components, tolerance, most steps and regularisation. Cold
    starts differ: here rows go to the nearest k-means++ centre, in scikit-learn k-means
    goes on from there. Warm, every fit but the first begins at the last one. Chains are
    shared out among the cores; scikit-learn has one thread, its fastest way on matrices
    so small.
    """
    run = loop_of(device, f"{MIXTURES} model.start={start}")
    steps = [0.0, 0.0]  # mean EM steps of a fit, here and by scikit-learn

    def run_stacked() -> None:
        counts = [generation.weights["steps"] for generation in closed_loop(run)]
        wait(device)
        steps[0] = float(torch.cat(counts).double().mean())

    def run_looped() -> None:
        steps[1] = scikit_learn_loop(run, LOOPED)

    seconds, others = alternately([run_stacked, run_looped], 3)
    per_chain = [x / run.chains for x in seconds]
    per_other = [x / LOOPED for x in others]
    work = f"GMM study, {run.chains} chains x {run.generations} generations, {start} starts"
    name = f"the same of {LOOPED} chains by scikit-learn, {steps[1]:.1f} EM steps a fit for"
    return [
        table_row(work, seconds, "s", statistics.median(seconds)),
        table_row(
            f"{name} {steps[0]:.1f} here, per chain", others, "x", ratio(per_chain, per_other)
        ),
    ]


def scikit_learn_loop(run: Run, chains: int) -> float:
    """The same loop with scikit-learn, one chain
    after the other; mean EM steps of a fit."""
    model: Any = run.model
    settings = {"tol": model.tolerance, "reg_covar": model.floor, "max_iter": model.max_iter}
    n = run.sizes[0]
    D = run.data.space.size
    steps = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for chain in range(chains):
            rng = np.random.RandomState(chain)
            warm = {"warm_start": model.start == "warm", "random_state": rng}
            mixture = GaussianMixture(model.components, **settings, **warm)
            x = rng.standard_normal((n, D))
            for _ in range(run.generations):
                steps.append(mixture.fit(x).n_iter_)
                x = mixture.sample(n)[0]
    return statistics.mean(steps)


def accumulating(device: torch.device) -> dict[str, Any]:
    """Generation 10 against generation 1 where
    the training set grows and updates do not."""
    run = loop_of(device, ACCUMULATE)
    times = [generation_times(run) for _ in range(4)][1:]
    first, last = ([seconds[g] for seconds in times] for g in (1, -1))
    name = f"generation {run.generations - 1} under accumulate, against generation 1"
    return table_row(name, last, "times the time", ratio(first, last))


def generation_times(run: Run) -> list[float]:
    """Seconds of every generation of a loop without
    metrics: compose, fit, sample, archive."""
    seconds = []
    start = time.perf_counter()
    for _ in closed_loop(replace(run, recorded=())):
        wait(run.device)
        now = time.perf_counter()
        seconds.append(now - start)
        start = now
    return seconds


def loop_of(device: torch.device, overrides: str) -> Run:
    """The loop that a command line asks for, on this device."""
    return prepare(configuration(device, overrides)).run(say=lambda _: None)


def configuration(device: torch.device, overrides: str) -> dict[str, Any]:
    """The settings of a command line, on this device."""
    with configurations():
        config = compose_config([f"device={device.type}", *overrides.split()])
    return {key: value for key, value in config.items() if key not in STUDY}


@contextmanager
def timed_metrics(device: torch.device) -> Generator[list[float]]:
    """Context that gives the seconds that metrics take in
    every generation of its loops."""
    seconds: list[float] = []
    measure = loop.measure

    def timed_measure(*arguments: Any) -> Any:
        wait(device)
        start = time.perf_counter()
        record = measure(*arguments)
        wait(device)
        seconds.append(time.perf_counter() - start)
        return record

    with patch.object(loop, "measure", timed_measure):
        yield seconds
