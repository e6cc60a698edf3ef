"""Tail ratio, two-sided: rare classes that are made too seldom, or too often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation


def log_ratios(counts: Tensor, M: int, shares: Tensor, acceptance: Tensor) -> Tensor:
    """``log((k + 1/2) / (M p a))``, ``[R, C]``: by which factor a class is over- or
    under-produced.

    k ~ Binomial(M, p a) for a perfect fit. The 1/2 removes the bias of log k up to order
    ``(M p a)^-2`` (Haldane, 1956) and gives a class that is gone the value of half a row.
    counts: k, ``[R, C]``. shares: p, ``[R, C]``. acceptance: a, ``[C]``; NaN or inf where
    it is 0.

    >>> import torch
    >>> log_ratios(torch.tensor([[199.5]]), 1000, torch.tensor([[0.1]]), torch.ones(1)).exp()
    tensor([[2.]])
    """
    return (counts + 0.5).log() - (M * shares * acceptance).log()


@dataclass(frozen=True)
class TailRatio:
    """Share of the rare classes among samples, over that of the training law, uncapped.

    A sample counts for a class as in ``tail_mass``: accepted, and divided by the share of
    held-out rows that would be. Of the T rarest classes the geometric mean of ``(k_c +
    1/2) / (M p_c a_c)``, so that a class made twice as often and one made half as often
    cancel. ``tail_mass`` is capped at 1 and cannot see a class that is made too often.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels", "tail"})
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "tail_ratio": Column(
            "accepted samples of the rarest third of the classes, over what the training law "
            "gives: 1 for a perfect fit, 2 where they are made twice as often; half a row "
            "stands for none",
            low=0,
            worse="either",
            group="1 tail",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        accepted = evaluation.counts(evaluation.is_accepted)
        M = evaluation.rows.shape[1]
        logs = log_ratios(accepted, M, reference.shares, reference.acceptance)
        ranked = logs.gather(1, reference.class_of_rank)
        T = max(1, ranked.shape[1] // 3)
        return {"tail_ratio": ranked[:, -T:].mean(1).exp()}
