"""What a law depends on beside the family: the policy and the rows it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.collect import Collect
from nc_testbed.policies.replace import Replace
from nc_testbed.run.laws import Curve
from nc_testbed.theory import accumulate, anchors


@dataclass(frozen=True)
class Setting:
    """What a law depends on beside the family: the policy and how many rows it takes.

    sizes: rows that every generation is fitted to (under accumulate, new rows), ``[T]``.
    """

    policy: Any
    sizes: Sequence[int]
    budget: int | None

    @cached_property
    def t(self) -> np.ndarray:
        """1..T: t = 1 is the fit to real rows, generation 0."""
        return np.arange(1, len(self.sizes) + 1)

    @property
    def n(self) -> int | None:
        """The rows of every generation where they are equal."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    @property
    def replaces(self) -> bool:
        """Equal samples and no real row after generation 0."""
        return self.n is not None and (isinstance(self.policy, Replace) or self.k == 0)

    @property
    def k(self) -> int | None:
        """Anchors per generation, None for other policies."""
        if not isinstance(self.policy, Anchor):
            return None
        return self.policy.anchors(self.sizes[-1], self.budget)

    def spread(self, variance: float, c: float, scale: int = 1) -> tuple[Any, Curve] | None:
        """Its function and Var phi_t of a one-parameter family with V = a + b phi + c phi^2.

        scale: independent individuals in a row (the spins of an Ising model).
        """
        sizes = [scale * n for n in self.sizes]
        if isinstance(self.policy, Replace):
            return anchors.anchored_spread, anchors.anchored_spread(sizes, 0, variance, c, "fresh")
        if self.k is not None:
            args = (sizes, scale * self.k, variance, c, self.policy.source)
            return anchors.anchored_spread, anchors.anchored_spread(*args)
        if isinstance(self.policy, Accumulate):
            args = (sizes, variance, c, self.budget)
            return accumulate.accumulated_spread, accumulate.accumulated_spread(*args)
        if isinstance(self.policy, Collect):
            rows = scale * (self.sizes[0] + self.policy.k * (self.t - 1))
            return anchors.real_only_spread, anchors.real_only_spread(1, rows, variance)
        return None

    def gaussian(self, variance: float, ddof: int) -> tuple[Any, Curve, Curve] | None:
        """Its function, E(mean - truth)^2 and E S of a Gaussian fitted in mean and variance."""
        if isinstance(self.policy, Replace) or self.k is not None:
            k, source = (self.k or 0), getattr(self.policy, "source", "fresh")
            values = anchors.anchored_gaussian(self.sizes, k, variance, ddof, source)
            return anchors.anchored_gaussian, *values
        if isinstance(self.policy, Accumulate):
            args = (self.sizes, variance, ddof, self.budget)
            return accumulate.accumulated_gaussian, *accumulate.accumulated_gaussian(*args)
        if isinstance(self.policy, Collect):
            rows = self.sizes[0] + self.policy.k * (self.t - 1)
            drift = variance / rows
            return anchors.real_only_spread, drift, rows / (rows - ddof) * (variance - drift)
        return None
