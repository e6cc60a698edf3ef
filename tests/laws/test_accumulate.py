"""Accumulation: all rows so far, or a budget of them (D1, D3, D5, D6)."""

import math

import numpy as np
import pytest
import torch
from laboratory import CHAINS, simulated, simulated_rows, streams

from nc_testbed.families.bernoulli import Bernoulli, BernoulliSource
from nc_testbed.families.exponential import Exponential, ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.linear import LinearSource
from nc_testbed.families.poisson import Poisson, PoissonSource
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.replace import Replace
from nc_testbed.theory import accumulate
from nc_testbed.theory.rules import mean_check

POLICY, T = Accumulate(), (1, 4, 16)
MEAN, KNOWN = GaussianModel(learn="mean"), GaussianModel(learn="variance")
# Source, model, column of phi, phi_0, V_0 and c.
ONE = {
    "bernoulli": (BernoulliSource(p=0.3), None, "mean", 0.3, 0.21, -1),
    "poisson": (PoissonSource(rate=2.0), None, "mean", 2.0, 2.0, 0),
    "mean": (GaussianSource(mean=1.0, variance=4.0), MEAN, "mean", 1.0, 4.0, 0),
    "exponential": (ExponentialSource(scale=2.0), None, "mean", 2.0, 4.0, 1),
    "known mean": (GaussianSource(mean=1.0, variance=2.0), KNOWN, "variance", 2.0, 8.0, 2),
}


def squares(name, n, t, policy=POLICY, chains=CHAINS):
    """``{t: [R]}`` of squared distances from the truth, whose mean is a variance."""
    source, model, column, truth, *_ = ONE[name]
    runs = simulated(source, n, t, policy, model, chains)
    return {i: (g.record[column] - truth) ** 2 for i, g in runs.items()}


@pytest.mark.parametrize("n", [5, 20, 50])
@pytest.mark.parametrize("name", ["bernoulli", "exponential"])
def test_expected_variance_stops_changing(name, n):
    """At t = 100 it is within a thousandth of its limit."""
    source, *_, variance, c = ONE[name]
    for t, g in simulated(source, n, (1, 10, 100), POLICY).items():
        law = variance * accumulate.variance_factor(t, n, c)
        assert mean_check(g.record["variance"], law).verdict == "pass"
        if t == 100:
            limit = variance * accumulate.variance_factor_limit(n, c)
            assert mean_check(g.record["variance"], limit).verdict == "pass"


@pytest.mark.parametrize("n", [5, 20, 50])
def test_expected_variance_of_a_gaussian(n):
    """ddof = 0."""
    for t, g in simulated(GaussianSource(variance=4.0), n, T, POLICY).items():
        law = accumulate.accumulated_variance(t, n, 4.0)
        assert mean_check(g.record["variance"], law).verdict == "pass"


@pytest.mark.parametrize(("n", "first"), [(5, 3.0), (20, 5.0), (50, 0.5)])
def test_chains_that_share_their_real_rows(n, first):
    """ddof = 0."""
    start = (("mean", (1.0,)), ("factor", ((math.sqrt(first),),)))
    rows = (("mean", (1.0,)), ("scatter", ((math.sqrt(n * first),),)))
    source = GaussianSource(mean=1.0, variance=4.0)
    runs = simulated(source, n, (2, 5, 20), POLICY, start=start, statistic=rows)
    for t, g in runs.items():
        law = accumulate.accumulated_variance_shared(t, n, first)
        assert mean_check(g.record["variance"], law).verdict == "pass"


SCHEDULES = [(20,) * 12, (30, 10, 60, 5, 100), (50, 20, 20, 20)]


