"""Tail recall on the manifold: the headline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns


@dataclass(frozen=True)
class Recall:
    """Share of held-out rows that lie in the k = 5 ball of some synthetic row.

    Improved recall (Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991) in the
    referee's features, with all synthetic rows whatever their label. Balls are open (strict <):
    the ball of a row that occurs more than five times has radius 0 and contains nothing, so a
    chain collapsed to one point has recall 0 exactly. A perfect fit stays below 1, and below real
    rows. Without labels only ``recall``.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "tail_recall": Column(
            "the headline: mean over the rarest third of the classes, only where classes are rare",
            0,
            1,
            "lower",
        ),
        "medium_recall": Column("mean over the classes between the thirds", 0, 1, "lower"),
        "head_recall": Column("mean over the commonest third", 0, 1, "lower"),
        "recall_rank_i": Column(
            "of the class of rarity rank i, 0 the commonest; times its held-out rows the "
            "manifold hits that the tail alarm watches",
            0,
            1,
            "lower",
        ),
        "recall": Column("under the chain's training law", 0, 1, "lower"),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        recalled = evaluation.neighbourhoods.recalled.double()
        overall = {"recall": reference.mean(recalled)}
        if not reference.labelled:
            return overall
        by_class = reference.by_class(recalled)
        thirds = ("tail", "medium", "head")
        return rank_columns("recall", by_class, reference, thirds) | overall
