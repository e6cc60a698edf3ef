"""Exponential families: many chains, any n, and the loop over seeds that people write."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import torch

from nc_testbed.bench.measure import alternately, line, ratio, wait
from nc_testbed.bench.runs import loop_of
from nc_testbed.loop.closed_loop import closed_loop

GENERATIONS = 1000


def families(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Exponential families: many chains, any n, and the loop over seeds that people write."""
    hundred, trillion = (lambda n=n: gaussian(chains, n, device) for n in (100, 10**12))
    seconds, at_trillion = alternately([hundred, trillion])
    work = f"{chains:,} Gaussian chains x {GENERATIONS} generations, n = 100"
    few = 1000
    ours, loop = alternately([lambda: gaussian(few, 100, device), lambda: seeds(few, 100)], 3)
    slower = ratio(seconds, at_trillion)
    return [
        line(work, seconds, "s", statistics.median(seconds)),
        line("the same with n = 10^12, against n = 100", at_trillion, "times the time", slower),
        line(
            f"a numpy loop over {few} seeds, against {few} chains at once",
            loop,
            "x",
            ratio(ours, loop),
        ),
    ]


def gaussian(chains: int, n: int, device: torch.device) -> None:
    """Fit and sample Gaussians in mean and variance under replace, measured at the end."""
    words = f"data=gaussian model=gaussian policy=replace n={n} chains={chains}"
    run = loop_of(device, f"{words} generations={GENERATIONS} record.generations=last")
    list(closed_loop(run))
    wait(device)


def seeds(chains: int, n: int) -> None:
    """The same study as most scripts do it: a loop over seeds, n rows in every generation."""
    for seed in range(chains):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(n)
        for _ in range(GENERATIONS - 1):
            x = rng.normal(x.mean(), x.std(), n)
