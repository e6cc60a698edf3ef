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

from nc_testbed.archive import Archive
from nc_testbed.bench.measure import alternately, line, ratio, wait
from nc_testbed.data.mixtures import Blobs
from nc_testbed.models.gmm import GMM, Mixture
from nc_testbed.parallel import one_thread
from nc_testbed.rng import Streams
from nc_testbed.types import Space

MIXTURES = 64
STEPS = 50


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
    return [
        line(work, seconds, "s", statistics.median(seconds)),
        line(other, loop, "x", ratio(seconds, loop)),
    ]


def mixtures(model: GMM, rows: Tensor, start: Mixture | None = None) -> Mixture:
    """Mixtures fitted to rows ``[R, N, D]``, from a start if the model's is warm."""
    R, N, D = rows.shape
    order = torch.arange(N, device=rows.device).expand(R, -1)
    archive = Archive(Space((D,), image=False), rows, order, order[:, :0], n=N, window=1)
    streams = Streams(0, tuple(range(R)), device=rows.device)
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
