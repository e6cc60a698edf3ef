"""Kernel distance: a check of the Frechet distance without bias."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks
from nc_testbed.metrics.reference import Reference

SUMMED = 2**20
"""Kernels in one sum, 16 times as many on a GPU: fixed, since sums round by how they are
cut."""


def _sums(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Slices of ``rows`` whose kernels with ``columns`` points are summed together."""
    size = SUMMED if device.type == "cpu" else 16 * SUMMED
    step = max(1, size // max(1, columns))
    return (slice(i, min(i + step, rows)) for i in range(0, rows, step))


def _kernel(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
    """The kernel ``[N, M]`` of all pairs, in blocks, written over the start of
    ``out``."""
    k = out[: len(x) * len(y)].view(len(x), len(y))
    for block in blocks(len(x), len(y), x.device):
        part = torch.mm(x[block], y.T, out=k[block]).div_(x.shape[1]).add_(1)
        torch.mul(part * part, part, out=part)
    return k


def _room(x: Tensor, y: Tensor) -> Tensor:
    """Memory for the kernels of one sum, the same for all: fresh memory costs as much as
    they."""
    first = next(_sums(len(x), len(y), x.device))
    return x.new_empty(first.stop * len(y))


def kernel_means(x: Tensor, weights: Tensor, y: Tensor, others: Tensor) -> Tensor:
    """``sum_ij w_i v_j (x_i . y_j / F + 1)^3`` of ``[N, F]`` and ``[M, F]``: ``[K]``.

    weights: K of w, ``[K, N]``; others: as many v, ``[K, M]``; each sums to 1.
    """
    x = x.to(torch.float64)
    y = y.to(torch.float64)
    totals = x.new_zeros(len(weights))
    room = _room(x, y)
    for part in _sums(len(x), len(y), x.device):
        k = _kernel(x[part], y, room)
        for total, w, v in zip(totals, weights, others, strict=True):
            total += w[part] @ (k @ v)
    return totals


def mean_pair(x: Tensor) -> Tensor:
    """Mean of the kernel over pairs of two different rows of ``[N, F]``, in blocks."""
    x = x.to(torch.float64)
    total = x.new_zeros(())
    room = _room(x, x)
    for part in _sums(len(x), len(x), x.device):
        k = _kernel(x[part], x[part.start :], room)  # symmetric: half of all pairs is enough
        inside = k[:, : len(k)]
        total += 2 * k.sum() - inside.sum() - inside.trace()
    return total / (len(x) * (len(x) - 1))


def _equal(rows: Tensor) -> Tensor:
    return torch.full_like(rows[None, :, 0], 1 / len(rows), dtype=torch.float64)


def _real_pairs(reference: Reference) -> Tensor:
    """Mean kernel ``[R]`` of two independent real rows of each chain's law.

    Pairs within a class leave out a row with itself, so the mean is unbiased.
    """
    x = reference.features
    weights = reference.weights(reference.shares)
    pairs = kernel_means(x, weights, x, weights)
    for c, rows in enumerate(reference.groups):
        z = x[rows]
        with_itself = mean_pair(z) - kernel_means(z, _equal(z), z, _equal(z))
        pairs = pairs + reference.shares[:, c].square() * with_itself
    return pairs


@dataclass(frozen=True)
class KID:
    """Unbiased squared maximum mean discrepancy of the features, kernel ``(x.y / F +
    1)^3``.

    Kernel distance (Binkowski et al., 2018, https://arxiv.org/abs/1801.01401), on all
    rows at once, against all held-out rows, weighted to the chain's training law: a
    reference set of fixed class counts would make it negative for a perfect fit.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "any risk increase"
    columns: ClassVar[dict[str, Column]] = {
        "kid": Column(
            "the discrepancy; 0 on average for a perfect fit, and then as often below as above",
            group="2 quality",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        reference = evaluation.reference
        features = evaluation.features

        real = reference.features
        weights = reference.weights(reference.shares)

        def own(r: int) -> Tensor:
            return mean_pair(features[r])

        def across(r: int) -> Tensor:
            y = features[r]
            return kernel_means(real, weights[r, None], y, _equal(y))[0]

        pairs = reference.per_chain(across)
        return {"kid": reference.per_chain(own) + reference.once(_real_pairs) - 2 * pairs}
