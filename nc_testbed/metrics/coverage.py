"""Coverage and density: real balls that synthetic rows reach, and how crowded they
are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import NEIGHBOURS
from nc_testbed.metrics.reference import Reference


@lru_cache(maxsize=4096)
def expected_coverage(N: int, M: int, p: float = 1.0) -> float:
    """Mean coverage of N real balls by ``Binomial(M, p)`` synthetic rows of the same law.

    ``1 - prod_{i=1..k} (N - i) / (m + N - i)`` for m rows (Naeem et al., 2020,
    https://arxiv.org/abs/2002.09797): the k nearest of the pooled rows are all real.

    >>> expected_coverage(100, 0)
    0.0
    """
    m = np.arange(M + 1) if p < 1 else np.array([M])
    i = np.arange(1, NEIGHBOURS + 1)
    missed = ((N - i) / (m[:, None] + N - i)).prod(1)
    return float(((1 - missed) * binom.pmf(m, M, p)).sum())


def _overall(reference: Reference) -> Tensor:
    sizes = reference.member.sum(1).tolist()
    expected = [expected_coverage(N, reference.rows) for N in sizes]
    return torch.tensor(expected, dtype=torch.float64, device=reference.shares.device)


@dataclass(frozen=True)
class Coverage:
    """Share of real k = 5 balls that contain a synthetic row, and how many contain each
    row.

    Coverage and density (Naeem et al., 2020, https://arxiv.org/abs/2002.09797), strict <.
    Coverage is divided by its mean for equal laws at the same numbers of rows, so a
    perfect fit scores 1 on average. Overall balls are those of held-out rows resampled to
    the chain's training law: those of rare rows are as large as the common rows' and are
    covered by them. Both rise as samples contract; kept for comparison with the
    literature.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "coverage": Column(
            "share of real rows with a sample nearby, of all classes together, over its mean "
            "for equal laws",
            low=0,
            worse="lower",
            group="2 quality",
        ),
        "density": Column(
            "overall balls that contain a synthetic row, mean over rows, divided by k; 1 on "
            "average for a perfect fit, and rises as a generator contracts",
            low=0,
            worse="either",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        near = evaluation.neighbourhoods
        covered = near.covered.sum(1).double() / reference.member.sum(1)
        return {
            "coverage": covered / reference.once(_overall),
            "density": near.balls.double().mean(1) / NEIGHBOURS,
        }
