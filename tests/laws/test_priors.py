"""Priors and penalties: the fit goes to the prior's mean, whatever the data were (C1-C3)."""

import numpy as np
import pytest
import torch
from laboratory import CHAINS, simulated
from scipy import stats

from nc_testbed.core.family import Statistic
from nc_testbed.families.bernoulli import BernoulliModel, BernoulliSource
from nc_testbed.families.exponential import ExponentialModel, ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.poisson import PoissonModel, PoissonSource
from nc_testbed.theory import chain, priors
from nc_testbed.theory.rules import ks_check, lattice_check, mean_check, share_check

R, T = 4096, (1, 5, 20)
BETA = [
    (50, 2.0, 0.5, 0.2),
    (100, 4.0, 0.3, 0.8),
    (200, 10.0, 0.6, 0.1),
]  # n, A, m and the truth


def bernoulli(n, count, mean, p, t, coordinates="natural", chains=CHAINS, start=None):
    model = BernoulliModel(
        estimator="map", prior_count=count, prior_mean=mean, coordinates=coordinates
    )
    return simulated(BernoulliSource(p=p), n, t, model=model, chains=chains, start=start)


@pytest.mark.parametrize(("n", "count", "mean", "p"), BETA)
def test_memory_of_the_truth(n, count, mean, p):
    for t, g in bernoulli(n, count, mean, p, T).items():
        phi = g.record["mean"]
        law = priors.expected_map(t, n, p, count, mean)
        assert mean_check(phi, law).verdict == "pass"
        left = (phi - mean) / (p - mean)
        assert mean_check(left, priors.memory(t, n, count)).verdict == "pass"


def settled(n, count, mean, p, far):
    """After 8 n/A refits, of any truth or from a fit far from it."""
    t, start = int(8 * n / count), (("p", 0.99),) if far else None
    phi = bernoulli(n, count, mean, p, (t,), chains=R, start=start)[t].record["mean"].numpy()
    return phi, np.rint(phi * (n + count) - count * mean).astype(int)