@pytest.mark.parametrize("sizes", SCHEDULES)
@pytest.mark.parametrize("name", ONE)
def test_variance_of_every_family(name, sizes):
    *_, variance, c = ONE[name]
    law = accumulate.accumulated_spread(sizes, variance, c)
    for t, values in squares(name, sizes, (2, len(sizes))).items():
        assert mean_check(values, law[t - 1]).verdict == "pass"


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("sizes", SCHEDULES)
def test_drift_and_variance_of_a_gaussian(sizes, ddof):
    drift, fitted = accumulate.accumulated_gaussian(sizes, 4.0, ddof)
    source, model = GaussianSource(mean=1.0, variance=4.0), GaussianModel(ddof=ddof)
    for t, g in simulated(source, sizes, (2, len(sizes)), POLICY, model).items():
        assert mean_check((g.record["mean"] - 1) ** 2, drift[t - 1]).verdict == "pass"
        assert mean_check(g.record["variance"], fitted[t - 1]).verdict == "pass"


BUDGETS = [("bernoulli", 20, 20), ("poisson", 15, 30), ("mean", 20, 10)]


def thinned(name, n, budget):
    """Squared distances after 4 refits to a budget of the stored rows."""
    source, model, column, truth, *_ = ONE[name]
    record = simulated_rows(source, n, (4,), POLICY, model, 1200, budget)[4]
    return (record[column] - truth) ** 2


@pytest.mark.parametrize(("name", "n", "budget"), BUDGETS)
def test_variance_under_a_budget(name, n, budget):
    *_, variance, c = ONE[name]
    law = accumulate.accumulated_spread([n] * 4, variance, c, budget)[-1]
    assert mean_check(thinned(name, n, budget), law).verdict == "pass"


@pytest.mark.parametrize(("n", "budget", "ddof"), [(20, 20, 0), (20, 10, 1), (15, 30, 1)])
def test_a_gaussian_under_a_budget(n, budget, ddof):
    drift, fitted = accumulate.accumulated_gaussian([n] * 4, 4.0, ddof, budget)
    source, model = GaussianSource(mean=1.0, variance=4.0), GaussianModel(ddof=ddof)
    record = simulated_rows(source, n, (4,), POLICY, model, 1500, budget)[4]
    assert mean_check((record["mean"] - 1) ** 2, drift[-1]).verdict == "pass"
    assert mean_check(record["variance"], fitted[-1]).verdict == "pass"


@pytest.mark.parametrize("policy", [POLICY, Replace()], ids=["accumulate", "replace"])
@pytest.mark.parametrize("name", ONE)
def test_inflation_of_large_samples(name, policy):
    """n = 10^5: a variance over that of the first fit."""
    kind = "accumulate" if policy is POLICY else "replace"
    n, variance = 10**5, ONE[name][4]
    for t, values in squares(name, n, T, policy).items():
        law = accumulate.inflation(t, kind)
        assert mean_check(n / variance * values, law).verdict == "pass"


LINEAR = [(20, 3, 1.0), (50, 10, 0.5), (100, 20, 2.0)]  # rows, features and the noise's sd


def risks(rows, features, noise, policy, design):
    source = LinearSource(dim=features, noise=noise, design=design)
    runs = simulated(source, rows, (1, 3, 10), policy, chains=R)
    return {t: g.record["risk"] for t, g in runs.items()}


R = 2048


@pytest.mark.parametrize("design", ["fresh", "same"])
@pytest.mark.parametrize(("rows", "features", "noise"), LINEAR)
def test_risk_of_a_replaced_regression(rows, features, noise, design):
    """Whether the rows are new or the same."""
    for t, risk in risks(rows, features, noise, Replace(), design).items():
        law = accumulate.regression_risk(t, rows, features, noise**2, "replace")
        assert mean_check(risk, law).verdict == "pass"


@pytest.mark.parametrize(("rows", "features", "noise"), LINEAR)
def test_risk_of_an_accumulated_regression(rows, features, noise):
    """The same rows in every round."""
    for t, risk in risks(rows, features, noise, POLICY, "same").items():
        law = accumulate.regression_risk(t, rows, features, noise**2, "accumulate")
        assert mean_check(risk, law).verdict == "pass"


