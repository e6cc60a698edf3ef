"""Exponential families: many chains, any n, and the loop over seeds that people write."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import numpy as np
import torch

from nc_testbed.bench.timing import alternately, ratio, table_row, wait
from nc_testbed.bench.whole_runs import loop_of
from nc_testbed.loop.closed_loop import closed_loop

GENERATIONS = 1000
LOOPED = 1000
"""Chains of the loop over seeds."""


def time_families(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Many Gaussian chains, with n = 100 and 10^12,
    and the loop over seeds that people write."""
    hundred, trillion = (lambda n=n: gaussian(chains, n, device) for n in (100, 10**12))
    seconds, at_trillion = alternately([hundred, trillion])
    work = f"{chains:,} Gaussian chains x {GENERATIONS} generations, n = 100"
    stacked = partial(gaussian, LOOPED, 100, device)
    at_once, loop = alternately([stacked, partial(seeds, LOOPED, 100)], 3)
    against = f"a numpy loop over {LOOPED} seeds, against {LOOPED} chains at once"
    large_n = "the same with n = 10^12, against n = 100"
    return [
        table_row(work, seconds, "s", statistics.median(seconds)),
        table_row(large_n, at_trillion, "times the time", ratio(seconds, at_trillion)),
        table_row(against, loop, "x", ratio(at_once, loop)),
    ]


def gaussian(chains: int, n: int, device: torch.device) -> None:
    """Fit and sample Gaussians in mean and
    variance under replace, measured at the end."""
    words = f"data=gaussian model=gaussian policy=replace n={n} chains={chains}"
    run = loop_of(device, f"{words} generations={GENERATIONS} record.generations=last")
    list(closed_loop(run))
    wait(device)


def seeds(chains: int, n: int) -> None:
    """The same study as most scripts write it: a
    loop over seeds, n rows per generation."""
    for seed in range(chains):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(n)
        for _ in range(GENERATIONS - 1):
            x = rng.normal(x.mean(), x.std(), n)
