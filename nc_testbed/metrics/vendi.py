"""Vendi score: the effective number of different rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spectra import eigenvalues, in_blocks

DRAWS = 16
"""Random sets of real rows whose scores are averaged."""


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


def _sizes(reference: Reference) -> list[int]:
    """Rows that each chain's scores are taken of: M, or half of the most held-out rows
    that follow the chain's law, so that hardly any is drawn twice."""
    held_out = torch.tensor([len(rows) for rows in reference.groups])
    most = (held_out.to(reference.shares) / reference.shares).amin(1) / 2
    return [max(1, min(reference.rows, int(rows + 1e-9))) for rows in most.tolist()]


def _draws(reference: Reference, r: int) -> list[Tensor]:
    """Positions ``[m]`` of held-out rows in each of the random sets of one chain.

    Their classes are drawn from the law, as those of samples are: sets of exact shares
    would be more diverse.
    """
    m = reference.once(_sizes)[r]
    draws = reference.streams.part(slice(r, r + 1))("metrics/vendi")
    sets = []
    for _ in range(DRAWS):
        order = draws.permutation(len(reference.group))[0]
        classes = draws.categorical(reference.shares[r], m)[0]
        picked = torch.empty_like(classes)
        for c in classes.unique().tolist():
            places = (classes == c).nonzero()[:, 0]
            rows = order[reference.group[order] == c]
            turns = torch.arange(len(places), device=rows.device) % len(rows)
            picked[places] = rows[turns]
        sets.append(picked)
    return sets


def _real(reference: Reference) -> Tensor:
    def score(r: int) -> Tensor:
        features = reference.features
        return torch.stack(
            [vendi_score(features[rows]) for rows in _draws(reference, r)]
        ).mean()

    return reference.per_chain(score)


@dataclass(frozen=True)
class Vendi:
    """Vendi score of the synthetic features over that of real ones, both of as many rows.

    The score is ``exp(-sum_i l_i log l_i)``, l the eigenvalues of ``X^T X / m``, X the
    unit-norm features (Friedman and Dieng, 2023, https://arxiv.org/abs/2210.02410). It
    grows with the number of rows m, so both sides are means over sets of m: the samples
    in blocks, and held-out rows drawn at random, their classes from the chain's training
    law. It sees the directions of features, not how far they lie from 0.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "vendi": Column(
            "the ratio: 1 on average for a perfect fit, less for less diverse samples",
            low=0,
            worse="lower",
            group="4 diversity",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        features = evaluation.features
        sizes = reference.once(_sizes)

        def score(r: int) -> Tensor:
            return torch.stack(
                [vendi_score(x) for x in in_blocks(features[r], sizes[r])]
            ).mean()

        return {"vendi": reference.per_chain(score) / reference.once(_real)}
