"""How time grows with chains, rows and generations, and where the device is full."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from nc_testbed.bench.timing import alternately
from nc_testbed.bench.vae_epoch import images, stacked_fit
from nc_testbed.bench.whole_runs import generation_times, loop_of
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.machine import Compute
from nc_testbed.models.vae import VAE

REPEATS = 3
CHAINS = {"cpu": (1, 2, 8, 32, 128, 512), "cuda": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}
HIDDEN = {"cpu": 64, "cuda": 400}
STEPS = {"cpu": 10, "cuda": 200}
ROWS = (1000, 4000, 16_000, 60_000)
MIXTURES = (
    "data=blobs data.centres=4 model=gmm model.max_iter=10 model.tolerance=0 policy=replace"
)
GENERATIONS = 50
ACCUMULATE = "policy=accumulate model.steps=20 model.hidden=[64] n=500 data.rows=500"


def time_scaling(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Log-log slopes of time, by chains, by rows, and by generations under accumulate.

    ``chains`` changes nothing.
    """
    return [by_chains(device), by_rows(device), by_generations(device)]


def by_chains(device: torch.device) -> dict[str, Any]:
    """A VAE's fit of a few updates, time per chain."""
    kind = device.type
    x = images(device)
    numbers = CHAINS[kind]
    steps = STEPS[kind]
    hidden = HIDDEN[kind]
    model = VAE(steps=steps, hidden=(hidden,))
    with one_thread():  # as the loop has it: a thread per core, and chains side by side
        times = alternately([stacked_fit(x, R, model, Compute()) for R in numbers], REPEATS)
    per_chain = [statistics.median(s) / R for s, R in zip(times, numbers, strict=True)]
    name = f"VAE fit of {steps} updates, hidden {hidden}: time per chain by chains"
    return scale(name, numbers, per_chain, full_from(numbers, per_chain))


def by_rows(device: torch.device) -> dict[str, Any]:
    """Generations of mixtures, K = 8, D = 2, n rows and a fixed number of EM steps."""
    size = "chains=8 generations=3"
    runs = [loop_of(device, f"{MIXTURES} {size} n={n} data.rows={n}") for n in ROWS]
    times = alternately([partial(generation_times, run) for run in runs], REPEATS)
    medians = [
        statistics.median(seconds) / run.generations
        for seconds, run in zip(times, runs, strict=True)
    ]
    by_row = [seconds / n for seconds, n in zip(medians, ROWS, strict=True)]
    name = f"GMM generation, {runs[0].chains} chains, 10 EM steps: time by n"
    return scale(name, ROWS, medians, full_from(ROWS, by_row))


def by_generations(device: torch.device) -> dict[str, Any]:
    """Generations 1, 2, ... of a VAE with a fixed number of updates under accumulate."""
    run = loop_of(device, f"{ACCUMULATE} generations={GENERATIONS + 1}")
    times = [generation_times(run)[1:] for _ in range(REPEATS)]
    medians = [statistics.median(seconds) for seconds in zip(*times, strict=True)]
    name = f"VAE generation, 20 updates, accumulate, {run.chains} chains: time by generation"
    return scale(name, range(1, GENERATIONS + 1), medians, None)


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log time in log size, by least squares.

    >>> round(slope([1, 10, 100], [2.0, 20.0, 200.0]), 6)
    1.0
    """
    logs = ([math.log(x) for x in xs] for xs in (sizes, seconds))
    return statistics.linear_regression(*logs).slope


def full_from(sizes: Sequence[int], seconds: Sequence[float]) -> int:
    """The size from which on the seconds per unit no longer fall by more than a tenth.

    >>> full_from([1, 2, 4, 8], [4.0, 2.0, 1.05, 1.0])
    4
    """
    return next(x for i, x in enumerate(sizes) if min(seconds[i:]) >= 0.9 * seconds[i])


def scale(
    name: str, sizes: Sequence[int], seconds: Sequence[float], full: int | None
) -> dict[str, Any]:
    """A row of the table: the slope, where the
    device is full, and every size's median time."""
    value = slope(sizes, seconds)
    extremes = ", ".join(f"{seconds[i]:.3g} s at {sizes[i]:,}" for i in (0, -1))
    limit = "" if full is None else f"full from {full:,} on; "
    return {
        "what": name,
        "value": value,
        "unit": "slope",
        "seconds": list(seconds),
        "sizes": list(sizes),
        "full": full,
        "text": f"slope {value:.2f} ({limit}{extremes}; medians of {REPEATS})",
    }
