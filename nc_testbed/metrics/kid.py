"""Kernel distance: a check of the Frechet distance without bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks
from nc_testbed.metrics.reference import Reference, per_chain


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    k = (x @ y.T).div_(x.shape[1]).add_(1)
    return (k * k).mul_(k)


def kernel_mean(x: Tensor, weights: Tensor, y: Tensor, others: Tensor) -> Tensor:
    """``sum_ij w_i v_j (x_i . y_j / F + 1)^3`` of ``[N, F]`` and ``[M, F]``, in blocks.

    weights: w, ``[N]``; others: v, ``[M]``; both sum to 1.
    """
    x, y = x.to(torch.float64), y.to(torch.float64)
    total = x.new_zeros(())
    for block in blocks(len(x), len(y), x.device):
        total += weights[block] @ (_kernel(x[block], y) @ others)
    return total


def mean_pair(x: Tensor) -> Tensor:
    """Mean of the kernel over pairs of two different rows of ``[N, F]``, in blocks."""
    x = x.to(torch.float64)
    total = x.new_zeros(())
    for block in blocks(len(x), len(x), x.device):
        k = _kernel(x[block], x[block.start :])  # the kernel is symmetric: half of it is enough
        within = k[:, : len(k)]
        total += 2 * k.sum() - within.sum() - within.trace()
    return total / (len(x) * (len(x) - 1))


def _equal(rows: Tensor) -> Tensor:
    return torch.full_like(rows[:, 0], 1 / len(rows), dtype=torch.float64)


def _real_pairs(reference: Reference) -> Tensor:
    """Mean kernel ``[R]`` of two independent real rows of each chain's law.

    Pairs within a class leave out a row with itself, so the mean is unbiased.
    """
    x, weights = reference.features, reference.weights(reference.shares)
    pairs = per_chain(lambda r: kernel_mean(x, weights[r], x, weights[r]), reference.chains)
    for c, rows in enumerate(reference.groups):
        z = x[rows]
        with_itself = mean_pair(z) - kernel_mean(z, _equal(z), z, _equal(z))
        pairs = pairs + reference.shares[:, c].square() * with_itself
    return pairs


@dataclass(frozen=True)
class KID:
    """Unbiased squared maximum mean discrepancy of the features, kernel ``(x.y / F + 1)^3``.

    Kernel distance (Binkowski et al., 2018, https://arxiv.org/abs/1801.01401), on all rows at
    once, against all held-out rows, weighted to the chain's training law: a reference set of
    fixed class counts would make it negative for a perfect fit.
    ``kid``: lower is better; 0 on average for a perfect fit, and then as often below as above.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "any risk increase"

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference, features = evaluation.reference, evaluation.features

        real, weights = reference.features, reference.weights(reference.shares)

        def across(r: int) -> Tensor:
            return kernel_mean(real, weights[r], features[r], _equal(features[r]))

        own = per_chain(lambda r: mean_pair(features[r]), evaluation.chains)
        pairs = per_chain(across, evaluation.chains)
        return {"kid": own + reference.once(_real_pairs) - 2 * pairs}
