"""What exact laws depend on beside the family: the training sets of the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nc_testbed.laws.law import Curve
from nc_testbed.theory import accumulate, anchors

Function = Callable[..., Any]
"""The function of :mod:`nc_testbed.theory` that gives a law."""


@dataclass(frozen=True)
class LawContext:
    """The training sets of a policy, in the terms of the laws; T generations.

    sizes: rows that every generation is fitted to, ``[T]``; of accumulated and collected
    rows those drawn. kind: ``anchored`` = k real rows of a source and all others of the
    last synthetic set, k = 0 is replace; ``accumulated`` = all rows so far, or a budget
    of them; ``collected`` = real rows alone, k more in every generation; ``real`` =
    generation 0's alone.
    """

    sizes: Sequence[int]
    kind: Literal["anchored", "accumulated", "collected", "real"] = "anchored"
    k: int = 0
    source: anchors.Source = "fresh"
    budget: int | None = None

    @cached_property
    def t(self) -> np.ndarray:
        """1..T: t = 1 is the fit to real rows, generation 0."""
        return np.arange(1, len(self.sizes) + 1)

    @property
    def n(self) -> int | None:
        """The rows of every generation where they are equal, else None."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    @property
    def replaces(self) -> bool:
        """Whether samples are equal in size and no real row comes after generation 0."""
        return self.n is not None and self.kind == "anchored" and self.k == 0

    def spread(
        self, variance: float, c: float, scale: int = 1
    ) -> tuple[Function, Curve] | None:
        """Function and values of Var phi_t, of a family with V = a + b phi + c phi^2.

        variance: V_0, of the truth. scale: independent individuals in a row (the spins of
        an Ising model).
        """
        sizes = [scale * n for n in self.sizes]
        if self.kind == "anchored":
            values = anchors.anchored_spread(sizes, scale * self.k, variance, c, self.source)
            return anchors.anchored_spread, values
        if self.kind == "accumulated":
            values = accumulate.accumulated_spread(sizes, variance, c, self.budget)
            return accumulate.accumulated_spread, values
        if self.kind == "collected":
            values = anchors.real_only_spread(1, scale * self._collected_rows(), variance)
            return anchors.real_only_spread, values
        return None

    def gaussian(self, variance: float, ddof: int) -> tuple[Function, Curve, Curve] | None:
        """Function, E(mean - truth)^2 and E S of a Gaussian
        with mean and variance fitted."""
        if self.kind == "anchored":
            args = (self.sizes, self.k, variance, ddof, self.source)
            return anchors.anchored_gaussian, *anchors.anchored_gaussian(*args)
        if self.kind == "accumulated":
            args = (self.sizes, variance, ddof, self.budget)
            return accumulate.accumulated_gaussian, *accumulate.accumulated_gaussian(*args)
        if self.kind == "collected":
            rows = self._collected_rows()
            drift = variance / rows
            return (
                anchors.real_only_spread,
                drift,
                rows / (rows - ddof) * (variance - drift),
            )
        return None

    def _collected_rows(self) -> np.ndarray:
        """Real rows that every generation is fitted to, ``[T]``."""
        return self.sizes[0] + self.k * (self.t - 1)


def cut_to_budget(sizes: Sequence[int], budget: int | None) -> list[int]:
    """Rows of every training set where a budget thins all but generation 0's.

    >>> cut_to_budget([30, 20, 10], 15)
    [30, 15, 10]
    """
    if budget is None:
        return list(sizes)
    return [sizes[0], *(min(budget, n) for n in sizes[1:])]
