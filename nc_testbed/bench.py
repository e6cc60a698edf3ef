"""The benchmark: ratios measured side by side in one run, never a time by itself."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nc_testbed.build import nearest
from nc_testbed.data.families import GaussianSource
from nc_testbed.models.gaussian import GaussianModel
from nc_testbed.parallel import CORES
from nc_testbed.policies.replace import Replace
from nc_testbed.run.summary import versions
from nc_testbed.statistics_loop import Laboratory, statistics_loop
from nc_testbed.types import require

REPEATS = 5
GENERATIONS = 1000


def run(rows: Sequence[str], device: torch.device, chains: int, out: Path) -> str:
    """Measure the named rows, write ``bench.json`` to ``out``, and return a markdown table.

    rows: names of :data:`ROWS`; chains: of the large runs. Raises BadInput for an unknown row.
    """
    for name in rows:
        require(name in ROWS, "rows", name, nearest(name, ROWS))
    lines = [line for name in rows for line in ROWS[name](device, chains)]
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    facts = {"device": kind, "cores": CORES, "repeats": REPEATS, **versions()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps({"facts": facts, "rows": lines}, indent=1))
    table = "| what | measured |\n| --- | --- |\n"
    table += "".join(f"| {line['what']} | {line['text']} |\n" for line in lines)
    return f"{table}\n{', '.join(f'{key} {value}' for key, value in facts.items())}\n"


def families(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Exponential families: many chains, any n, and the loop over seeds that people write."""
    hundred, trillion = (lambda n=n: gaussian(chains, n, device) for n in (100, 10**12))
    seconds, at_trillion = alternately([hundred, trillion])
    work = f"{chains:,} Gaussian chains x {GENERATIONS} generations, n = 100"
    few = 1000
    ours, loop = alternately([lambda: gaussian(few, 100, device), lambda: seeds(few, 100)], 3)
    ratio = statistics.median(b / a for a, b in zip(seconds, at_trillion, strict=True))
    faster = statistics.median(b / a for a, b in zip(ours, loop, strict=True))
    return [
        _line(work, seconds, "s", statistics.median(seconds)),
        _line("the same with n = 10^12, against n = 100", at_trillion, "times the time", ratio),
        _line(f"a numpy loop over {few} seeds, against {few} chains at once", loop, "x", faster),
    ]


def gaussian(chains: int, n: int, device: torch.device) -> None:
    """Fit and sample Gaussians in mean and variance under replace, measured at the end."""
    source, model = GaussianSource(), GaussianModel(dim=1)
    truth, sizes, last = source.laws()[0][1], (n,) * (GENERATIONS + 1), (GENERATIONS - 1,)
    lab = Laboratory(model, truth, Replace(), 0, chains, GENERATIONS, sizes, None, last, device)
    list(statistics_loop(lab))
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seeds(chains: int, n: int) -> None:
    """The same study as most scripts do it: a loop over seeds, n rows in every generation."""
    for seed in range(chains):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(n)
        for _ in range(GENERATIONS - 1):
            x = rng.normal(x.mean(), x.std(), n)


ROWS: dict[str, Callable[[torch.device, int], list[dict[str, Any]]]] = {"families": families}


def alternately(
    functions: Sequence[Callable[[], None]], repeats: int = REPEATS
) -> list[list[float]]:
    """Seconds of every function, each repeat beside the others', after one unmeasured call."""
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, times in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return seconds


def _line(what: str, seconds: Sequence[float], unit: str, value: float) -> dict[str, Any]:
    text = f"{value:.2f} {unit} (median of {len(seconds)}, {min(seconds):.2f} to "
    return {
        "what": what,
        "value": value,
        "unit": unit,
        "seconds": list(seconds),
        "text": f"{text}{max(seconds):.2f} s)",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = info.read_text().split("model name")[1:2] if info.is_file() else []
    return names[0].split("\n")[0].strip(" \t:") if names else platform.processor()
