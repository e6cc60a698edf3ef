"""Vendi score: the effective number of different rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import eigenvalues


def vendi_score(features: Tensor) -> Tensor:
    """``exp(-sum_i l_i log l_i)``, l the eigenvalues of ``X^T X / M``, X the unit-norm
    features.

    The dual ``[F, F]`` form of the score with the cosine kernel (Friedman and Dieng,
    2023, https://arxiv.org/abs/2210.02410): 1 when all rows point the same way, at most
    min(M, F).

    >>> round(vendi_score(torch.eye(3)).item(), 9)
    3.0
    """
    x = torch.nn.functional.normalize(features.to(torch.float64), dim=1)
    values = eigenvalues(x.T @ x / len(x))
    return torch.special.entr(values).sum().exp()


def _real(reference: Reference) -> Tensor:
    return reference.per_chain(lambda r: vendi_score(reference.held_out(r)))


@dataclass(frozen=True)
class Vendi:
    """Vendi score of the synthetic features over that of real ones.

    Real ones are the held-out rows resampled to the chain's training law. The score is
    ``exp(-sum_i l_i log l_i)``, l the eigenvalues of ``X^T X / M``, X the unit-norm
    features (Friedman and Dieng, 2023, https://arxiv.org/abs/2210.02410).
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "vendi": Column(
            "the ratio: 1 for a perfect fit, lower is less diverse",
            low=0,
            worse="lower",
            group="4 diversity",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        features = evaluation.features
        scores = reference.per_chain(lambda r: vendi_score(features[r]))
        return {"vendi": scores / reference.once(_real)}
