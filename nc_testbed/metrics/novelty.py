"""Novelty: whether samples are new, or copies of the rows that the run began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks, left, right
from nc_testbed.metrics.reference import Reference

TIE = 1e-9
"""Squared distances that differ by less, of the largest squared norm, are equal: features
are float32."""


def nearest_squares(points: Tensor, others: Tensor) -> Tensor:
    """Squared distance ``[M]`` float64 of each point ``[M, F]`` to the nearest of ``[N,
    F]``, N >= 1.

    >>> nearest_squares(torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0], [3.0]])).round()
    tensor([1., 4.], dtype=torch.float64)
    """
    factor = right(others)
    parts = blocks(len(points), len(others), points.device)
    return torch.cat([(left(points[part]) @ factor.T).amin(1) for part in parts])


def share_nearer(samples: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Share of samples ``[M, F]`` nearer to a row of the first set than to any of the
    second; ties count half.

    first ``[N, F]``, second ``[K, F]``, centred by the caller. NaN where a sample is not
    finite.

    >>> rows = torch.tensor([[0.0], [4.0]])
    >>> share_nearer(torch.tensor([[1.0], [2.0], [3.9], [0.1]]), rows[:1], rows[1:]).item()
    0.625
    """
    a = nearest_squares(samples, first)
    b = nearest_squares(samples, second)
    largest = torch.cat([samples, first, second]).to(torch.float64).square().sum(1).amax()
    is_tie = (a - b).abs() <= TIE * largest
    nearer = torch.where(is_tie, 0.5, (a < b).to(torch.float64))
    return torch.where(torch.isfinite(a + b).all(), nearer.mean(), torch.nan)


def even_share(share: Tensor, first: int, second: int) -> Tensor:
    """What a share nearer to the first set would be if both sets had equal sizes.

    Fresh samples are nearer to ``first`` of ``first + second`` exchangeable rows with
    chance s0 = first / (first + second). ``1/2 + (s - s0) / (2 (1 - s0))``, at least 0: a
    share w of copies among fresh samples reads ``(1 + w) / 2`` whatever the sizes
    (derived).

    >>> even_share(torch.tensor([0.75, 1.0]), 300, 100)
    tensor([0.5000, 1.0000])
    """
    fair = first / (first + second)
    return (0.5 + (share - fair) / (2 * (1 - fair))).clamp(min=0)


def _features_of(reference: Reference, rows: Sequence[Tensor]) -> list[Tensor]:
    """Features ``[N, F]`` float64, centred, of every chain's rows ``[N, D]``."""

    def one(stored: Tensor) -> Tensor:
        return reference.subtract_centre(reference.features_of(stored))

    return each(one, rows, reference.data.x.device)


def _first_rows(reference: Reference) -> list[Tensor]:
    """Features of every chain's real training rows of generation 0."""
    data = reference.data
    rows = [data.rows_of(r)[data.training[r]] for r in range(reference.chains)]
    return _features_of(reference, rows)


def _training_features(evaluation: Evaluation) -> list[Tensor]:
    """Features of the rows that may have been memorised, ``[N, F]`` of every chain."""
    is_in_loop = evaluation.fit is not None or evaluation.training is None
    if is_in_loop:
        return evaluation.reference.once(_first_rows)
    return _features_of(evaluation.reference, list(evaluation.training.all()))


@dataclass(frozen=True)
class Novelty:
    """Whether samples are nearer to training rows than to rows that nothing was trained
    on.

    The training rows are the real rows of generation 0, at every generation: what is
    asked is whether the people or things in the data come back, not whether a fit
    repeats the synthetic rows before it; of samples measured outside a loop the rows that
    they are said to be trained on, if any are given. All of them are used, or copies of the others
    would pass as new, and the share is corrected to what sets of equal size would give.
    The held-out rows are those that stand for the chain's training law. Features are the
    referee's; a sample as near to both counts half. Memorisation as a kind of collapse:
    Shi et al. (2025, https://arxiv.org/abs/2509.16499).
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "memorised": Column(
            "share of samples nearer to a training row of generation 0 than to a held-out row, "
            "as of sets of equal size: 0.5 for new rows of the same law, 1 for copies",
            low=0,
            high=1,
            group="4 diversity",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        training = _training_features(evaluation)

        def one(chain: int) -> Tensor:
            samples = reference.subtract_centre(evaluation.features[chain])
            held_out = reference.subtract_centre(reference.held_out(chain))
            share = share_nearer(samples, training[chain], held_out)
            return even_share(share, len(training[chain]), len(held_out))

        return {"memorised": reference.per_chain(one)}