@pytest.mark.parametrize("far", [False, True], ids=["from the truth", "from far away"])
@pytest.mark.parametrize(("n", "count", "mean", "p"), BETA)
def test_a_bernoulli_settles_at_the_priors_law(n, count, mean, p, far):
    """Exactly by the chain of its counts, and the Beta law of the diffusion limit."""
    phi, ones = settled(n, count, mean, p, far)
    assert mean_check(phi, mean).verdict == "pass"
    matrix = chain.binomial(n, (np.arange(n + 1) + count * mean) / (n + count))
    assert lattice_check(ones, chain.stationary(matrix)).verdict == "pass"
    law = priors.beta_prior_law(count, mean)
    assert ks_check(phi[: R // 2], law, 1 / (n + count)).verdict == "pass"


ONE = [
    (BernoulliSource(p=0.3), BernoulliModel, "mean", 0.3, (0, 1, -1), {"prior_mean": 0.6}),
    (PoissonSource(rate=2.0), PoissonModel, "mean", 2.0, (0, 1, 0), {"prior_mean": 5.0}),
    (
        ExponentialSource(scale=2.0),
        ExponentialModel,
        "mean",
        2.0,
        (0, 0, 1),
        {"prior_mean": 4.0},
    ),
    (
        *(GaussianSource(mean=1.0, variance=4.0), GaussianModel, "mean", 1.0, (4.0, 0, 0)),
        {"prior_mean": -2.0, "learn": "mean"},
    ),
    (
        *(GaussianSource(mean=1.0, variance=2.0), GaussianModel, "variance", 2.0, (0, 0, 2)),
        {"prior_mean": 1.0, "prior_variance": 4.0, "learn": "variance"},
    ),
]
SCHEDULES = [((50,) * 10, 5.0), ((30, 60, 40, 80, 50, 100), 2.0), ((100,) * 6, 40.0)]


def curves(source, kind, column, truth, function, settings, sizes, count):
    """A family's fits at every recorded t and the law's mean and variance."""
    model = kind(estimator="map", prior_count=count, **settings)
    m = settings.get("prior_variance", settings["prior_mean"])
    centre, spread = priors.map_curves(sizes, truth, count, m, function)
    runs = simulated(source, sizes, (2, len(sizes)), model=model)
    return {t: (g.record[column], centre[t - 1], spread[t - 1]) for t, g in runs.items()}


@pytest.mark.parametrize(("sizes", "count"), SCHEDULES, ids=["equal", "changing", "strong"])
@pytest.mark.parametrize("family", ONE, ids=lambda family: f"{family[1].__name__} {family[2]}")
def test_mean_and_spread_of_every_family(family, sizes, count):
    for phi, centre, spread in curves(*family, sizes, count).values():
        assert mean_check(phi, centre).verdict == "pass"
        assert mean_check((phi - centre) ** 2, spread).verdict == "pass"


L2 = [(400, 0.1, 0.3), (400, 0.25, 0.8), (200, 0.5, 0.1)]  # n, penalty and the truth


def logits(n, penalty, p, start=None):
    """After 25 refits; the penalty's memory is far shorter."""
    model = BernoulliModel(estimator="l2", penalty=penalty)
    phi = simulated(BernoulliSource(p=p), n, (25,), model=model, chains=R // 2, start=start)[25]
    return phi.record["mean"].logit().numpy()


@pytest.mark.parametrize(
    "start", [None, (("p", 0.99),)], ids=["from the truth", "from far away"]
)
@pytest.mark.parametrize(("n", "penalty", "p"), L2)
def test_a_penalised_logit_settles_about_zero(n, penalty, p, start):
    theta, sd = logits(n, penalty, p, start), priors.l2_logit_sd(n, penalty)
    assert mean_check(theta, 0, scale=sd).verdict == "pass"
    assert mean_check(theta**2, sd**2).verdict == "pass"
    spacing = 1 / (n * (1 / 4 + penalty))  # of the lattice that a share in steps of 1/n leaves
    assert ks_check(theta, stats.norm(0, sd), spacing).verdict == "pass"


UNIFORM = [(10, 0.3), (20, 0.5), (50, 0.1)]


@pytest.mark.parametrize(("n", "p"), UNIFORM)
def test_the_uniform_prior_in_mean_coordinates_is_no_prior(n, p):
    """The very chains of maximum likelihood, which are absorbed."""
    t = (5, n, 2 * n)
    mode = bernoulli(n, 2.0, 0.5, p, t, "mean")
    for i, g in simulated(BernoulliSource(p=p), n, t).items():
        np.testing.assert_allclose(mode[i].record["mean"], g.record["mean"])
    absorbed = int(mode[n].record["absorbed"].sum())
    law = chain.absorbed_curve(n, p, n)[-1]
    assert share_check(absorbed, CHAINS, law, 0.03).verdict == "pass"
    law = priors.expected_map(n, n, p, 2.0, 0.5, "mean")
    assert mean_check(mode[n].record["mean"], law).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), UNIFORM)
def test_the_uniform_prior_in_natural_coordinates_adds_one(n, p):
    """And is never absorbed."""
    for t, g in bernoulli(n, 2.0, 0.5, p, (5, n, 2 * n)).items():
        assert not g.record["absorbed"].any()
        law = priors.expected_map(t, n, p, 2.0, 0.5)
        assert mean_check(g.record["mean"], law).verdict == "pass"


@pytest.mark.parametrize(("count", "mean"), [(4.0, 0.5), (10.0, 0.3), (6.0, 0.2)])
def test_another_prior_in_mean_coordinates(count, mean):
    for t, g in bernoulli(50, count, mean, 0.4, T, "mean").items():
        law = priors.expected_map(t, 50, 0.4, count, mean, "mean")
        assert mean_check(g.record["mean"], law).verdict == "pass"


@pytest.mark.parametrize("coordinates", ["natural", "mean"])
@pytest.mark.parametrize(("count", "mean"), [(2.0, 0.5), (1.0, 0.2), (10.0, 0.9)])
def test_the_models_mode_is_the_laws(count, mean, coordinates):
    ones = torch.arange(9.0).double()
    model = BernoulliModel(
        estimator="map", prior_count=count, prior_mean=mean, coordinates=coordinates
    )
    fitted = model.estimate(Statistic(8, {"ones": ones}))["p"]
    law = priors.map_estimate(ones, 8, count, mean, coordinates)
    np.testing.assert_allclose(fitted, law, atol=1e-12)


def test_wrong_laws_fail():
    """The truth for the prior's mean, A off by one, t off by one, a prior in other coordinates."""
    n, count, mean, p = BETA[0]
    phi, ones = settled(n, count, mean, p, far=False)
    assert mean_check(phi, p).verdict == "fail"
    matrix = chain.binomial(n, (np.arange(n + 1) + 3 * mean) / (n + 3))
    assert lattice_check(ones, chain.stationary(matrix)).verdict == "fail"
    assert ks_check(phi[: R // 2], priors.beta_prior_law(3, mean), 1 / n).verdict == "fail"
    phi = bernoulli(n, count, mean, p, T)[5].record["mean"]
    for t, A, coordinates in ((4, 2, "natural"), (5, 3, "natural"), (5, 2, "mean")):
        law = priors.expected_map(t, n, p, A, mean, coordinates)
        assert mean_check(phi, law).verdict == "fail"
    for family in ONE:
        (phi, *_), _ = curves(*family, *SCHEDULES[0]).values()
        m = family[5].get("prior_variance", family[5]["prior_mean"])
        for a, wrong in (((50,) * 3, 5.0), ((50,) * 2, 7.0)):
            centre, _ = priors.map_curves(a, family[3], wrong, m, family[4])
            assert mean_check(phi, centre[-1]).verdict == "fail"
    theta = logits(*L2[0])
    assert mean_check(theta**2, priors.l2_logit_sd(400, 0.12) ** 2).verdict == "fail"
    assert mean_check(theta**2, 1 / (2 * 400 * 0.1)).verdict == "fail"  # 1 + 2 lam forgotten


def test_too_few_chains_are_inconclusive():
    theta, sd = logits(*L2[0])[:100], priors.l2_logit_sd(400, 0.1)
    assert mean_check(theta**2, sd**2).verdict == "inconclusive"
    assert ks_check(theta, stats.norm(0, sd)).verdict == "inconclusive"
    phi = settled(*BETA[0], far=False)[0][:50]
    assert mean_check(phi, 0.5).verdict == "inconclusive"
