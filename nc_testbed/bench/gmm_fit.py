"""Gaussian mixtures: the fit of many at once, against a loop over scikit-learn."""

from __future__ import annotations

import statistics
import warnings
from functools import partial
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor

from nc_testbed.bench.timing import alternately, ratio, table_row, wait
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.mixtures import Blobs
from nc_testbed.loop.archive import Archive
from nc_testbed.models.gmm import GMM, Mixture

MIXTURES = {"cpu": (64,), "cuda": (64, 1024)}
"""Mixtures fitted at once; the first number of them by scikit-learn too."""
STEPS = 50
"""EM steps of every fit."""


def time_gmm(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """64 mixtures, on a GPU 1024 too, K = 8, D = 2, n = 2000, 50 EM steps, per mixture
    against scikit-learn on 64 of them one by one.

    The same rows and start; one thread each (on a GPU: of the loop). ``chains`` changes
    nothing. Raises ArithmeticError where log-likelihoods per row differ by 1e-6 or more.
    """
    numbers = MIXTURES[device.type]
    # Two components to a blob: with 8 blobs one shrinks to a single row, where scikit-learn stops.
    rows = Blobs(centres=4, rows=2000).load(max(numbers), 0, 0, 1).x
    on_device = rows.to(device)
    looped = rows[: numbers[0]]
    first = mixtures(GMM(8, max_iter=1), on_device)
    with one_thread(), threadpool_limits(1):
        model = GMM(8, max_iter=STEPS, tolerance=0.0, start="warm")
        starts = [part(first, R) for R in numbers]
        stacked = [partial(mixtures, model, on_device[: len(s.weights)], s) for s in starts]
        reference = partial(scikit_learn_fits, looped, starts[0])
        *all_seconds, loop = alternately([*stacked, reference])
        gap = largest_gap(stacked[0](), reference(), looped)
    work = f"mixtures, K = 8, D = 2, n = 2000, {STEPS} EM steps, one thread"
    other = f"a loop over scikit-learn, log-likelihoods within {gap:.0e} nats, against"
    per_reference = [seconds / len(looped) for seconds in loop]
    lines = []
    for R, seconds in zip(numbers, all_seconds, strict=True):
        per_mixture = [total / R for total in seconds]
        lines.append(table_row(f"{R} {work}", seconds, "s", statistics.median(seconds)))
        lines.append(
            table_row(f"{other} {R} at once", loop, "x", ratio(per_mixture, per_reference))
        )
    return lines


def largest_gap(fit: Mixture, references: list[GaussianMixture], rows: Tensor) -> float:
    """The largest difference of two log-likelihoods,
    nats per row; ArithmeticError from 1e-6 on."""
    pairs = zip(references, rows.numpy(), strict=True)
    scores = torch.tensor([mixture.score(x) for mixture, x in pairs], dtype=torch.float64)
    gap = (fit.log_likelihood.cpu() - scores).abs().max().item()
    if not gap < 1e-6:
        raise ArithmeticError(f"log-likelihoods differ by {gap:.1e} nats per row")
    return gap


def part(fit: Mixture, R: int) -> Mixture:
    """The first R mixtures."""
    return Mixture(fit.space, **{name: value[:R] for name, value in fit.state_dict().items()})


def mixtures(model: GMM, rows: Tensor, start: Mixture | None = None) -> Mixture:
    """Mixtures fitted to rows ``[R, N, D]``, from a start if the model's is warm."""
    R, N, D = rows.shape
    order = torch.arange(N, device=rows.device).expand(R, -1)
    archive = Archive(Space((D,), image=False), rows, order, order[:, :0], n=N, window=1)
    streams = RandomStreams(0, tuple(range(R)), device=rows.device)
    fit = model.fit(archive.view(order), streams, start)
    wait(rows.device)
    return fit


def scikit_learn_fits(rows: Tensor, start: Mixture) -> list[GaussianMixture]:
    """The same from the same start as most scripts write it: a loop over data sets."""
    weights = start.weights.cpu().numpy()
    means = start.means.cpu().numpy()
    precisions = start.covariances().cpu().inverse().numpy()
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0: every step is taken
        for x, w, m, p in zip(rows.numpy(), weights, means, precisions, strict=True):
            init = {"weights_init": w, "means_init": m, "precisions_init": p}
            mixture = GaussianMixture(len(w), tol=0, reg_covar=0, max_iter=STEPS, **init)
            results.append(mixture.fit(x))
    return results
