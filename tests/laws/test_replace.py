"""Replace: one-parameter families, categorical laws, absorption, growing samples (A1-A5, A11)."""

import math

import numpy as np
import pytest
from laboratory import absorption_times, simulated, simulated_rows

from nc_testbed.config.settings import Growth
from nc_testbed.families.bernoulli import BernoulliSource
from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.families.exponential import ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.ising import IsingSource
from nc_testbed.families.poisson import PoissonSource
from nc_testbed.models.kde import KDE
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.replace import Replace
from nc_testbed.theory import chain, replace, replace_scale
from nc_testbed.theory.rules import equivalence, lattice_check, mean_check, share_check

T = (1, 4, 16)
SHARE = 0.03  # width of a share's interval: 20,000 chains
ROWS = [(20, 0.3), (50, 0.5), (100, 0.1)]  # n and p of a Bernoulli law


def bernoulli(n, p):
    return simulated(BernoulliSource(p=p), n, (1, 5, n, 2 * n))


def categorical(n, shares):
    return simulated(CategoricalSource(probs=shares), n, T)


SHARES = [(20, (0.5, 0.3, 0.2)), (50, (0.7, 0.1, 0.1, 0.1)), (100, (0.2,) * 5)]


@pytest.mark.parametrize(("n", "p"), ROWS)
def test_expected_variance_of_a_bernoulli(n, p):
    for t, g in bernoulli(n, p).items():
        law = replace.expected_variance(t, n, p * (1 - p), -1)
        assert mean_check(g.record["variance"], law).verdict == "pass"
        assert (
            mean_check(
                g.record["heterozygosity"], replace.heterozygosity(t, n, 2 * p * (1 - p))
            ).verdict
            == "pass"
        )


@pytest.mark.parametrize(("n", "shares"), SHARES)
def test_gini_of_a_categorical_law(n, shares):
    first = 1 - sum(p**2 for p in shares)
    for t, g in categorical(n, shares).items():
        assert (
            mean_check(g.record["heterozygosity"], replace.heterozygosity(t, n, first)).verdict
            == "pass"
        )


SPINS = [(10, 5, 0.5), (20, 10, -0.2), (50, 2, 0.3)]  # n, N and theta_1


@pytest.mark.parametrize(("n", "spins", "field"), SPINS)
def test_expected_variance_of_independent_spins(n, spins, field):
    first = (1 - math.tanh(field) ** 2) / spins
    for t, g in simulated(IsingSource(spins=spins, theta_1=field), n, T).items():
        law = replace.expected_variance(t, n, first, -1 / spins)
        assert mean_check(g.record["variance"], law).verdict == "pass"


POISSON = [(20, 2.0), (50, 0.5), (10, 5.0)]  # n and the rate


@pytest.mark.parametrize(("n", "rate"), POISSON)
def test_a_poisson_rate_keeps_its_mean_and_spreads(n, rate):
    for t, g in simulated(PoissonSource(rate=rate), n, T).items():
        law = replace.expected_variance(t, n, rate, 0)
        assert mean_check(g.record["variance"], law).verdict == "pass"
        law = replace.poisson_variance_of_rate(t, n, rate)
        assert mean_check((g.record["mean"] - rate) ** 2, law).verdict == "pass"


@pytest.mark.parametrize(("n", "rate"), [(5, 1.0), (10, 0.5), (20, 1.0)])
def test_survival_of_a_poisson_rate(n, rate):
    for t, g in simulated(PoissonSource(rate=rate), n, (2, 10, 40)).items():
        alive = int((1 - g.record["absorbed"]).sum())
        law = replace.poisson_alive(t, n, rate)
        assert share_check(alive, 20_000, law, SHARE).verdict == "pass"


@pytest.mark.parametrize(("n", "variance"), [(20, 1.0), (50, 4.0), (100, 0.25)])
def test_a_gaussian_mean_diffuses(n, variance):
    """c = 0: its own variance is known and stays, so that its drift is that of the rate."""
    model = GaussianModel(learn="mean")
    for t, g in simulated(GaussianSource(mean=1, variance=variance), n, T, model=model).items():
        law = replace.poisson_variance_of_rate(t, n, variance)
        assert mean_check((g.record["mean"] - 1) ** 2, law).verdict == "pass"
        law = replace.expected_variance(t, n, variance, 0)
        assert mean_check(g.record["variance"], law).verdict == "pass"


@pytest.mark.parametrize(("n", "scale"), [(20, 1.0), (50, 2.0), (100, 0.5)])
def test_an_exponential_law(n, scale):
    """Its expected variance grows while its log falls (T4: the exact deviation)."""
    for t, g in simulated(ExponentialSource(scale=scale), n, T).items():
        record, sd = g.record, replace_scale.variance_sd_exponential(t, n, scale)
        law = replace.expected_variance(t, n, scale**2, 1)
        assert mean_check(record["variance"], law, sd=sd).verdict == "pass"
        law = replace_scale.expected_log_variance_exponential(t, n, scale)
        assert mean_check(record["log_variance"], law, scale=1).verdict == "pass"
        law = replace_scale.expected_kl_exponential(t, n)
        assert mean_check(record["kl"], law).verdict == "pass"


