"""Where an exact law says how far a family settles from its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nc_testbed.laws.expected import own_method
from nc_testbed.laws.shared import VarianceFunction
from nc_testbed.theory import anchors


@dataclass(frozen=True)
class AnchoredLaw:
    """A fitted mean of a sufficient statistic: no bias, and the variance of a known law.

    n: rows per refit, n0 of generation 0. law: the family's variance function.
    """

    n: int
    n0: int
    law: VarianceFunction

    def stationary(self, k: ArrayLike) -> NDArray[np.float64]:
        """Stationary variance over chains at k FRESH real rows; infinite where there is
        none.

        >>> float(AnchoredLaw(50, 50, VarianceFunction(0.25, -1)).stationary(1).round(4))
        0.0845
        """
        rows = np.asarray(k) * self.law.individuals
        n = self.n * self.law.individuals
        with np.errstate(divide="ignore"):
            spread = anchors.stationary_spread(rows, n, self.law.variance, self.law.c)
        return self.law.scale * np.where(spread > 0, spread, np.inf)

    def at(self, t: int, k: int) -> float:
        """Variance over chains at refit t, t = 1 is generation 0."""
        rows = self.law.individuals
        sizes = [self.n0 * rows, *[self.n * rows] * (t - 1)]
        args = (self.law.variance, self.law.c, "fresh")
        return self.law.scale * float(anchors.anchored_spread(sizes, k * rows, *args)[-1])


def anchored_law(
    model: Any,
    truth: Mapping[str, Any],
    metric: str,
    n: int,
    n0: int,
    temperature: float,
) -> AnchoredLaw | None:
    """The law of a metric of a family fitted by maximum likelihood; None where none is
    known.

    The model says ``variance_function(truth, metric)``. truth: parameters ``[...]`` of
    its family.
    """
    variance_function = own_method(model, "variance_function")
    if variance_function is None or model.estimator != "mle" or temperature != 1:
        return None
    law = variance_function({k: np.asarray(v) for k, v in truth.items()}, metric)
    return None if law is None else AnchoredLaw(n, n0, law)


def class_shares(parameters: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Shares of the classes ``[..., C]`` of a categorical law or a coin, None of any
    other.

    >>> class_shares({"p": [0.25]}).tolist()
    [[0.25, 0.75]]
    """
    if "shares" in parameters:
        return np.asarray(parameters["shares"], dtype=np.float64)
    if "p" not in parameters:
        return None
    p = np.asarray(parameters["p"], dtype=np.float64)
    return np.stack([p, 1 - p], -1)
