"""Replace: Gaussians, sampling bias and Ising spins (A6-A10, A13, H)."""

import math

import numpy as np
import pytest
from laboratory import CHAINS, simulated

from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.ising import IsingModel, IsingSource
from nc_testbed.theory import chain, ising, replace, replace_gaussian
from nc_testbed.theory.rules import mean_check, share_check

MEAN, VARIANCE, T = 3.0, 4.0, (1, 5, 20)
SIZES = pytest.mark.parametrize("n", [20, 50, 100])
DDOF = pytest.mark.parametrize("ddof", [0, 1])


def gaussian(n, ddof, dim=1):
    source = GaussianSource(mean=MEAN, variance=VARIANCE, dim=dim)
    return simulated(source, n, T, model=GaussianModel(ddof=ddof))


@DDOF
@SIZES
def test_expected_variance_and_drift(n, ddof):
    """With ddof = 1 the expectation stays for ever, with the exact deviation of its tail."""
    for t, g in gaussian(n, ddof).items():
        law = replace_gaussian.expected_variance_gaussian(t, n, VARIANCE, ddof)
        sd = replace_gaussian.variance_sd_gaussian(t, n, VARIANCE, ddof)
        assert mean_check(g.record["variance"], law, sd=sd).verdict == "pass"
        law = replace_gaussian.mean_squared_drift(t, n, VARIANCE, ddof)
        assert mean_check((g.record["mean"] - MEAN) ** 2, law).verdict == "pass"


@DDOF
@SIZES
def test_deviation_of_the_variance(n, ddof):
    for t in T[:2]:
        fitted = gaussian(n, ddof)[t].record["variance"]
        mean = replace_gaussian.expected_variance_gaussian(t, n, VARIANCE, ddof)
        law = replace_gaussian.variance_sd_gaussian(t, n, VARIANCE, ddof) ** 2
        assert mean_check((fitted - mean) ** 2, law).verdict == "pass"


@DDOF
@pytest.mark.parametrize(("n", "first"), [(20, 3.0), (50, 5.0), (100, 0.5)])
def test_chains_that_share_their_real_rows(n, first, ddof):
    start = (("mean", (MEAN,)), ("factor", ((math.sqrt(first),),)))
    source, model = GaussianSource(mean=MEAN, variance=VARIANCE), GaussianModel(ddof=ddof)
    for t, g in simulated(source, n, (2, 5, 20), model=model, start=start).items():
        law = replace_gaussian.expected_variance_shared(t, n, first, ddof)
        sd = replace_gaussian.variance_sd_gaussian(t - 1, n, first, ddof)
        assert mean_check(g.record["variance"], law, sd=sd).verdict == "pass"


@SIZES
def test_one_new_sample(n):
    """ddof = 1; one number from every fit."""
    z = np.random.default_rng(0).standard_normal(CHAINS)
    for t, g in gaussian(n, 1).items():
        x = g.record["mean"].numpy() + g.record["variance"].sqrt().numpy() * z
        law = replace_gaussian.fresh_sample_variance(t, n, VARIANCE)
        assert mean_check((x - MEAN) ** 2, law).verdict == "pass"


@DDOF
@SIZES
def test_standard_deviation_and_wasserstein_distance(n, ddof):
    for t, g in gaussian(n, ddof).items():
        law = replace_gaussian.expected_sd(t, n, math.sqrt(VARIANCE), ddof)
        assert mean_check(g.record["variance"].sqrt(), law).verdict == "pass"
        law = replace_gaussian.w2_squared(t, n, VARIANCE, ddof)
        assert mean_check(g.record["w2_squared"], law).verdict == "pass"


@DDOF
@pytest.mark.parametrize(("n", "d"), [(20, 1), (50, 1), (20, 2), (50, 3), (40, 5)])
def test_log_determinant_and_divergence(n, d, ddof):
    for t, g in gaussian(n, ddof, d).items():
        log_det = g.record["log_variance"]
        law = replace_gaussian.expected_log_det(t, n, d, d * math.log(VARIANCE), ddof)
        assert mean_check(log_det, law, scale=1).verdict == "pass"
        spread = replace_gaussian.variance_log_variance(t, n, d)
        assert mean_check((log_det - law) ** 2, spread).verdict == "pass"
        law = replace_gaussian.expected_kl_gaussian(t, n, d, ddof)
        assert mean_check(g.record["kl"], law).verdict == "pass"


