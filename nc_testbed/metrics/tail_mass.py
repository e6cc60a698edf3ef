"""Tail recall by mass: what is left of the rare classes' shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.stats import binom
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns


def mean_deviation(M: int, p: Tensor) -> Tensor:
    """``E|K - M p|`` of ``K ~ Binomial(M, p)``, elementwise, float64.

    ``2 v (1 - p) C(M, v) p^v (1 - p)^(M - v)``, ``v = floor(M p) + 1`` (de Moivre, 1730;
    see Diaconis and Zabell, 1991, https://doi.org/10.1214/ss/1177011699).

    >>> mean_deviation(2, torch.tensor([0.5])).item()  # |K - 1| is 1 half of the time
    0.5
    """
    share = p.detach().cpu().double().numpy()
    v = (M * share) // 1 + 1
    return torch.from_numpy(2 * v * (1 - share) * binom.pmf(v, M, share)).to(p.device)


def mass(counts: Tensor, M: int, shares: Tensor, acceptance: Tensor | float = 1.0) -> Tensor:
    """Share of its mass that each class has kept, ``[R, C]``, 1 on average for a perfect
    fit.

    ``min(1, q / p) / b``, ``q = counts / (M a)``, ``b = 1 - E|K - M p a| / (2 M p a)``:
    counts of a perfect fit are Binomial(M, p a), and b is the mean of their clipped ratio
    (derived). counts: ``[R, C]`` of M rows. shares: p, ``[R, C]``. acceptance: a,
    ``[C]``. A class that is never accepted even when real (a = 0) cannot be measured:
    NaN.
    """
    expected = shares * acceptance
    b = 1 - mean_deviation(M, expected) / (2 * M * expected)
    return (counts / (M * expected)).clamp(max=1) / b


def total_variation(counts: Tensor, M: int, shares: Tensor) -> Tensor:
    """``sum_c |n_c / M - p_c| / 2`` less its mean for equal laws, ``[R]``; 0 on average
    then."""
    excess = (counts - M * shares).abs() - mean_deviation(M, shares)
    return excess.sum(1) / (2 * M)


@dataclass(frozen=True)
class TailMass:
    """How much of their mass the rare classes have kept.

    A row counts for a class if the referee is at least 0.9 sure of its label and it lies
    in the k = 5 ball of a held-out row of that label; counts are divided by the share of
    held-out rows that would count. Blurred rows are labelled as something, so raw label
    shares of rare classes can rise while the classes die: compare ``tail_mass`` with
    ``tail_mass_raw``. The kept mass of a class is ``min(1, q_c / p_c)``, q_c its share of
    what counts and p_c that of the training law, divided by its mean for equal laws, so
    that it is 1 on average for a perfect fit.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "tail_mass": Column(
            "kept mass, mean over the rarest third of the classes, only where classes are rare",
            low=0,
            worse="lower",
            group="1 tail",
        ),
        "tail_mass_raw": Column(
            "the same from all labels",
            low=0,
            worse="lower",
            group="1 tail",
        ),
        "mass_rank_i": Column(
            "kept mass of the class of rarity rank i, 0 the commonest",
            low=0,
            worse="lower",
            group="6 classes",
        ),
        "accepted_rank_i": Column(
            "synthetic rows that count for the class, of M; the tail alarm watches them",
            low=0,
            high="M",
            worse="lower",
            unit="rows",
            group="6 classes",
        ),
        "labelled_rank_i": Column(
            "synthetic rows that are labelled as it",
            low=0,
            high="M",
            worse="either",
            unit="rows",
            group="6 classes",
        ),
        "extinct_classes": Column(
            "classes for which no row counts; of a class of share p that means something at "
            "level a only if `M >= ln(1/a)/p`",
            low=0,
            high="C",
            unit="classes",
            group="1 tail",
        ),
        "tv": Column(
            "total variation of the label shares from the training law less its mean for "
            "equal laws; about 0 for a perfect fit",
            low=-1,
            high=1,
            group="5 labels",
        ),
        "effective_classes": Column(
            "exp of the entropy of the label shares",
            low=1,
            high="C",
            worse="lower",
            unit="classes",
            group="4 diversity",
        ),
        "confidence": Column(
            "the referee's mean confidence",
            low=0,
            high=1,
            worse="either",
            group="5 labels",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        M = evaluation.rows.shape[1]
        accepted = evaluation.counts(evaluation.is_accepted)
        labelled = evaluation.counts()
        kept_mass = mass(accepted, M, reference.shares, reference.acceptance)
        raw = mass(labelled, M, reference.shares)
        tail_raw = rank_columns("mass", raw, reference, ranks=False)
        return {
            **rank_columns("mass", kept_mass, reference),
            **{f"{name}_raw": column for name, column in tail_raw.items()},
            **rank_columns("accepted", accepted, reference, thirds=()),
            **rank_columns("labelled", labelled, reference, thirds=()),
            "extinct_classes": (accepted == 0).sum(1).double(),
            "tv": total_variation(labelled, M, reference.shares),
            "effective_classes": torch.special.entr(labelled / M).sum(1).exp(),
            "confidence": evaluation.confidence.double().mean(1),
        }
