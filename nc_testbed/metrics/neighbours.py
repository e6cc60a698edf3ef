"""k-nearest-neighbour balls in feature space, in blocks: exact, and never all pairs at
once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nc_testbed.core.exactness import row_blocks
from nc_testbed.core.machine import at_once

NEIGHBOURS = 5
"""k of every ball: fixed, so that figures of different runs can be compared."""

BLOCK = 2**18
"""Distances in memory at once (2 MB, near the cache) on a CPU, 64 times as many on a
GPU."""


def rounding(F: int) -> float:
    """Most that rounding changes a squared distance of ``[F]`` points by, as a share of
    ``|x|^2 + |y|^2``.

    The product form adds F + 2 terms that sum to at most ``2 (|x|^2 + |y|^2)``, of
    squares that are sums of F terms themselves: ``3 (F + 2) u``, u = eps / 2. Points that
    are off by ``3 u |x|`` each (stored, centred and scaled in float64) add at most
    ``12 u`` (derived; standard model, N. Higham 2002, section 3.1).
    """
    return (1.5 * F + 9) * torch.finfo(torch.float64).eps


def left(points: Tensor) -> Tensor:
    """``[B, F + 2]`` float64 such that ``left(x) @ right(y).T`` is ``|x - y|^2``, raised
    by its rounding bound: never below the exact distance, and all but equal to it.

    One matrix product instead of a product and two passes over all pairs, and none for
    the bound.

    >>> left(torch.tensor([[1.0, 2.0]])) @ right(torch.tensor([[4.0, 6.0]])).T
    tensor([[25.0000]], dtype=torch.float64)
    """
    x = points.to(torch.float64)
    raised = 1 + rounding(x.shape[1])
    square = (x * x).sum(1, keepdim=True)
    return torch.cat([-2 * x, torch.full_like(square, raised), raised * square], 1)


def right(points: Tensor) -> Tensor:
    """``[M, F + 2]`` float64, the other factor of :func:`left`."""
    y = points.to(torch.float64)
    square = (y * y).sum(1, keepdim=True)
    return torch.cat([y, square, torch.ones_like(square)], 1)


def blocks(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Slices of ``rows`` whose ``columns`` float64 numbers each fit the memory of one
    block."""
    pairs = BLOCK if device.type == "cpu" else 64 * BLOCK
    return row_blocks(rows, at_once(8 * max(1, columns), 8 * pairs, device))


def radii(points: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances ``[N]`` of every point to its k-th and (k + 1)-th other point, k
    = 5, lowered by their rounding bound.

    Balls are open: a point belongs to one if its distance is strictly below the radius.
    Distances are raised to the upper end of what rounding leaves open (:func:`left`) and
    radii lowered to the lower end, so that a distance equal to a radius is outside,
    whatever a constant added to a column or the order of columns does to the last digits.
    A ball of radius 0 (duplicates, a collapsed chain) is empty: its radius is -inf.
    points: ``[N, F]`` with N >= k + 2, centred by the caller to limit cancellation.
    """
    others = right(points)
    square = others[:, -2]  # [N]
    bound = 2 * rounding(points.shape[1])
    lowered = []
    for block in blocks(len(points), len(points), points.device):
        distance = left(points[block]) @ others.T  # [B, N]
        distance[:, block].diagonal().fill_(torch.inf)
        nearest = distance.topk(NEIGHBOURS + 1, largest=False)
        sizes = square[block, None] + square[nearest.indices]
        lowered.append((nearest.values - bound * sizes)[:, NEIGHBOURS - 1 :])
    radius = torch.cat(lowered)  # [N, 2]
    radius = torch.where(radius > 0, radius, -torch.inf)
    return radius[:, 0].contiguous(), radius[:, 1].contiguous()


@dataclass(frozen=True)
class Balls:
    """The real side of one chain: held-out points, and two families of balls around them.

    points: ``[H, F + 2]``, their :func:`left` factor. groups: positions of each class's
    points. overall: ``[H]`` squared radii among the points that follow the chain's
    training law, -inf for the others. own: ``[H]`` squared radii among the points of the
    same class.
    """

    points: Tensor
    groups: tuple[Tensor, ...]
    overall: Tensor
    own: Tensor


@dataclass(frozen=True)
class Neighbourhoods:
    """Who lies in whose ball, per chain.

    recalled ``[R, H]`` bool: the held-out row lies in the ball of some synthetic row.
    balls ``[R, M]`` int64: overall real balls that contain the synthetic row. covered
    ``[R, H]`` bool: the held-out row's overall ball contains a synthetic row. inside_own
    ``[R, M]`` bool: the synthetic row lies in a class ball of its own label.
    """

    recalled: Tensor
    balls: Tensor
    covered: Tensor
    inside_own: Tensor


def meet(real: Balls, synthetic: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """One chain's fields of :class:`Neighbourhoods`, in one pass over real x synthetic.

    synthetic: ``[M, F]``, centred as the real points are; labels: ``[M]`` int64 in
    0..C-1.
    """
    others = right(synthetic)
    radius = radii(synthetic)[0]
    recalled = torch.zeros_like(real.own, dtype=torch.bool)
    nearest = torch.full_like(real.own, torch.inf)
    balls = torch.zeros_like(labels)
    inside = torch.zeros_like(labels, dtype=torch.bool)
    for label, group in enumerate(real.groups):
        members = (labels == label).nonzero()[:, 0]
        for block in blocks(len(group), len(synthetic), synthetic.device):
            rows = group[block]
            distance = real.points[rows] @ others.T  # [B, M]
            recalled[rows] = _any(distance < radius, 1)
            nearest[rows] = distance.amin(1)
            inside[members] |= _any(distance[:, members] < real.own[rows, None], 0)
            balls += (distance < real.overall[rows, None]).sum(0, dtype=torch.int32)
    return recalled, balls, nearest < real.overall, inside


def _any(bools: Tensor, dim: int) -> Tensor:
    """``bools.any(dim)``; on a CPU torch takes the largest byte thirty times as fast."""
    if bools.shape[dim] == 0:
        return bools.any(dim)
    return bools.view(torch.uint8).amax(dim).bool()


def inside_others(points: Tensor, radius: Tensor) -> Tensor:
    """Which points ``[N]`` lie in another point's ball, as a fresh point of the same law
    would.

    ``radius``: the second of :func:`radii`. A fresh point meets balls that do not count
    it among their neighbours; leaving a point out moves the k-th neighbour of those near
    it to their (k + 1)-th, so comparing with that one is leave-one-out exactly (derived).
    """
    others = right(points)
    inside = []
    for block in blocks(len(points), len(points), points.device):
        distance = left(points[block]) @ others.T
        distance[:, block].diagonal().fill_(torch.inf)
        inside.append(_any(distance < radius, 1))
    return torch.cat(inside)
