"""Sliced Wasserstein distance of rows in the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks


def wasserstein2(x: Tensor, y: Tensor) -> Tensor:
    """Squared W2 distance ``[P]`` on the line between rows of ``[P, N]`` and of ``[P,
    M]``.

    Exact: the integral of ``(F^-1 - G^-1)^2`` over the steps of both quantile functions.

    >>> wasserstein2(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0]])).item()
    2.5
    """
    N = x.shape[1]
    M = y.shape[1]
    steps = (
        torch.cat([torch.arange(N + 1) * M, torch.arange(1, M) * N]).sort().values
    )  # of 1/(NM)
    quantile = steps[:-1].to(x.device)
    width = steps.diff().to(x.device)
    gap = x.sort(1).values[:, quantile // M] - y.sort(1).values[:, quantile // N]
    return (gap.square() * width).sum(1) / (N * M)


@dataclass(frozen=True)
class SlicedW2:
    """Sliced Wasserstein-2 distance of synthetic rows to the chain's training law.

    ``sqrt(mean over directions of W2^2)`` (Bonneel et al., 2015,
    https://doi.org/10.1007/s10851-014-0506-3), against held-out rows resampled to the
    training law; directions are equally spaced over the half circle, the same for ever.

    projections: number of directions, at least 1.
    """

    projections: int = 64
    requires: ClassVar[frozenset[str]] = frozenset({"planar"})
    collapse: ClassVar[str] = "any risk increase"
    columns: ClassVar[dict[str, Column]] = {
        "sliced_w2": Column(
            "distance between the real and the synthetic cloud of points; a perfect fit is at the "
            "sampling noise of the two sets, above 0",
            low=0,
            unit="units of x",
            group="2 quality",
            overall=3,
        ),
    }

    def __post_init__(self) -> None:
        require(self.projections >= 1, "projections", self.projections, "give at least 1")

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        rows = evaluation.rows
        reference = evaluation.reference
        angle = (torch.arange(self.projections, dtype=torch.float64) + 0.5) / self.projections
        angle = angle * math.pi
        axes = torch.stack([angle.cos(), angle.sin()], 1).to(rows.device)  # [P, 2]

        held_out = reference.data.held_out
        member = reference.member

        def distance(r: int) -> Tensor:
            real = held_out[member[r]]
            x = rows[r].double().T
            y = real.double().T
            parts = blocks(len(axes), x.shape[1] + y.shape[1], rows.device)
            squares = [wasserstein2(axes[part] @ x, axes[part] @ y) for part in parts]
            return torch.cat(squares).mean().sqrt()

        return {"sliced_w2": reference.per_chain(distance)}
