"""The laws of runs that are fitted under a conjugate prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import Law, law
from nc_testbed.models.bernoulli import BernoulliModel
from nc_testbed.models.exponential import ExponentialModel
from nc_testbed.models.poisson import PoissonModel
from nc_testbed.theory import priors


def with_prior(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    """Under a conjugate prior without real rows: the mean goes to the prior's."""
    if model.estimator != "map" or at.taken is None or at.taken[0] > 0:
        return {}
    A, m = model.prior_count, model.prior_mean
    if isinstance(model, BernoulliModel) and model.coordinates == "mean":
        inner = A * min(m, 1 - m) >= 1 and at.n is not None
        values = priors.expected_map(at.t, at.n or 1, float(truth["p"]), A, m, "mean")
        return {"mean": law(priors.expected_map, values)} if inner else {}
    if model.coordinates == "mean":
        return {}
    one = {
        BernoulliModel: ("p", (0, 1, -1)),
        PoissonModel: ("rate", (0, 1, 0)),
        ExponentialModel: ("scale", (0, 0, 1)),
    }.get(type(model))
    if one is None:
        return {}
    name, (a, b, c) = one
    centre, spread = priors.map_curves(at.sizes, float(truth[name]), A, m, (a, b, c))
    variance = a + b * centre + c * (centre**2 + spread)
    return {
        "mean": law(priors.map_curves, centre, np.sqrt(spread)),
        "variance": law(priors.map_curves, variance),
    }