def test_wrong_laws_fail():
    """ddof swapped, one refit too many, another dimension, the wrong condition."""
    n, record = 20, gaussian(20, 0)[20].record
    law = replace_gaussian.expected_variance_gaussian
    sd = replace_gaussian.variance_sd_gaussian(20, n, VARIANCE, 0)
    assert mean_check(record["variance"], law(20, n, VARIANCE, 1), sd=sd).verdict == "fail"
    assert mean_check(record["variance"], law(24, n, VARIANCE, 0), sd=sd).verdict == "fail"
    early = gaussian(20, 0)[5].record["variance"]
    assert mean_check(early, law(4, n, VARIANCE, 0)).verdict == "fail"
    drift = (record["mean"] - MEAN) ** 2
    swapped = replace_gaussian.mean_squared_drift(20, n, VARIANCE, 1)
    assert mean_check(drift, swapped).verdict == "fail"
    for t, d, ddof in ((20, 1, 1), (19, 1, 0), (21, 1, 0), (20, 2, 0)):
        wrong = replace_gaussian.expected_log_det(t, n, d, math.log(VARIANCE), ddof)
        assert mean_check(record["log_variance"], wrong, scale=1).verdict == "fail"
    for t, ddof in ((20, 1), (18, 0)):
        sd_law = replace_gaussian.expected_sd(t, n, math.sqrt(VARIANCE), ddof)
        assert mean_check(record["variance"].sqrt(), sd_law).verdict == "fail"
        w2 = replace_gaussian.w2_squared(t, n, VARIANCE, ddof)
        assert mean_check(record["w2_squared"], w2).verdict == "fail"
    z = np.random.default_rng(0).standard_normal(CHAINS)
    x = (record["variance"].sqrt().numpy() * z + record["mean"].numpy() - MEAN) ** 2
    grown = replace_gaussian.fresh_sample_variance(20, n, VARIANCE)
    assert mean_check(x, grown).verdict == "fail"  # with ddof = 0 it does not grow


def test_too_few_chains_are_inconclusive():
    n, t = 20, 20
    sd = replace_gaussian.variance_sd_gaussian(t, n, VARIANCE, 1)
    fitted = gaussian(n, 1)[t].record["variance"][:1000]
    assert mean_check(fitted, VARIANCE, sd=sd).verdict == "inconclusive"
    logs = gaussian(n, 1)[1].record["log_variance"][:30]
    law = replace_gaussian.expected_log_det(1, n, 1, math.log(VARIANCE), 1)
    assert mean_check(logs, law, scale=1).verdict == "inconclusive"


def tempered(shares, temperature, t):
    """Shares fitted to 10^9 rows, all but the first of them sampled from p^(1/T)."""
    source = CategoricalSource(probs=shares)
    runs = simulated(source, 10**9, (1, 2, 4), chains=1000, temperature=temperature)
    return runs[t].weights["shares"]


TEMPERED = [((0.6, 0.4), 0.5), ((0.5, 0.3, 0.2), 0.8), ((0.8, 0.1, 0.1), 1.5)]


@pytest.mark.parametrize(("shares", "temperature"), TEMPERED)
def test_log_odds_of_a_tempered_categorical_law(shares, temperature):
    for t in (1, 2, 4):
        p = tempered(shares, temperature, t)
        law = replace.tempered_log_odds(t, math.log(shares[0] / shares[1]), temperature)
        assert mean_check((p[:, 0] / p[:, 1]).log(), law).verdict == "pass"


def narrowed(n, factor, t):
    """Fitted variances with ddof = 1, all rows but the first sampled from N(mean, factor S)."""
    source, model = GaussianSource(variance=VARIANCE), GaussianModel(ddof=1)
    runs = simulated(source, n, (1, 3, 8), model=model, temperature=factor)
    return runs[t].record["variance"]


NARROWED = [(20, 0.9), (50, 0.5), (100, 1.1)]


@pytest.mark.parametrize(("n", "factor"), NARROWED)
def test_a_gaussian_sampled_too_narrowly_or_too_widely(n, factor):
    for t in (1, 3, 8):
        law = replace.tempered_variance(t, VARIANCE, factor)
        sd = law * replace_gaussian.variance_sd_gaussian(t, n, 1.0, 1)
        assert mean_check(narrowed(n, factor, t), law, sd=sd).verdict == "pass"


