"""Fully connected Ising model: the field, or the field and the coupling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.families.estimator import FamilyModel, bisect, check_estimator, posterior_mean
from nc_testbed.families.ising import CoupledSpins, IndependentSpins

STEPS = 100
"""Most Newton steps of a fit of both parameters; 10 to 20 do but where rows lie near an edge."""


@final
@dataclass(frozen=True, kw_only=True)
class IsingModel(FamilyModel):
    """Fits N fully connected spins: theta_1 alone (theta_2 = 0), or both.

    spins: N, 2 to 1000, None = as many as a row has. learn: ``theta_1`` or ``both``. prior_mean:
    of a pseudo-row's spins, -1 to 1; its spins are independent.
    """

    spins: int | None = None
    learn: Literal["theta_1", "both"] = "theta_1"
    prior_mean: float = 0.0

    def __post_init__(self) -> None:
        check_estimator(self)
        ok = self.spins is None or 2 <= self.spins <= 1000
        require(ok, "spins", self.spins, "give 2 to 1000 spins, or null for the data's")
        require(-1 <= self.prior_mean <= 1, "prior_mean", self.prior_mean, "give -1 to 1")
        ok = self.learn == "theta_1" or self.coordinates == "natural"
        remedy = "give natural: with both parameters the mode in mean coordinates is not closed"
        require(ok, "coordinates", self.coordinates, remedy)

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> IsingModel:
        """With as many spins as a row has."""
        return replace(self, spins=self.spins or size)

    def family(self) -> Family:
        """Spins without or with a coupling."""
        return (IndependentSpins if self.learn == "theta_1" else CoupledSpins)(self._N)

    @property
    def _N(self) -> int:
        assert self.spins is not None, "settings left to the data are filled in first"
        return self.spins

    def least_rows(self) -> int:
        """1, more under a prior in mean coordinates of a single spin."""
        mean_mode = self.estimator == "map" and self.coordinates == "mean"
        return 1 if not mean_mode else max(1, int(2 / self._N - self.prior_count + 1))

    def estimate(self, statistic: Statistic) -> Parameters:
        """``{"up": [R]}``, or ``{"levels": [R, N + 1], "theta": [R, 2]}``.

        theta is 0 for rows on an edge, whose levels it cannot reach.
        """
        if self.learn == "both":
            return self._both(statistic)
        ups, N, n = statistic.values["ups"], self._N, statistic.count
        if self.estimator == "l2":
            m, reach = 2 * ups / n - N, torch.full_like(ups, 2 * N / self.penalty)
            t = bisect(lambda t: N * t.tanh() + self.penalty * t - m, -reach, reach)
            return {"up": (1 + t.tanh()) / 2}
        # Spins up per row: phi = N p with variance N p (1 - p) = phi - phi^2 / N.
        prior = N * (1 + self.prior_mean) / 2
        phi = posterior_mean(self, ups, n, prior, slope=1, curve=-1 / N)
        return {"up": (phi / N).clamp(max=1)}

    def _both(self, statistic: Statistic) -> Parameters:
        family, N = CoupledSpins(self._N), self._N
        first, second, n = statistic.values["first"], statistic.values["second"], statistic.count
        penalty = self.penalty if self.estimator == "l2" else 0.0
        if self.estimator == "map":
            A, m = self.prior_count, self.prior_mean
            first, second = first + A * N * m, second + A * (N + N * (N - 1) * m**2)
            n = n + A
        edge, on_edge = _edge(N, first, second, n)
        edge = edge if self.estimator != "l2" else torch.zeros_like(edge)
        theta = _newton(family, first / n, second / n, penalty, edge)
        levels = torch.where(edge[:, None], on_edge, family.law(theta))
        return {"levels": levels, "theta": theta}


def _newton(
    family: CoupledSpins, first: Tensor, second: Tensor, penalty: float, done: Tensor
) -> Tensor:
    """Natural parameters ``[R, 2]`` whose moments, plus ``penalty theta``, are the rows'.

    A step moves no level's log weight by more than a radius that is each chain's own. A step that
    turns the gradient along it round is not taken, and the radius shrinks: near an edge the
    likelihood is nearly flat and a whole step would overshoot by orders of magnitude. After one
    that is taken it grows: rows in the middle of many levels are hundreds of nats from the start.
    All start at 0, as from another fit near an edge there may be no way back; chains that are
    ``done`` stay there.
    """
    m, N = family.magnetisations, family.spins
    phi = torch.stack([m, (m.square() - N) / 2])  # [2, N + 1], the statistics of every level
    target = torch.stack([first, (second - N) / 2], 1)  # [R, 2]

    def at(theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p = family.law(theta)
        mean = torch.stack([(p * f).sum(1) for f in phi], 1)
        return p, mean, mean + penalty * theta - target

    theta, done = torch.zeros_like(target), done[:, None]
    p, mean, gap = at(theta)
    radius = torch.full_like(theta[:, :1], 2.0)
    for _ in range(STEPS):
        u, v = (f - mu[:, None] for f, mu in zip(phi, mean.T, strict=True))
        uu, vv, uv = (p * u * u).sum(1), (p * v * v).sum(1), (p * u * v).sum(1)
        uu, vv = uu + penalty, vv + penalty
        a, b = gap.T
        det = (uu * vv - uv.square()).clamp(min=1e-300)
        step = torch.stack([(vv * a - uv * b) / det, (uu * b - uv * a) / det], 1)
        last = (step * gap).sum(1, keepdim=True) < 1e-24  # twice the nats there are to gain
        moved = (step[:, :1] * phi[0] + step[:, 1:] * phi[1]).abs().amax(1, keepdim=True)
        moved = moved.nan_to_num(nan=torch.inf)
        step = torch.where(moved > 0, step * (radius / moved).clamp(max=1), 0).nan_to_num()
        there = at(theta - step)
        before, after = ((step * g).sum(1, keepdim=True) for g in (gap, there[2]))
        short = after >= -before / 2
        radius = torch.where(short, 4 * radius, radius / 8)
        take = short & ~done
        theta = torch.where(take, theta - step, theta)
        new = zip(there, (p, mean, gap), strict=True)
        p, mean, gap = (torch.where(take, x, old) for x, old in new)
        done = done | last
        if done.all():
            break
    return theta


def _edge(N: int, first: Tensor, second: Tensor, n: float) -> tuple[Tensor, Tensor]:
    """Chains whose rows lie on an edge of the moments' polygon, and their law ``[R, N + 1]``.

    There the MLE is at infinity: its law has the edge's two levels only, neighbours or the two
    extremes. A row off the edge puts 4 or more between the sums and it. What the slack lets pass
    is rounding: of sums beyond 2^53, and of rows that have weights.
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
