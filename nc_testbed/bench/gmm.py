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

from nc_testbed.bench.measure import alternately, line, ratio, wait
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.mixtures import Blobs
from nc_testbed.loop.archive import Archive
from nc_testbed.models.gmm import GMM, Mixture

MIXTURES = {"cpu": (64,), "cuda": (64, 1024)}
STEPS = 50


def gmm(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """64 mixtures, on a GPU 1024 too, K = 8, D = 2, n = 2000, 50 EM steps, per mixture against
    scikit-learn on 64 of them one by one.

    The same rows and start; one thread each (on a GPU: of the loop). ``chains`` changes nothing.
    Raises ArithmeticError where log-likelihoods per row differ by 1e-6 or more.
    """
    numbers = MIXTURES[device.type]
    # Two components to a blob: around 8 blobs one shrinks to a single row, where scikit-learn stops
    rows = Blobs(centres=4, rows=2000).load(max(numbers), 0, 0, 1).x
    own, few = rows.to(device), rows[: numbers[0]]
    first = mixtures(GMM(8, max_iter=1), own)
    with one_thread(), threadpool_limits(1):
        model = GMM(8, max_iter=STEPS, tolerance=0.0, start="warm")
        starts = [part(first, R) for R in numbers]
        ours = [partial(mixtures, model, own[: len(s.weights)], s) for s in starts]
        *all_seconds, loop = alternately([*ours, partial(scikit_learn, few, starts[0])])
        gap = difference(ours[0](), scikit_learn(few, starts[0]), few)
    work = f"mixtures, K = 8, D = 2, n = 2000, {STEPS} EM steps, one thread"
    other = f"a loop over scikit-learn, log-likelihoods within {gap:.0e} nats, against"
    each_other, lines = [seconds / len(few) for seconds in loop], []
    for R, seconds in zip(numbers, all_seconds, strict=True):
        each = [total / R for total in seconds]
        lines.append(line(f"{R} {work}", seconds, "s", statistics.median(seconds)))
        lines.append(line(f"{other} {R} at once", loop, "x", ratio(each, each_other)))
    return lines


def difference(ours: Mixture, theirs: list[GaussianMixture], rows: Tensor) -> float:
    """The largest difference of two log-likelihoods, nats per row; ArithmeticError from 1e-6 on."""
    pairs = zip(theirs, rows.numpy(), strict=True)
    scores = torch.tensor([mixture.score(x) for mixture, x in pairs], dtype=torch.float64)
    gap = (ours.log_likelihood.cpu() - scores).abs().max().item()
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