def known_mean(n, variance):
    source, model = GaussianSource(mean=1, variance=variance), GaussianModel(learn="variance")
    return simulated(source, n, T, model=model)


KNOWN = [(50, 1.0), (100, 4.0), (200, 0.25)]  # n and the variance


@pytest.mark.parametrize(("n", "variance"), KNOWN)
def test_a_gaussian_with_known_mean(n, variance):
    for t, g in known_mean(n, variance).items():
        fitted, sd = g.record["variance"], replace_scale.variance_sd_known_mean
        assert mean_check(fitted, variance, sd=sd(t, n, variance)).verdict == "pass"
        law = replace.expected_variance(t, n, 2 * variance**2, 2)
        check = mean_check(2 * fitted**2, law, sd=2 * sd(t, n, variance, power=2))
        assert check.verdict == "pass"
        law = replace_scale.expected_log_variance_known_mean(t, n, variance)
        assert mean_check(g.record["log_variance"], law, scale=1).verdict == "pass"


@pytest.mark.parametrize(("n", "scale"), [(20, 1.0), (50, 2.0), (100, 0.5)])
def test_deviation_of_a_scale_familys_variance(n, scale):
    """At t = 1, where the tail is light enough for squares."""
    fitted = simulated(ExponentialSource(scale=scale), n, T)[1].record["variance"]
    law = replace_scale.variance_sd_exponential(1, n, scale) ** 2
    mean = replace.expected_variance(1, n, scale**2, 1)
    assert mean_check((fitted - mean) ** 2, law).verdict == "pass"


@pytest.mark.parametrize(("n", "variance"), KNOWN)
def test_deviation_of_a_fitted_variance_about_a_known_mean(n, variance):
    for t in T[:2]:
        fitted = known_mean(n, variance)[t].record["variance"]
        law = replace_scale.variance_sd_known_mean(t, n, variance) ** 2
        assert mean_check((fitted - variance) ** 2, law).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(10, 0.1), (10, 0.5), (20, 0.3)])
def test_a_bernoulli_ends_in_ones_as_often_as_it_began(n, p):
    end = simulated(BernoulliSource(p=p), n, (20 * n,), chains=10_000)[20 * n].record
    assert (end["absorbed"] == 1).all()
    law = replace.fixation([p, 1 - p])[0]
    assert share_check(int(end["mean"].sum()), 10_000, law, 0.04).verdict == "pass"


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.7, 0.1, 0.1, 0.1), (0.05, 0.95)])
def test_every_class_ends_alone_as_often_as_its_share(shares):
    end = simulated(CategoricalSource(probs=shares), 8, (160,), chains=10_000)[160].record
    for i, law in enumerate(replace.fixation(shares)):
        alone = int((end[f"mean_{i + 1}"] == 1).sum())
        assert share_check(alone, 10_000, law, 0.04).verdict == "pass"


@pytest.mark.parametrize(("n", "spins", "field"), [(5, 2, 0.5), (4, 5, -0.2), (2, 10, 0.1)])
def test_spins_end_all_up_as_often_as_they_point_up(n, spins, field):
    t = 20 * n * spins
    end = simulated(IsingSource(spins=spins, theta_1=field), n, (t,), chains=10_000)[t].record
    law = replace.all_up(math.tanh(field))
    assert share_check(int((end["mean"] == 1).sum()), 10_000, law, 0.04).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(10, 0.3), (20, 0.5), (30, 0.1)])
def test_absorption_times(n, p):
    times = absorption_times(BernoulliSource(p=p), n, chains=6000)
    law = chain.mean_absorption_time(n, p)
    assert mean_check(times, law).verdict == "pass"
    assert (
        equivalence(times - replace.diffusion_absorption_time(n, p), margin=3).verdict == "pass"
    )


@pytest.mark.parametrize(("n", "p"), ROWS)
def test_absorption_curves(n, p):
    law = chain.absorbed_curve(n, p, 2 * n)
    for t, g in bernoulli(n, p).items():
        absorbed = g.record["absorbed"]
        check = share_check(int(absorbed.sum()), 20_000, law[t - 1], SHARE)
        assert check.verdict == "pass"
        ones, law_of_ones = g.statistic["ones"].long(), chain.distribution(n, p, t)
        assert lattice_check(ones, law_of_ones).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(100, 0.5), (100, 0.3), (200, 0.2)])
def test_kimuras_series_and_its_tail(n, p):
    """A diffusion limit: within 0.03."""
    for t, g in simulated(BernoulliSource(p=p), n, (n // 5, n, 2 * n), chains=12_000).items():
        both = 1 - g.record["absorbed"]
        assert equivalence(both - replace.kimura_unabsorbed(t, n, p), 0.03).verdict == "pass"
        if t == 2 * n:
            assert equivalence(both - 6 * p * (1 - p) * math.exp(-2), 0.03).verdict == "pass"


GROWING = [Growth(10, 2).among(8), (20, 40, 30, 60, 25), (100, 10, 100, 10)]


@pytest.mark.parametrize("sizes", GROWING)
@pytest.mark.parametrize(
    ("source", "first", "c"),
    [
        (BernoulliSource(p=0.3), 0.21, -1),
        (PoissonSource(rate=2.0), 2.0, 0),
        (ExponentialSource(scale=1.5), 2.25, 1),
        (GaussianSource(variance=4.0), 4.0, -1),
    ],
)
def test_sizes_that_change(source, first, c, sizes):
    """A Gaussian's E S with ddof = 0 follows the Bernoulli's law."""
    law = replace.growing(sizes, first, c)
    for t, g in simulated(source, sizes, (2, len(sizes))).items():
        assert mean_check(g.record["variance"], law[t - 1]).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), ROWS)
