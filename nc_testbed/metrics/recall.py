"""Tail recall on the manifold: the headline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.metrics.evaluation import Evaluation, rank_columns


@dataclass(frozen=True)
class Recall:
    """Share of held-out rows that lie in the k = 5 ball of some synthetic row.

    Improved recall (Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991) in the
    referee's features, with all synthetic rows whatever their label. Balls are open (strict <):
    the ball of a row that occurs more than five times has radius 0 and contains nothing, so a
    chain collapsed to one point has recall 0 exactly.

    All columns are in 0..1, higher is better; a perfect fit stays below 1, and below real rows.
    ``tail_recall``, the headline, ``medium_recall`` and ``head_recall``: mean over the classes
    of that third by rarity, only where classes are rare. ``recall_rank_i``: of the class of
    rarity rank i, 0 the commonest; times the class's held-out rows it is the whole number of
    manifold hits that :mod:`nc_testbed.alarm` watches. ``recall``: under the chain's training law.
    Without labels only ``recall``.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"

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
