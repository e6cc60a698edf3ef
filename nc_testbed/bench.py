"""The benchmark: ratios measured side by side in one run, never a time by itself."""

from __future__ import annotations

import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor

from nc_testbed.archive import Archive
from nc_testbed.data.families import GaussianSource
from nc_testbed.data.mixtures import Blobs
from nc_testbed.models.gaussian import GaussianModel
from nc_testbed.models.gmm import GMM, Mixture
from nc_testbed.parallel import CORES, one_thread
from nc_testbed.policies.replace import Replace
from nc_testbed.rng import Streams
from nc_testbed.run.summary import versions
from nc_testbed.settings import nearest
from nc_testbed.statistics_loop import Laboratory, statistics_loop
from nc_testbed.types import Space, require

REPEATS = 5
GENERATIONS = 1000
MIXTURES = 64
STEPS = 50


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


def gmm(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """64 mixtures, K = 8, D = 2, n = 2000, 50 EM steps, against scikit-learn one by one.

    The same rows and start; one thread each (on a GPU: of the loop). ``chains`` changes nothing.
    Raises ArithmeticError where log-likelihoods per row differ by 1e-6 or more.
    """
    # Two components to a blob: around 8 blobs one shrinks to a single row, where scikit-learn stops
    rows = Blobs(centres=4, rows=2000).load(MIXTURES, 0, 0, 1).x
    start = mixtures(GMM(8, steps=1), rows.to(device))
    with one_thread(), threadpool_limits(1):
        model = GMM(8, steps=STEPS, tolerance=0.0, start="warm")
        ours = partial(mixtures, model, rows.to(device), start)
        theirs = partial(scikit_learn, rows, start)
        seconds, loop = alternately([ours, theirs])
        pairs = zip(theirs(), rows.numpy(), strict=True)
        scores = torch.tensor([mixture.score(x) for mixture, x in pairs], dtype=torch.float64)
        gap = (ours().log_likelihood.cpu() - scores).abs().max().item()
    if not gap < 1e-6:
        raise ArithmeticError(f"log-likelihoods differ by {gap:.1e} nats per row")
    work = f"{MIXTURES} mixtures, K = 8, D = 2, n = 2000, {STEPS} EM steps, one thread"
    other = f"a loop over scikit-learn, log-likelihoods within {gap:.0e} nats, against all at once"
    faster = statistics.median(b / a for a, b in zip(seconds, loop, strict=True))
    return [
        _line(work, seconds, "s", statistics.median(seconds)),
        _line(other, loop, "x", faster),
    ]


def mixtures(model: GMM, rows: Tensor, start: Mixture | None = None) -> Mixture:
    """Mixtures fitted to rows ``[R, N, D]``, from a start if the model's is warm."""
    R, N, D = rows.shape
    order = torch.arange(N, device=rows.device).expand(R, -1)
    archive = Archive(Space((D,), image=False), rows, order, order[:, :0], n=N, window=1)
    streams = Streams(0, tuple(range(R)), device=rows.device)
    fit = model.fit(archive.view(order), streams, start)
    if rows.device.type == "cuda":
        torch.cuda.synchronize(rows.device)
    return fit


def scikit_learn(rows: Tensor, start: Mixture) -> list[GaussianMixture]:
    """The same from the same start as most scripts do it: a loop over data sets."""
    weights, means = start.weights.cpu().numpy(), start.means.cpu().numpy()
    precisions = start.covariances().cpu().inverse().numpy()
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0: every step is taken
        for x, w, m, p in zip(rows.numpy(), weights, means, precisions, strict=True):
            given = {"weights_init": w, "means_init": m, "precisions_init": p}
            mixture = GaussianMixture(len(w), tol=0, reg_covar=0, max_iter=STEPS, **given)
            fits.append(mixture.fit(x))
    return fits


ROWS: dict[str, Callable[[torch.device, int], list[dict[str, Any]]]] = {
    "families": families,
    "gmm": gmm,
}


def alternately(
    functions: Sequence[Callable[[], object]], repeats: int = REPEATS
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
