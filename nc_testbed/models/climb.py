"""EM steps until every chain has stopped; a chain
that has is left out of the later ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Progress, no_progress
from nc_testbed.models.em import EM, Components

SELDOM = 8
"""Steps between two counts of the chains that still
climb, on a GPU: each count waits for it."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Where EM ended: components, log-likelihood
    per row (standardised), steps, converged [R]."""

    components: Components
    log_likelihood: Tensor
    steps: Tensor
    converged: Tensor


@dataclass(frozen=True, eq=False)
class _Group:
    """Chains that take their steps together.

    chains: their numbers ``[r]``. last: log-likelihood before the last step ``[r]``.
    steps: how many they took ``[r]``. moving: whether they still climb ``[r]`` bool.
    """

    chains: Tensor
    em: EM
    components: Components
    last: Tensor
    steps: Tensor
    moving: Tensor

    def part(self, where: Tensor) -> _Group:
        """The chains of the group at ``where`` ``[r]`` bool."""
        return _Group(
            self.chains[where],
            self.em.part(where),
            self.components.part(where),
            self.last[where],
            self.steps[where],
            self.moving[where],
        )

    def step(self, moments: Tensor, log_likelihood: Tensor) -> _Group:
        """One EM step, from the moments and the log-likelihood of the components."""
        components = self.em.maximise(moments).where(self.moving, self.components)
        steps = self.steps + self.moving
        return replace(self, components=components, last=log_likelihood, steps=steps)


def climb(
    em: EM,
    start: Components,
    steps: int,
    tolerance: float,
    progress: Progress = no_progress,
) -> Climb:
    """At most this many EM steps; a chain stops when its log-likelihood gains <
    tolerance.

    A chain that has stopped is frozen, so it does not depend on when the others stop.
    Once at most half of a group still climb, they go on without the others.
    """
    last = torch.full_like(start.weights[:, 0], -torch.inf)
    chains = torch.arange(len(last), device=last.device)
    group = _Group(chains, em, start, last, torch.zeros_like(chains), last < 0)
    stopped: list[_Group] = []
    for step in range(steps):
        moments, log_likelihood = group.em.expect(group.components)
        moving = group.moving & ~((log_likelihood - group.last).abs() < tolerance)
        group = replace(group, moving=moving)
        if last.is_cpu or step % SELDOM == 1:
            count = int(moving.sum())
            if count == 0:
                break
            if 2 * count <= len(moving):
                stopped.append(group.part(~moving))
                group = group.part(moving)
                moments = moments[moving]
                log_likelihood = log_likelihood[moving]
        group = group.step(moments, log_likelihood)
        progress(step + 1, steps)
    return _join(em, [*stopped, group], tolerance)


def _join(em: EM, groups: list[_Group], tolerance: float) -> Climb:
    """All chains in their order."""
    order = torch.cat([group.chains for group in groups]).argsort()
    components = Components.join([group.components for group in groups]).part(order)
    last = torch.cat([group.last for group in groups])[order]
    steps = torch.cat([group.steps for group in groups])[order]
    log_likelihood = em.expect(components)[1]
    return Climb(components, log_likelihood, steps, (log_likelihood - last).abs() < tolerance)
