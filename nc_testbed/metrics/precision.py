"""Precision: how much of what is generated looks real."""

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
    Higher looks better, but it rises as a generator contracts onto the commonest rows:
    read it beside recall.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "precision": Column(
            "share of samples that lie on the real manifold: that look real; it can rise while "
            "rare things are lost, so never read it alone",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
            fidelity=1,
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        return {"precision": (evaluation.neighbourhoods.balls > 0).double().mean(1)}
