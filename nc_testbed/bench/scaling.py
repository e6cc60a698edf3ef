"""How time grows with chains, rows and generations, and where the device is full."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from nc_testbed.bench.measure import alternately
from nc_testbed.bench.runs import loop_of, paced
from nc_testbed.bench.vae import fitted, images
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.machine import Compute
from nc_testbed.models.vae import VAE

REPEATS = 3
CHAINS = {"cpu": (1, 2, 8, 32, 128, 512), "cuda": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}
HIDDEN = {"cpu": 64, "cuda": 400}
STEPS = {"cpu": 10, "cuda": 200}
ROWS = (1000, 4000, 16_000, 60_000)
MIXTURES = "data=blobs data.centres=4 model=gmm model.max_iter=10 model.tolerance=0 policy=replace"
GENERATIONS = 50
ACCUMULATE = "policy=accumulate model.steps=20 model.hidden=[64] n=500 data.rows=500"


def scaling(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Log-log slopes of time: VAE fits by chains, GMM generations by rows, VAE generations under
    accumulate by how many there were. ``chains`` changes nothing."""
    return [by_chains(device), by_rows(device), by_generations(device)]


def by_chains(device: torch.device) -> dict[str, Any]:
    """A VAE's fit of a few updates, time per chain."""
    kind = device.type
    x, many, steps, hidden = images(device), CHAINS[kind], STEPS[kind], HIDDEN[kind]
    model = VAE(steps=steps, hidden=(hidden,))
    with one_thread():  # as the loop has it: a thread per core, and chains side by side
        times = alternately([fitted(x, R, model, Compute()) for R in many], REPEATS)
    each = [statistics.median(seconds) / R for seconds, R in zip(times, many, strict=True)]
    what = f"VAE fit of {steps} updates, hidden {hidden}: time per chain by chains"
    return scale(what, many, each, full(many, each))


def by_rows(device: torch.device) -> dict[str, Any]:
    """Generations of mixtures, K = 8, D = 2, n rows and a fixed number of EM steps."""
    size = "chains=8 generations=3"
    runs = [loop_of(device, f"{MIXTURES} {size} n={n} data.rows={n}") for n in ROWS]
    times = alternately([partial(paced, run) for run in runs], REPEATS)
    each = [
        statistics.median(seconds) / run.generations
        for seconds, run in zip(times, runs, strict=True)
    ]
    by_row = [seconds / n for seconds, n in zip(each, ROWS, strict=True)]
    what = f"GMM generation, {runs[0].chains} chains, 10 EM steps: time by n"
    return scale(what, ROWS, each, full(ROWS, by_row))


def by_generations(device: torch.device) -> dict[str, Any]:
    """Generations 1, 2, ... of a VAE with a fixed number of updates under accumulate."""
    run = loop_of(device, f"{ACCUMULATE} generations={GENERATIONS + 1}")
    times = [paced(run)[1:] for _ in range(REPEATS)]
    each = [statistics.median(seconds) for seconds in zip(*times, strict=True)]
    what = f"VAE generation, 20 updates, accumulate, {run.chains} chains: time by generation"
    return scale(what, range(1, GENERATIONS + 1), each, None)


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log time in log size, by least squares.

    >>> round(slope([1, 10, 100], [2.0, 20.0, 200.0]), 6)
    1.0
    """
    logs = ([math.log(x) for x in xs] for xs in (sizes, seconds))
    return statistics.linear_regression(*logs).slope


def full(sizes: Sequence[int], each: Sequence[float]) -> int:
    """The size from which on the time per unit no longer falls by more than a tenth.

    >>> full([1, 2, 4, 8], [4.0, 2.0, 1.05, 1.0])
    4
    """
    return next(x for i, x in enumerate(sizes) if min(each[i:]) >= 0.9 * each[i])


def scale(
    what: str, sizes: Sequence[int], seconds: Sequence[float], full: int | None
) -> dict[str, Any]:
    """A row of the table: the slope, where the device is full, and every size's median time."""
    value, last = slope(sizes, seconds), len(sizes) - 1
    ends = ", ".join(f"{seconds[i]:.3g} s at {sizes[i]:,}" for i in (0, last))
    there = "" if full is None else f"full from {full:,} on; "
    return {
        "what": what,
        "value": value,
        "unit": "slope",
        "seconds": list(seconds),
        "sizes": list(sizes),
        "full": full,
        "text": f"slope {value:.2f} ({there}{ends}; medians of {REPEATS})",
    }
