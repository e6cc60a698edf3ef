"""Where an exact law says how far a family settles from its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nc_testbed.models.bernoulli import BernoulliModel
from nc_testbed.models.categorical import CategoricalModel
from nc_testbed.models.exponential import ExponentialModel
from nc_testbed.models.gaussian import GaussianModel
from nc_testbed.models.ising import IsingModel
from nc_testbed.models.poisson import PoissonModel
from nc_testbed.theory import anchors


@dataclass(frozen=True)
class ExactLaw:
    """A fitted mean of a sufficient statistic: no bias, and the variance of a known law.

    n: rows per refit, n0 of generation 0. variance V_0 and c: of the family's variance function,
    see :mod:`nc_testbed.theory.anchors`. rows: independent individuals in a row (spins). scale:
    the metric's units, squared, in those of the statistic.
    """

    n: int
    n0: int
    variance: float
    c: float
    rows: int = 1
    scale: float = 1.0

    def stationary(self, k: ArrayLike) -> NDArray[np.float64]:
        """Variance over chains in the end, k FRESH real rows; infinite where the law has none.

        >>> float(ExactLaw(50, 50, 0.25, -1).stationary(1).round(4))
        0.0845
        """
        rows, n = np.asarray(k) * self.rows, self.n * self.rows
        with np.errstate(divide="ignore"):
            found = anchors.stationary_spread(rows, n, self.variance, self.c)
        return self.scale * np.where(found > 0, found, np.inf)

    def at(self, t: int, k: int) -> float:
        """Variance over chains at refit t, t = 1 is generation 0."""
        sizes = [self.n0 * self.rows, *[self.n * self.rows] * (t - 1)]
        curve = anchors.anchored_spread(sizes, k * self.rows, self.variance, self.c, "fresh")
        return self.scale * float(curve[-1])


def exact_law(
    model: Any, truth: Mapping[str, Any], metric: str, n: int, n0: int, temperature: float
) -> ExactLaw | None:
    """The law of this metric of a family fitted by maximum likelihood; None where none is known.

    truth: parameters ``[...]`` of the model's family.
    """
    if getattr(model, "estimator", None) != "mle" or temperature != 1:
        return None
    found = _moments(model, truth, metric)
    if found is None:
        return None
    rows, scale = (model.spins, 4.0) if isinstance(model, IsingModel) else (1, 1.0)
    return ExactLaw(n, n0, *found, rows, scale)


def _moments(model: Any, truth: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """V_0 and c."""
    kind, value = type(model), {k: np.asarray(v) for k, v in truth.items()}
    if kind is GaussianModel:
        return _gaussian(model, float(value["factor"][0, 0]) ** 2, metric)
    if kind is CategoricalModel and metric.startswith("mean_"):
        p = float(value["shares"][int(metric.removeprefix("mean_")) - 1])
        return p * (1 - p), -1
    if metric != "mean":
        return None
    if kind is BernoulliModel:
        p = float(value["p"])
        return p * (1 - p), -1
    if kind is PoissonModel:
        return float(value["rate"]), 0
    if kind is ExponentialModel:
        return float(value["scale"]) ** 2, 1
    if kind is IsingModel and model.learn == "theta_1":
        p = float(value["up"])
        return p * (1 - p), -1
    return None


def _gaussian(model: GaussianModel, variance: float, metric: str) -> tuple[float, float] | None:
    if metric.startswith("mean"):
        if model.learn == "both":  # with ddof = 0, E S = s^2 less the drift: as if c were -1
            return (variance, -1) if model.ddof == 0 else None
        return (variance, 0) if model.learn == "mean" else None
    alone = model.learn == "variance" and metric == "variance" and model.dim == 1
    return (2 * variance**2, 2) if alone else None


def class_shares(parameters: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Shares of the classes ``[..., C]`` of a categorical law or a coin, None of any other.

    >>> class_shares({"p": [0.25]}).tolist()
    [[0.25, 0.75]]
    """
    if "shares" in parameters:
        return np.asarray(parameters["shares"], dtype=np.float64)
    if "p" not in parameters:
        return None
    p = np.asarray(parameters["p"], dtype=np.float64)
    return np.stack([p, 1 - p], -1)
