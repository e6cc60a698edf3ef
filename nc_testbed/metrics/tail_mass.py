"""Tail recall by mass: what is left of the rare classes' shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.stats import binom
from torch import Tensor

from nc_testbed.metrics.evaluation import Evaluation, rank_columns


def mean_deviation(M: int, p: Tensor) -> Tensor:
    """``E|K - M p|`` of ``K ~ Binomial(M, p)``, elementwise, float64.

    ``2 v (1 - p) C(M, v) p^v (1 - p)^(M - v)``, ``v = floor(M p) + 1`` (de Moivre, 1730; see
    Diaconis and Zabell, 1991, https://doi.org/10.1214/ss/1177011699).

    >>> mean_deviation(2, torch.tensor([0.5])).item()  # |K - 1| is 1 half of the time
    0.5
    """
    share = p.detach().cpu().double().numpy()
    v = (M * share) // 1 + 1
    return torch.from_numpy(2 * v * (1 - share) * binom.pmf(v, M, share)).to(p.device)


def mass(counts: Tensor, M: int, shares: Tensor, acceptance: Tensor | float = 1.0) -> Tensor:
    """Share of its mass that each class has kept, ``[R, C]``, 1 on average for a perfect fit.

    ``min(1, q / p) / b``, ``q = counts / (M a)``, ``b = 1 - E|K - M p a| / (2 M p a)``: counts
    of a perfect fit are Binomial(M, p a), and b is the mean of their clipped ratio (derived).
    counts: ``[R, C]`` of M rows. shares: p, ``[R, C]``. acceptance: a, ``[C]``. A class that is
    never accepted even when real (a = 0) cannot be measured: NaN.
    """
    expected = shares * acceptance
    b = 1 - mean_deviation(M, expected) / (2 * M * expected)
    return (counts / (M * expected)).clamp(max=1) / b


def total_variation(counts: Tensor, M: int, shares: Tensor) -> Tensor:
    """``sum_c |n_c / M - p_c| / 2`` less its mean for equal laws, ``[R]``; 0 on average then."""
    excess = (counts - M * shares).abs() - mean_deviation(M, shares)
    return excess.sum(1) / (2 * M)


@dataclass(frozen=True)
class TailMass:
    """How much of their mass the rare classes have kept.

    A row counts for a class if the referee is at least 0.9 sure of its label and it lies in the
    k = 5 ball of a held-out row of that label; counts are divided by the share of held-out rows
    that would count. Blurred rows are labelled as something, so raw label shares of rare classes
    can rise while the classes die: compare ``tail_mass`` with ``tail_mass_raw``.

    ``tail_mass``: mean over the rarest third of classes of the kept mass; about 0 to 1 (clipped
    above per class, then divided by a constant near 1), higher is better, 1 on average for a
    perfect fit. ``tail_mass_raw``: the same from all labels. Both only where classes are rare.
    ``mass_rank_i``: kept mass by rarity rank, 0 the commonest. ``accepted_rank_i`` and
    ``labelled_rank_i``: the counts behind it, of M synthetic rows those that count for the class
    and those that are labelled as it, 0..M; unclipped, as :mod:`nc_testbed.alarm` needs them.
    ``extinct_classes``: classes for which no row counts, 0..C. Absence of a class of share p
    means something at level a only if ``M >= ln(1/a)/p``.
    ``tv``: total variation of the label shares from the training law less its mean for equal
    laws; about 0 for a perfect fit, at most 1.
    ``effective_classes``: exp of the entropy of the label shares, 1..C.
    ``confidence``: the referee's mean confidence, 0..1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "lost tails"

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference, M = evaluation.reference, evaluation.rows.shape[1]
        accepted, labelled = evaluation.counts(evaluation.accepted), evaluation.counts()
        kept = mass(accepted, M, reference.shares, reference.acceptance)
        raw = mass(labelled, M, reference.shares)
        tail_raw = rank_columns("mass", raw, reference, ranks=False)
        return {
            **rank_columns("mass", kept, reference),
            **{f"{name}_raw": column for name, column in tail_raw.items()},
            **rank_columns("accepted", accepted, reference, thirds=()),
            **rank_columns("labelled", labelled, reference, thirds=()),
            "extinct_classes": (accepted == 0).sum(1).double(),
            "tv": total_variation(labelled, M, reference.shares),
            "effective_classes": torch.special.entr(labelled / M).sum(1).exp(),
            "confidence": evaluation.confidence.double().mean(1),
        }
