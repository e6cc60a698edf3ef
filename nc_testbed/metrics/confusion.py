"""Confusion: how far the classes of what is made have become blurred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import CONFIDENT, Reference


def entropies(probabilities: Tensor) -> Tensor:
    """Entropy ``[M]`` float64 in bits of rows of probabilities ``[M, C]``.

    >>> entropies(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([1., 0.], dtype=torch.float64)
    """
    return torch.special.entr(probabilities.to(torch.float64)).sum(1) / torch.log(
        torch.tensor(2.0, dtype=torch.float64)
    )


def is_undecided(probabilities: Tensor) -> Tensor:
    """Which rows ``[M]`` bool the referee cannot tell the class of: no class has 0.9."""
    return probabilities.amax(1) < CONFIDENT


def _real(reference: Reference) -> Tensor:
    """Mean entropy ``[R]`` in bits of the held-out rows that are taken for a class, at
    each chain's law."""
    entropy = entropies(reference.referee.probabilities(reference.depths))
    counts = reference.is_labelled.to(torch.float64).expand(reference.chains, -1)
    return reference.mean(counts * entropy) / reference.mean(counts)


@dataclass(frozen=True)
class Confusion:
    """How sure the referee is of which class a sample is.

    Over the samples that it takes for one of the classes (not for "none of these": noise
    is no blurred concept): mean entropy of its probabilities of the C classes, over that
    of held-out rows at the chain's training law, and the share in which no class has
    probability 0.9. NaN where no sample is taken for a class, and for the ratio where the
    referee is certain of every held-out row.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "merging modes"
    columns: ClassVar[dict[str, Column]] = {
        "confusion": Column(
            "the referee's mean entropy over that of real rows: 1 for a perfect fit, higher "
            "where classes blur",
            low=0,
            group="5 labels",
        ),
        "undecided": Column(
            "share of the samples taken for a class of which the referee cannot tell which",
            low=0,
            high=1,
            group="5 labels",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        real = reference.once(_real)

        def one(chain: int) -> Tensor:
            is_class = ~evaluation.is_none[chain]
            features = evaluation.depths[chain]
            probabilities = reference.referee.probabilities(features)[is_class]
            shares = is_undecided(probabilities).to(torch.float64)
            return torch.stack([entropies(probabilities).mean(), shares.mean()])

        columns = torch.stack(each(one, range(evaluation.chains), evaluation.rows.device))
        ratio = torch.where(real > 0, columns[:, 0] / real, torch.nan)
        return {"confusion": ratio, "undecided": columns[:, 1].clone()}
