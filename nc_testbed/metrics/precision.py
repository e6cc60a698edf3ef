"""Improved precision, kept for comparison: noise passes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Precision:
    """Share of synthetic rows that lie in the k = 5 ball of some real row.

    Improved precision (Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991),
    against held-out rows resampled to the chain's training law; open balls (strict <).
    Noise can lie in the balls of real outliers, and it rises as a generator contracts: it
    is kept for comparison with the literature and says nothing of fidelity by itself.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "precision": Column(
            "improved precision, for comparison: noise and contracted rows have a high one, read "
            "fidelity",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        return {"precision": (evaluation.neighbourhoods.balls > 0).double().mean(1)}