def test_quadratic_growth_loses_what_accumulation_loses(n, p):
    law = replace.growing(Growth(n, 2).among(10), p * (1 - p), -1)[-1]
    source = BernoulliSource(p=p)
    for policy, sizes in ((Replace(), Growth(n, 2).among(10)), (Accumulate(), n)):
        record = simulated(source, sizes, (10,), policy)[10].record
        assert mean_check(record["variance"], law).verdict == "pass"


@pytest.mark.parametrize(("n", "bandwidth", "dim"), [(20, 0.3, 1), (10, 1.0, 1), (50, 0.1, 2)])
def test_a_kernel_density_diffuses(n, bandwidth, dim):
    """The records hold the density's variance; its rows' is bandwidth^2 less."""
    source, model = GaussianSource(variance=2.0, dim=dim), KDE(bandwidth=bandwidth)
    for t, record in simulated_rows(source, n, (1, 3, 8), Replace(), model).items():
        law = replace.kde_fit_variance(t, n, bandwidth, 2.0)
        assert mean_check(record["variance"], law).verdict == "pass"
        law = replace.kde_variance(t, n, bandwidth, 2.0)
        assert mean_check(record["variance"] - bandwidth**2, law).verdict == "pass"


def test_wrong_laws_fail():
    n, p = ROWS[0]
    runs = bernoulli(n, p)
    for t in (5, 20):
        variance, absorbed = runs[t].record["variance"], int(runs[t].record["absorbed"].sum())
        for refits, rows, c in ((t - 1, n, -1), (t, 2 * n, -1), (t, n, 0), (t, n, 1)):
            law = replace.expected_variance(refits, rows, p * (1 - p), c)
            assert mean_check(variance, law).verdict == "fail"
        late, large = (
            chain.absorbed_curve(n, p, t + 1)[t],
            chain.absorbed_curve(n + 1, p, t)[-1],
        )
        if t == 20:
            assert share_check(absorbed, 20_000, late, SHARE).verdict == "fail"
            assert share_check(absorbed, 20_000, large, SHARE).verdict == "fail"
            off = chain.distribution(n, p, t + 2)
            assert lattice_check(runs[t].statistic["ones"].long(), off).verdict == "fail"
    times = absorption_times(BernoulliSource(p=0.3), 10, chains=6000)
    assert mean_check(times, chain.mean_absorption_time(11, 0.3)).verdict == "fail"
    assert mean_check(times, chain.mean_absorption_time(10, 0.5)).verdict == "fail"


def test_wrong_laws_of_the_other_families_fail():
    n, rate = POISSON[0]
    drift = (simulated(PoissonSource(rate=rate), n, T)[16].record["mean"] - rate) ** 2
    for t, rows in ((14, n), (18, n), (16, 2 * n)):
        assert (
            mean_check(drift, replace.poisson_variance_of_rate(t, rows, rate)).verdict == "fail"
        )
    record = simulated(ExponentialSource(scale=1.0), 20, T)[16].record
    wrong = replace_scale.expected_log_variance_exponential(20, 20, 1.0)
    assert mean_check(record["log_variance"], wrong, scale=1).verdict == "fail"
    record = simulated(BernoulliSource(p=0.3), GROWING[0], (2, 8))[8].record
    backwards = replace.growing(GROWING[0][:7], 0.21, -1)[-1] * (1 - 1 / 10)
    assert mean_check(record["variance"], backwards).verdict == "fail"
    source, model = GaussianSource(variance=2.0), KDE(bandwidth=1.0)
    record = simulated_rows(source, 10, (1, 3, 8), Replace(), model)[8]
    kept = replace.kde_variance(8, 10, 1.0, 2.0)
    assert mean_check(record["variance"], kept).verdict == "fail"


def test_too_few_chains_are_inconclusive():
    n, p = ROWS[0]
    few = bernoulli(n, p)[20].record
    law = replace.expected_variance(20, n, p * (1 - p), -1)
    assert mean_check(few["variance"][:50], law).verdict == "inconclusive"
    absorbed, law = int(few["absorbed"][:100].sum()), chain.absorbed_curve(n, p, 20)[-1]
    assert share_check(absorbed, 100, law).verdict == "inconclusive"
    times = absorption_times(BernoulliSource(p=0.5), 20, chains=6000)[:100]
    assert mean_check(times, chain.mean_absorption_time(20, 0.5)).verdict == "inconclusive"
    assert np.isfinite(times).all()
