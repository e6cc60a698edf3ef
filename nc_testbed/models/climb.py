"""EM steps until every chain has stopped: those that have are left behind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Progress, no_progress
from nc_testbed.models.em import EM, Components

SELDOM = 8
"""Steps between two questions how many chains still climb, on a GPU: each waits for it."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Where EM ended: components, log-likelihood per row (standardised), steps, converged [R]."""

    components: Components
    log_likelihood: Tensor
    steps: Tensor
    converged: Tensor


@dataclass(frozen=True, eq=False)
class _Group:
    """Chains that are taken on together, by number ``[r]``: their rows, components, last
    log-likelihood ``[r]``, steps taken ``[r]`` and whether they still climb ``[r]``."""

    chains: Tensor
    em: EM
    at: Components
    last: Tensor
    taken: Tensor
    moving: Tensor

    def part(self, those: Tensor) -> _Group:
        """Some of them ``[r]`` bool."""
        kept = [x[those] for x in (self.last, self.taken, self.moving)]
        return _Group(self.chains[those], self.em.part(those), self.at.part(those), *kept)

    def step(self, moments: Tensor, now: Tensor) -> _Group:
        """One step on, from the moments and the log-likelihood of where they are."""
        at = self.em.maximise(moments).where(self.moving, self.at)
        return replace(self, at=at, last=now, taken=self.taken + self.moving)


def climb(
    em: EM, start: Components, steps: int, tolerance: float, progress: Progress = no_progress
) -> Climb:
    """At most this many steps; a chain stops when its log-likelihood gains < tolerance.

    A chain that has stopped is frozen, so it does not depend on when the others stop. Once at
    most half of a group still climb, they go on without the others.
    """
    last = torch.full_like(start.weights[:, 0], -torch.inf)
    chains = torch.arange(len(last), device=last.device)
    group = _Group(chains, em, start, last, torch.zeros_like(chains), last < 0)
    stopped: list[_Group] = []
    for step in range(steps):
        moments, now = group.em.expect(group.at)
        moving = group.moving & ~((now - group.last).abs() < tolerance)
        group = replace(group, moving=moving)
        if last.is_cpu or step % SELDOM == 1:
            left = int(moving.sum())
            if left == 0:
                break
            if 2 * left <= len(moving):
                stopped.append(group.part(~moving))
                group, moments, now = group.part(moving), moments[moving], now[moving]
        group = group.step(moments, now)
        progress(step + 1, steps)
    return _joined(em, [*stopped, group], tolerance)


def _joined(em: EM, groups: list[_Group], tolerance: float) -> Climb:
    """All chains in their order."""
    order = torch.cat([group.chains for group in groups]).argsort()
    at = Components.joined([group.at for group in groups]).part(order)
    last, taken = (torch.cat([getattr(g, k) for g in groups])[order] for k in ("last", "taken"))
    log_likelihood = em.expect(at)[1]
    return Climb(at, log_likelihood, taken, (log_likelihood - last).abs() < tolerance)