def shrunk(family, name, statistic, first, n, eps, t):
    """Means over the truth's after t refits of 1 - eps times the mean of all rows so far."""
    phi, total = torch.full((CHAINS,), first, dtype=torch.float64), torch.zeros(CHAINS)
    for refit in range(1, t + 1):
        total = total + family.draw({name: phi}, n, streams(refit), "rows").values[statistic]
        phi = (1 - eps) * total / (refit * n)
    return phi / first


BIASED = [
    (Bernoulli(), "p", "ones", 0.6, 50, 0.2),
    (Poisson(), "rate", "sum", 3.0, 20, 0.1),
    (Exponential(), "scale", "sum", 2.0, 50, 0.4),
]


@pytest.mark.parametrize("learner", BIASED)
def test_a_shrinking_learner_is_not_saved(learner):
    for t in (1, 5, 40):
        law = accumulate.biased_accumulate(t, learner[-1])
        assert mean_check(shrunk(*learner, t), law).verdict == "pass"


def test_wrong_laws_fail():
    """Replace for accumulate, t off by one, n doubled, ddof swapped, no budget for one."""
    variance = simulated(BernoulliSource(p=0.3), 5, (1, 10, 100), POLICY)
    for t, wrong in ((1, (2, 5)), (10, (1, 5)), (10, (10, 10)), (100, (1, 5))):
        law = 0.21 * accumulate.variance_factor(*wrong)
        assert mean_check(variance[t].record["variance"], law).verdict == "fail"
    unlimited = 0.21 * accumulate.variance_factor_limit(10)
    assert mean_check(variance[100].record["variance"], unlimited).verdict == "fail"
    values = squares("mean", SCHEDULES[0], (2, 12))
    for sizes in ((20,) * 2, (24,) * 12):
        law = accumulate.accumulated_spread(sizes, 4.0, 0)[-1]
        assert mean_check(values[12], law).verdict == "fail"
    source, model = GaussianSource(mean=1.0, variance=4.0), GaussianModel(ddof=0)
    record = simulated(source, SCHEDULES[1], (2, 5), POLICY, model)[5].record
    _, fitted = accumulate.accumulated_gaussian(SCHEDULES[1], 4.0, 1)
    assert mean_check(record["variance"], fitted[-1]).verdict == "fail"
    *_, first, c = ONE["mean"]
    for budget in (None, 20):
        law = accumulate.accumulated_spread([20] * 4, first, c, budget)[-1]
        assert mean_check(thinned(*BUDGETS[2]), law).verdict == "fail"
    for t, policy in ((16, "replace"), (4, "accumulate")):
        values = squares("mean", 10**5, T)[16]
        law = accumulate.inflation(t, policy)
        assert mean_check(1e5 / 4 * values, law).verdict == "fail"


def test_wrong_laws_of_regressions_and_biased_learners_fail():
    rows, features, noise = LINEAR[1]
    risk = risks(rows, features, noise, Replace(), "fresh")[10]
    wrong = [
        (8, features, "replace"),
        (10, features + 2, "replace"),
        (10, features, "accumulate"),
    ]
    for t, d, policy in wrong:
        law = accumulate.regression_risk(t, rows, d, noise**2, policy)
        assert mean_check(risk, law).verdict == "fail"
    learner = BIASED[1]
    values = shrunk(*learner, 5)
    for t, eps in ((4, 0.1), (5, 0.12)):
        assert mean_check(values, accumulate.biased_accumulate(t, eps)).verdict == "fail"
    assert mean_check(values, np.exp(-0.1 * math.log(5))).verdict == "fail"  # without Gamma


def test_too_few_chains_are_inconclusive():
    values = squares("mean", SCHEDULES[0], (2, 12))[12][:200]
    law = accumulate.accumulated_spread(SCHEDULES[0], 4.0, 0)[-1]
    assert mean_check(values, law).verdict == "inconclusive"
    risk = risks(*LINEAR[0], Replace(), "fresh")[10][:50]
    law = accumulate.regression_risk(10, 20, 3, 1.0, "replace")
    assert mean_check(risk, law).verdict == "inconclusive"
