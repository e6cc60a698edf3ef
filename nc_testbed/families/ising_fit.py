"""The fit of both Ising parameters: Newton steps, and rows with no finite fit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MOST_STEPS = 100
"""Newton steps of a fit at most; 10 to 20 do but where rows lie near an edge."""
GAIN = 1e-24
"""A chain is done once a step gains less: twice the nats there are to gain."""


def newton(
    levels: Callable[[Tensor], Tensor],
    m: Tensor,
    first: Tensor,
    second: Tensor,
    penalty: float,
    done: Tensor,
) -> Tensor:
    """Natural parameters ``[R, 2]`` whose moments, plus ``penalty theta``, are the rows'.

    levels: the law ``[R, N + 1]`` of the magnetisation at natural parameters ``[R, 2]``.
    m: its values, ``[N + 1]``. first, second: the rows' means of m and m^2, ``[R]``.
    done: chains that stay at 0, where all start: from another fit near an edge there may
    be no way back.

    A step moves no level's log weight by more than a radius that is each chain's own. A
    step that turns the gradient along it round is not taken, and the radius shrinks: near
    an edge the likelihood is nearly flat and a whole step would overshoot by orders of
    magnitude. After one that is taken it grows: rows in the middle of many levels are
    hundreds of nats from the start.
    """
    N = len(m) - 1
    phi = torch.stack([m, (m.square() - N) / 2])  # [2, N + 1], the statistics of every level
    target = torch.stack([first, (second - N) / 2], 1)  # [R, 2]

    def at(theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p = levels(theta)
        mean = torch.stack([(p * f).sum(1) for f in phi], 1)
        return p, mean, mean + penalty * theta - target

    theta = torch.zeros_like(target)
    done = done[:, None]
    p, mean, gap = at(theta)
    radius = torch.full_like(theta[:, :1], 2.0)
    for _ in range(MOST_STEPS):
        step = _newton_step(p, phi - mean[..., None], penalty, gap)
        last = (step * gap).sum(1, keepdim=True) < GAIN
        step = _within_radius(step, phi, radius)
        new = at(theta - step)
        before = (step * gap).sum(1, keepdim=True)
        after = (step * new[2]).sum(1, keepdim=True)
        short = after >= -before / 2
        radius = torch.where(short, 4 * radius, radius / 8)
        take = short & ~done
        theta = torch.where(take, theta - step, theta)
        p = torch.where(take, new[0], p)
        mean = torch.where(take, new[1], mean)
        gap = torch.where(take, new[2], gap)
        done = done | last
        if done.all():
            break
    return theta


def _newton_step(p: Tensor, centred: Tensor, penalty: float, gap: Tensor) -> Tensor:
    """The gradient ``[R, 2]`` times the inverse of the covariance of both statistics."""
    u, v = centred.unbind(1)
    uu = (p * u * u).sum(1) + penalty
    vv = (p * v * v).sum(1) + penalty
    uv = (p * u * v).sum(1)
    a, b = gap.T
    det = (uu * vv - uv.square()).clamp(min=1e-300)
    return torch.stack([(vv * a - uv * b) / det, (uu * b - uv * a) / det], 1)


def _within_radius(step: Tensor, phi: Tensor, radius: Tensor) -> Tensor:
    """The step, shortened so that no level's log weight moves by more than the radius."""
    moves = (step[:, :1] * phi[0] + step[:, 1:] * phi[1]).abs().amax(1, keepdim=True)
    moves = moves.nan_to_num(nan=torch.inf)
    return torch.where(moves > 0, step * (radius / moves).clamp(max=1), 0).nan_to_num()


def on_edge(N: int, first: Tensor, second: Tensor, n: float) -> tuple[Tensor, Tensor]:
    """Chains with rows on an edge of the moments' polygon, and their law ``[R, N + 1]``.

    first, second: sums of m and m^2 over n rows. There the MLE is at infinity: its law
    has the edge's two levels only, neighbours or the two extremes. A row off the edge
    puts 4 or more between the sums and it. What the slack lets pass is rounding: of sums
    beyond 2^53, and of rows that have weights.
    """
    slack = 1e-14 * N**2 * n
    low = ((first / n + N) / 2).floor().clamp(0, N - 1)  # level just below the mean
    a = 2 * low - N
    neighbours = (second - ((2 * a + 2) * first - a * (a + 2) * n)).abs() <= slack
    extremes = (second - float(N) ** 2 * n).abs() <= slack
    lower = torch.where(neighbours, low, 0).long()
    upper = torch.where(neighbours, low + 1, N).long()
    width = 2.0 * (upper - lower)
    share = ((first / n - (2.0 * lower - N)) / width).clamp(0, 1)
    law = torch.zeros(len(first), N + 1, dtype=torch.float64)
    law.scatter_(1, lower[:, None], (1 - share)[:, None])
    law.scatter_(1, upper[:, None], share[:, None])
    return neighbours | extremes, law
