"""Clipped Density and Clipped Coverage, for comparison: what the literature has last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import betabinom
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns
from nc_testbed.metrics.fidelity import ClippedBalls
from nc_testbed.metrics.neighbours import NEIGHBOURS, blocks, left, radii, right
from nc_testbed.metrics.reference import Reference


@lru_cache(maxsize=4096)
def clipped_counts(N: int, most: int) -> NDArray[np.float64]:
    """``E[min(J, k)] / k`` for 0..most good samples, J of them in the k-th neighbour ball
    of one of N real rows: ``J ~ BetaBinomial(m; k, N - k)``.

    >>> clipped_counts(100, 0)
    array([0.])
    """
    m = np.arange(most + 1)
    j = np.arange(NEIGHBOURS)[:, None]
    reached = 1 - betabinom.cdf(j, m, NEIGHBOURS, N - NEIGHBOURS)  # P(J > j)
    return reached.sum(0) / NEIGHBOURS


def clipped_coverage(real: Tensor, samples: Tensor, expected: float) -> Tensor:
    """How many good samples would fill real rows' balls as far, over those expected.

    real ``[N, F]`` and samples ``[M, F]``, centred. Each ball of a real row counts at most
    k samples; the mean over rows is read through its expectation.
    """
    radius = radii(real)[0]
    factor = right(samples)
    parts = blocks(len(real), len(samples), real.device)
    counts = [((left(real[p]) @ factor.T) < radius[p, None]).sum(1) for p in parts]
    mean = float(torch.cat(counts).clamp(max=NEIGHBOURS).double().mean()) / NEIGHBOURS
    curve = clipped_counts(len(real), int(3 * expected) + 50)
    good = np.interp(mean, curve, np.arange(len(curve)))
    return torch.tensor(good / expected, dtype=torch.float64, device=real.device)


@dataclass(frozen=True)
class ClippedScores:
    """Clipped Density and Clipped Coverage (Salvy et al., 2025,
    https://arxiv.org/abs/2507.01761) of all samples, in features of several depths.

    Against held-out rows at the chain's training law; of one class against its own
    held-out rows. Coverage is not cut at 1, so that what lifts it is seen.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "clipped_density": Column("Clipped Density", low=0, worse="lower"),
        "clipped_coverage": Column("Clipped Coverage", low=0, worse="lower"),
        "tail_clipped_coverage": Column(
            "Clipped Coverage of each of the rarest third of the classes, mean",
            low=0,
            worse="lower",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        M = evaluation.rows.shape[1]

        def one(chain: int) -> Tensor:
            samples = reference.to_deep(evaluation.depths[chain])
            real = reference.deep[reference.member[chain]]
            balls = ClippedBalls.around(real)
            density = balls.count(samples).mean() / balls.votes.mean()
            return torch.stack([density, clipped_coverage(real, samples, M)])

        scores = reference.per_chain(one)
        columns = {"clipped_density": scores[:, 0], "clipped_coverage": scores[:, 1]}
        if reference.has_labels:
            by_class = reference.per_chain(lambda r: _by_class(evaluation, reference, r))
            columns |= rank_columns("clipped_coverage", by_class, reference, ranks=False)
        return columns


def _by_class(evaluation: Evaluation, reference: Reference, chain: int) -> Tensor:
    """Clipped Coverage ``[C]`` of every class of one chain."""
    samples = reference.to_deep(evaluation.depths[chain])
    M = len(samples)
    shares = reference.shares[chain].tolist()
    pairs = zip(reference.groups, shares, strict=True)
    return torch.stack([clipped_coverage(reference.deep[g], samples, M * p) for g, p in pairs])