def test_wrong_laws_of_sampling_bias_fail():
    """The first refit sees the truth, not a biased sample."""
    shares, temperature = TEMPERED[0]
    p, odds = tempered(shares, temperature, 4), math.log(1.5)
    for t, T in ((5, 0.5), (4, 2.0)):
        wrong = replace.tempered_log_odds(t, odds, T)
        assert mean_check((p[:, 0] / p[:, 1]).log(), wrong).verdict == "fail"
    n, factor = NARROWED[0]
    fitted = narrowed(n, factor, 3)
    assert mean_check(fitted, replace.tempered_variance(4, VARIANCE, factor)).verdict == "fail"
    law = replace.tempered_variance(3, VARIANCE, factor)
    assert mean_check(fitted[:50], law).verdict == "inconclusive"


GRID = [(spins, n) for spins in (5, 10, 20) for n in (50, 100, 200)]


def absorbed_spins(spins, n):
    individuals = ising.effective_individuals(spins, n)
    times = (individuals // 4, individuals // 2)
    runs = simulated(IsingSource(spins=spins), n, times, chains=2048)
    return {t: int(g.record["absorbed"].sum()) for t, g in runs.items()}


@pytest.mark.parametrize(("spins", "n"), GRID)
def test_absorption_of_spins_depends_on_t_over_their_number(spins, n):
    """The diffusion limit of N n individuals, whatever N and n."""
    for t, absorbed in absorbed_spins(spins, n).items():
        law = 1 - replace.kimura_unabsorbed(t, spins * n, 0.5)
        assert share_check(absorbed, 2048, law).verdict == "pass"


@pytest.mark.parametrize(("spins", "n"), [(2, 10), (5, 10), (10, 4)])
def test_spins_are_as_many_individuals(spins, n):
    """Exactly, by the chain of N n individuals."""
    t, individuals = 20, ising.effective_individuals(spins, n)
    run = simulated(IsingSource(spins=spins, theta_1=0.3), n, (t,))[t].record
    law = chain.absorbed_curve(individuals, (1 + math.tanh(0.3)) / 2, t)[-1]
    assert share_check(int(run["absorbed"].sum()), CHAINS, law, 0.03).verdict == "pass"


COUPLED = [(20, 5, 0.2, 0.1), (50, 10, 0.1, 0.05), (30, 8, -0.2, -0.05)]


@pytest.mark.parametrize(("n", "spins", "field", "coupling"), COUPLED)
def test_coupled_spins_conserve_both_moments(n, spins, field, coupling):
    """And no other: E m alone is conserved by a fit of the field alone."""
    source = IsingSource(spins=spins, theta_1=field, theta_2=coupling)
    first, second = ising.moments(spins, field, coupling)
    runs = simulated(source, n, (1, 4), model=IsingModel(learn="both"), chains=2048)
    for g in runs.values():
        m = g.record["mean"]
        assert mean_check(m, first, scale=math.sqrt(second)).verdict == "pass"
        assert mean_check(g.record["variance"] + m**2, second).verdict == "pass"
        levels = g.weights["levels"].numpy() @ ising.levels(spins)
        np.testing.assert_allclose(levels, m, atol=1e-12)


def test_wrong_laws_of_spins_fail():
    """n individuals, twice as many, other thetas; and few chains tell nothing."""
    (t, absorbed), *_ = absorbed_spins(5, 50).items()
    for individuals in (125, 350):
        law = 1 - replace.kimura_unabsorbed(t, individuals, 0.5)
        assert share_check(absorbed, 2048, law).verdict == "fail"
    run = simulated(IsingSource(spins=5, theta_1=0.3), 10, (20,))[20].record
    law = chain.absorbed_curve(10, (1 + math.tanh(0.3)) / 2, 20)[-1]
    assert share_check(int(run["absorbed"].sum()), CHAINS, law).verdict == "fail"
    n, spins, field, coupling = COUPLED[0]
    source = IsingSource(spins=spins, theta_1=field, theta_2=coupling)
    model = IsingModel(learn="both")
    record = simulated(source, n, (1, 4), model=model, chains=2048)[4].record
    first, second = ising.moments(spins, field, 0.0)
    squares = record["variance"] + record["mean"] ** 2
    assert mean_check(record["mean"], first, scale=1).verdict == "fail"
    assert mean_check(squares, second).verdict == "fail"
    second = ising.moments(spins, field, coupling)[1]
    assert mean_check(squares[:20], second).verdict == "inconclusive"
