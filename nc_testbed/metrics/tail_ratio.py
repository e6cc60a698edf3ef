"""Tail ratio: whether rare classes are made too seldom or too often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns
from nc_testbed.metrics.reference import Reference


def _real_shares(reference: Reference) -> Tensor:
    """Share ``[R, C]`` of each chain's law that the referee labels as each class."""
    shares = []
    for c in range(reference.shares.shape[1]):
        is_labelled = (reference.labels == c) & reference.is_labelled
        shares.append(reference.mean(is_labelled.double().expand(reference.chains, -1)))
    return torch.stack(shares, 1)


@dataclass(frozen=True)
class TailRatio:
    """Share of the rare classes over that of real rows, neither capped nor one-sided.

    ``(n_c + 1/2) / (M q_c + 1/2)``: n_c samples that the referee labels as class c and not
    as "none of these", q_c the share of real rows of the chain's law that it labels so;
    the geometric mean over the T rarest. The halves keep a class without samples finite
    and small, at ``1 / (2 M q_c + 1)``.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels", "tail"})
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "tail_ratio": Column(
            "samples labelled as a class over those of as many real rows, geometric mean over "
            "the rarest third: below 1 too few, above 1 too many",
            low=0,
            worse="either",
            group="1 tail",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        made = evaluation.counts(~evaluation.is_none)
        expected = evaluation.rows.shape[1] * reference.once(_real_shares)
        logs = ((made + 0.5) / (expected + 0.5)).log()
        tail = rank_columns("log", logs, reference, ranks=False)["tail_log"]
        return {"tail_ratio": tail.exp()}
