"""From a run's settings to its laws: one function per family."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nc_testbed.core.family import Parameters
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import Law, law
from nc_testbed.laws.map_prior import with_prior
from nc_testbed.models.bernoulli import BernoulliModel
from nc_testbed.models.categorical import CategoricalModel
from nc_testbed.models.exponential import ExponentialModel
from nc_testbed.models.gaussian import GaussianModel
from nc_testbed.models.gmm import GMM
from nc_testbed.models.ising import IsingModel
from nc_testbed.models.kde import KDE
from nc_testbed.models.linear import LinearModel
from nc_testbed.models.poisson import PoissonModel
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.theory import accumulate, chain, replace, replace_gaussian, replace_scale

EXACT = 4e9
"""Multiplications an exact chain may take (seconds); beyond it nothing is said of absorption."""
NAT = 1.0
"""The natural scale of a logarithm: it may pass through zero, and its zero is a choice of units."""
KINDS = 20
"""Classes whose chains are followed one by one where anchors make each chain its own."""


def expected(
    model: Any,
    truth: Parameters,
    policy: Any,
    sizes: Sequence[int],
    budget: int | None = None,
) -> dict[str, Law]:
    """``{metric: law}`` of a run on data of this truth; empty where no law is known.

    truth: parameters ``[1, ...]`` in the model's family. sizes: rows of generation 0, then of
    every synthetic set that is trained on, ``[T]``.
    """
    family = FAMILIES.get(type(model))
    if family is None:
        return {}
    setting = LawContext(policy, list(sizes), budget)
    values = {name: np.asarray(value[0]) for name, value in truth.items()}
    if getattr(model, "estimator", "mle") != "mle":
        return with_prior(model, values, setting)
    return family(model, values, setting)


def _bernoulli(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    p = float(truth["p"])
    laws = _one_parameter(at, p, p * (1 - p), -1)
    if "variance" in laws:
        spread = laws["variance"]
        laws["heterozygosity"] = dataclasses.replace(
            spread, values=2 * spread.values, unit=2 * spread.unit
        )
    return laws | _classes(at, [p, 1 - p])


def _categorical(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    p = np.asarray(truth["shares"])
    found, laws = at.spread(1 - float((p**2).sum()), -1), {}
    if found is not None:
        first = 1 - float((p**2).sum())
        laws["heterozygosity"] = law(found[0], first - found[1], rest=(0.0,), unit=first)
        for i, share in enumerate(p[:8]):
            spread = at.spread(share * (1 - share), -1)
            laws[f"mean_{i + 1}"] = _unbiased(at, float(share), spread)
    return laws | _classes(at, p)


def _poisson(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    rate = float(truth["rate"])
    laws = _one_parameter(at, rate, rate, 0)
    if "mean" in laws:
        laws["variance"] = laws["mean"]  # the rate is both
    if at.replaces:
        alive = replace.poisson_alive(at.t, at.n or 0, rate)
        laws["absorbed"] = law(replace.poisson_alive, 1 - alive, share=True)
    return laws


def _exponential(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    scale = float(truth["scale"])
    laws = _one_parameter(at, scale, scale**2, 1)
    if at.replaces:
        n = at.n or 0
        sd = replace_scale.variance_sd_exponential(at.t, n, scale)
        values = replace_scale.expected_log_variance_exponential(at.t, n, scale)
        laws["variance"] = law(replace.expected_variance, laws["variance"].values, sd)
        found = replace_scale.expected_log_variance_exponential
        laws["log_variance"] = law(found, values, scale=NAT)
        laws["kl"] = law(
            replace_scale.expected_kl_exponential,
            replace_scale.expected_kl_exponential(at.t, n),
        )
    elif at.taken is not None:
        laws.pop("variance", None)  # a mean of squares whose own square may have no mean
    return laws


def _gaussian(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    s, d = float(truth["factor"][0, 0]), len(truth["mean"])
    centre = float(truth["mean"][0])
    if model.learn == "mean":
        found = at.spread(s**2, 0)
        if found is None:
            return {}
        drift = {"w2_squared": d * found[1], "kl": d * found[1] / (2 * s**2)}
        laws = {name: law(found[0], values) for name, values in drift.items()}
        return laws | _coordinates(d, _unbiased(at, centre, found, s))
    if model.learn == "variance":
        found = at.spread(2 * s**4, 2)
        laws = {} if found is None else {"variance": _unbiased(at, s**2, found)}
        if at.replaces and d == 1:
            values = replace_scale.expected_log_variance_known_mean(at.t, at.n or 0, s**2)
            found = replace_scale.expected_log_variance_known_mean
            laws["log_variance"] = law(found, values, scale=NAT)
        return laws
    both = at.gaussian(s**2, model.ddof)
    if both is None:
        return {}
    function, drift, variance = both
    laws = _coordinates(d, _unbiased(at, centre, (function, drift), s))
    laws["variance"] = law(function, variance)
    return laws | (_gaussian_replaced(model, s, d, at) if at.replaces else {})


def _gaussian_replaced(model: Any, s: float, d: int, at: LawContext) -> dict[str, Law]:
    """Closed forms; the variance's tail is heavy, so its exact deviation goes with them."""
    n, t, ddof = at.n or 0, at.t, model.ddof
    sd = replace_gaussian.variance_sd_gaussian(t, n, s**2, ddof)
    values = replace_gaussian.expected_variance_gaussian(t, n, s**2, ddof)
    laws = {"variance": law(replace_gaussian.expected_variance_gaussian, values, sd)}
    # Other metrics contain the variance; its deviation is theirs only once it outgrows the rest.
    heavy = np.where(sd > values, sd, np.nan)
    if n > d:
        values = replace_gaussian.expected_log_det(t, n, d, 2 * d * math.log(s), ddof)
        laws["log_variance"] = law(replace_gaussian.expected_log_det, values, scale=NAT)
        values = replace_gaussian.expected_kl_gaussian(t, n, d, ddof)
        laws["kl"] = law(replace_gaussian.expected_kl_gaussian, values, d * heavy / (2 * s**2))
    if d == 1:
        values = replace_gaussian.w2_squared(t, n, s**2, ddof)
        laws["w2_squared"] = law(replace_gaussian.w2_squared, values, heavy)
    return laws


