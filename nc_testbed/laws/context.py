"""What a law depends on beside the family: the policy and the rows it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nc_testbed.laws.law import Curve
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.collect import Collect
from nc_testbed.policies.replace import Replace
from nc_testbed.theory import accumulate, anchors


@dataclass(frozen=True)
class LawContext:
    """What a law depends on beside the family: the policy and how many rows it takes.

    drawn: rows of generation 0, then of every synthetic set that is trained on, ``[T]``.
    """

    policy: Any
    drawn: Sequence[int]
    budget: int | None

    @cached_property
    def t(self) -> np.ndarray:
        """1..T: t = 1 is the fit to real rows, generation 0."""
        return np.arange(1, len(self.drawn) + 1)

    @cached_property
    def sizes(self) -> list[int]:
        """Rows that every generation is fitted to; under accumulate and collect, as drawn."""
        n0, later = self.drawn[0], list(self.drawn[1:])
        if isinstance(self.policy, Augment):
            later = [n0 + n for n in later]
        if self.budget is not None and not isinstance(self.policy, Accumulate):
            later = [min(self.budget, n) for n in later]
        return [n0, *later]

    @property
    def n(self) -> int | None:
        """The rows of every generation where they are equal."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    @cached_property
    def taken(self) -> tuple[int, anchors.Source] | None:
        """Real rows per generation and their source, where the rest is the last synthetic set."""
        if isinstance(self.policy, Replace):
            return 0, "fresh"
        if isinstance(self.policy, Augment):
            return self.sizes[0], "fixed"
        if isinstance(self.policy, Anchor):
            return self.policy.anchors(self.sizes[-1], None), self.policy.source
        return None

    @property
    def replaces(self) -> bool:
        """Equal samples and no real row after generation 0."""
        return self.n is not None and self.taken is not None and self.taken[0] == 0

    def spread(self, variance: float, c: float, scale: int = 1) -> tuple[Any, Curve] | None:
        """Its function and Var phi_t of a one-parameter family with V = a + b phi + c phi^2.

        scale: independent individuals in a row (the spins of an Ising model).
        """
        sizes = [scale * n for n in self.sizes]
        if self.taken is not None:
            k, source = self.taken
            values = anchors.anchored_spread(sizes, scale * k, variance, c, source)
            return anchors.anchored_spread, values
        if isinstance(self.policy, Accumulate):
            args = (sizes, variance, c, self.budget)
            return accumulate.accumulated_spread, accumulate.accumulated_spread(*args)
        if isinstance(self.policy, Collect):
            rows = scale * (self.sizes[0] + self.policy.k * (self.t - 1))
            return anchors.real_only_spread, anchors.real_only_spread(1, rows, variance)
        return None

    def gaussian(self, variance: float, ddof: int) -> tuple[Any, Curve, Curve] | None:
        """Its function, E(mean - truth)^2 and E S of a Gaussian fitted in mean and variance."""
        if self.taken is not None:
            k, source = self.taken
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
