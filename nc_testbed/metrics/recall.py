"""Improved recall, kept for comparison: a few odd samples raise it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns

THIRDS = "recall: head, medium, tail"
"""The chart in which common and rare classes are compared."""


@dataclass(frozen=True)
class Recall:
    """Share of held-out rows that lie in the k = 5 ball of some synthetic row.

    Improved recall (Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991) in the
    referee's features, with all synthetic rows whatever their label. Balls are open
    (strict <): the ball of a row that occurs more than five times has radius 0 and
    contains nothing, so a chain collapsed to one point has recall 0 exactly. A perfect
    fit stays below 1, and below real rows. Without labels only ``recall``. A few odd
    samples have huge balls and raise it: it is kept for comparison with the literature.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "head_recall": Column(
            "mean over the commonest third of the classes",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
            chart=THIRDS,
        ),
        "medium_recall": Column(
            "mean over the classes between the thirds",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
            chart=THIRDS,
        ),
        "tail_recall": Column(
            "improved recall of the rarest third of the classes, only where classes are rare; "
            "for comparison: sparse junk raises it, read tail_coverage",
            low=0,
            high=1,
            worse="lower",
            group="1 tail",
            chart=THIRDS,
        ),
        "recall_rank_i": Column(
            "of the class of rarity rank i, 0 the commonest",
            low=0,
            high=1,
            worse="lower",
            group="6 classes",
        ),
        "recall": Column(
            "improved recall under the chain's training law, for comparison",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        recalled = evaluation.neighbourhoods.recalled.double()
        overall = {"recall": reference.mean(recalled)}
        if not reference.has_labels:
            return overall
        by_class = reference.by_class(recalled)
        thirds = ("tail", "medium", "head")
        return rank_columns("recall", by_class, reference, thirds) | overall