def _ising(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    if model.learn == "both":
        levels = np.asarray(truth["levels"])
        m = np.linspace(-1, 1, len(levels))
        drift = (replace.growing, float(levels @ m**2 - (levels @ m) ** 2) * np.ones(len(at.t)))
        return {"mean": _unbiased(at, float(levels @ m), None, math.sqrt(drift[1][0]))}
    p, N = float(truth["up"]), model.spins
    found, laws = at.spread(p * (1 - p), -1, N), {}
    if found is not None:
        laws["mean"] = _unbiased(at, 2 * p - 1, (found[0], 4 * found[1]), 2 * math.sqrt(p - p * p))
        first = 4 * p * (1 - p) / N
        laws["variance"] = law(found[0], first - 4 * found[1] / N, rest=(0.0,), unit=first)
    absorbed = _classes(at, [p, 1 - p], N).get("absorbed")
    return laws | ({} if absorbed is None else {"absorbed": absorbed})


def _linear(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    same = isinstance(at.policy, Accumulate) and model.design == "same" and at.budget is None
    if at.n is None or not (at.replaces or same) or at.n <= model.dim + 1:
        return {}
    policy = "accumulate" if same else "replace"
    values = accumulate.regression_risk(at.t, at.n, model.dim, model.noise**2, policy)
    return {"risk": law(accumulate.regression_risk, values)}


def _kde(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    if not at.replaces or model.bandwidth is None or "factor" not in truth:
        return {}
    s2 = float(truth["factor"][0, 0]) ** 2
    values = replace.kde_fit_variance(at.t, at.n or 0, model.bandwidth, s2)
    return {"variance": law(replace.kde_fit_variance, values)}


def _gmm(model: Any, truth: Mapping[str, Any], at: LawContext) -> dict[str, Law]:
    """Those of one Gaussian: EM gives a mixture the mean and the covariance of its rows."""
    both = at.gaussian(float(truth["factor"][0, 0]) ** 2, 0) if "factor" in truth else None
    return {} if both is None else {"variance": law(both[0], both[2])}


FAMILIES = {
    BernoulliModel: _bernoulli,
    CategoricalModel: _categorical,
    PoissonModel: _poisson,
    ExponentialModel: _exponential,
    GaussianModel: _gaussian,
    IsingModel: _ising,
    LinearModel: _linear,
    KDE: _kde,
    GMM: _gmm,
}


def _one_parameter(at: LawContext, mean: float, variance: float, c: float) -> dict[str, Law]:
    """``mean``, which stays where it is, and ``E V = V_0 + c Var phi``."""
    found = at.spread(variance, c)
    if found is None:
        return {}
    function, spread = found
    rest = (0.0,) if c < 0 else ()  # where a family ends
    laws = {"variance": law(function, variance + c * spread, rest=rest, unit=variance)}
    return {"mean": _unbiased(at, mean, found, math.sqrt(variance))} | laws


def _unbiased(at: LawContext, value: float, spread: Any, scale: float | None = None) -> Law:
    """A mean that no generation moves; its exact deviation where it is known."""
    sd = None if spread is None else np.sqrt(spread[1])
    found = law(replace.growing if spread is None else spread[0], np.full(len(at.t), value), sd)
    return Law(found.name, found.source, found.values, found.sd, scale or abs(value))


def _coordinates(d: int, mean: Law) -> dict[str, Law]:
    return {"mean": mean} if d == 1 else {f"mean_{i + 1}": mean for i in range(min(8, d))}


def _classes(at: LawContext, shares: Any, scale: int = 1) -> dict[str, Law]:
    """Absorption and survival of classes, by the exact chain of each; replace and fresh."""
    shares = np.asarray(shares, dtype=np.float64)
    k, source = at.taken or (0, "")
    fresh = source == "fresh" and at.n is not None
    if not (at.replaces or (fresh and len(shares) <= KINDS)):
        return {}
    n, k, T = scale * (at.n or 0), scale * k, len(at.t)
    chains = len(shares) if k else 1
    if chains * (float(n) ** 2 * T + float(n) ** 3 * bool(k)) > EXACT:
        return {}
    alive = chain.alive_curve(n, shares, T, k)  # [C, T]
    alone = chain.fixed_curve(n, shares, T, k).sum(0)
    return {
        "absorbed": law(chain.fixed_curve if k else chain.absorbed_curve, alone, share=True),
        "alive_classes": law(chain.alive_curve, alive.sum(0), rest=(1.0, float(len(shares)))),
        "missing_mass": law(
            chain.alive_curve, shares @ (1 - alive), rest=(0.0,), unit=float(shares.max())
        ),
    }
