"""Laws that several families have in common, each by its metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nc_testbed.laws.context import Function, LawContext
from nc_testbed.laws.law import Curve, ExactLaw, law
from nc_testbed.theory import chain, priors, replace

LARGEST_CHAIN = 4e9
"""Multiplications an exact chain may take (seconds); beyond it absorption has no law."""
LOG_SCALE = 1.0
"""What a log's error is compared with, nats: a log may pass through 0, which only its
units put there."""
MOST_CLASSES = 20
"""Classes whose chains are followed one by one where anchors make each chain its own."""


@dataclass(frozen=True)
class VarianceFunction:
    """Of a metric that is a fitted mean phi without bias: V = a + b phi + c phi^2.

    variance: V_0, of the truth. individuals: independent ones in a row (spins). scale:
    the metric's units, squared, in those of phi.
    """

    variance: float
    c: float
    individuals: int = 1
    scale: float = 1.0


def moment_laws(
    context: LawContext, mean: float, variance: float, c: float
) -> dict[str, ExactLaw]:
    """``mean``, which stays where it is, and ``variance``: ``E V = V_0 + c Var phi``."""
    known_spread = context.spread(variance, c)
    if known_spread is None:
        return {}
    function, spread = known_spread
    resting = (0.0,) if c < 0 else ()  # where a family ends
    values = variance + c * spread
    return {
        "mean": constant_law(context, mean, known_spread, math.sqrt(variance)),
        "variance": law(function, values, resting=resting, unit=variance),
    }


def constant_law(
    context: LawContext,
    value: float,
    known_spread: tuple[Function, Curve] | None = None,
    scale: float | None = None,
) -> ExactLaw:
    """A mean that no generation moves; its exact deviation where the spread is known.

    scale: what an error is compared with, None = the value itself.
    """
    values = np.full(len(context.t), value)
    scale = scale or abs(value)
    if known_spread is None:
        return law(replace.growing, values, scale=scale)
    function, spread = known_spread
    return law(function, values, np.sqrt(spread), scale)


def coordinate_laws(d: int, mean: ExactLaw) -> dict[str, ExactLaw]:
    """The law of ``mean``, or of the first eight of d coordinates, all the same."""
    return {"mean": mean} if d == 1 else {f"mean_{i + 1}": mean for i in range(min(8, d))}


def class_laws(
    context: LawContext, shares: Sequence[float] | Curve, scale: int = 1
) -> dict[str, ExactLaw]:
    """Absorption and survival of classes by exact chains; replace and fresh anchors.

    shares: of the truth, ``[C]``. scale: independent individuals in a row.
    """
    shares = np.asarray(shares, dtype=np.float64)
    fresh = context.kind == "anchored" and context.source == "fresh" and context.n is not None
    if not (context.replaces or (fresh and len(shares) <= MOST_CLASSES)):
        return {}
    n = scale * (context.n or 0)
    k = scale * context.k
    T = len(context.t)
    # Without anchors all classes share one transition matrix; with them each has its own.
    chains = len(shares) if k else 1
    if chains * (float(n) ** 2 * T + float(n) ** 3 * bool(k)) > LARGEST_CHAIN:
        return {}
    alive = chain.alive_curve(n, shares, T, k)  # [C, T]
    alone = chain.fixed_curve(n, shares, T, k).sum(0)
    missing = shares @ (1 - alive)
    extremes = (1.0, float(len(shares)))  # one class, or all of them
    return {
        "absorbed": law(chain.fixed_curve if k else chain.absorbed_curve, alone, share=True),
        "alive_classes": law(chain.alive_curve, alive.sum(0), resting=extremes),
        "missing_mass": law(
            chain.alive_curve, missing, resting=(0.0,), unit=float(shares.max())
        ),
    }


def prior_laws(
    model: Any, context: LawContext, mean: float, curve: tuple[float, float, float]
) -> dict[str, ExactLaw]:
    """Under a conjugate prior, in natural coordinates: the mean goes to the prior's.

    mean: of the truth. curve: a, b and c of the family's V = a + b phi + c phi^2. Nothing
    is known where real rows are trained on, or of an ``l2`` penalty.
    """
    if model.estimator != "map" or model.coordinates != "natural":
        return {}
    if context.kind != "anchored" or context.k > 0:
        return {}
    pull = (model.prior_count, model.prior_mean)
    centre, spread = priors.map_curves(context.sizes, mean, *pull, curve)
    a, b, c = curve
    variance = a + b * centre + c * (centre**2 + spread)
    return {
        "mean": law(priors.map_curves, centre, np.sqrt(spread)),
        "variance": law(priors.map_curves, variance),
    }
