"""Densities against scipy, and columns against sums, integrals and quantile functions."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, stats

from nc_testbed.core.family import MEANS, means
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.bernoulli import Bernoulli
from nc_testbed.families.categorical import Categorical
from nc_testbed.families.exponential import Exponential
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.families.ising import CoupledSpins, IndependentSpins
from nc_testbed.families.linear import LinearGaussian
from nc_testbed.families.poisson import Poisson


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def column(values):
    return double(values)[:, None]


def close(found, expected, **tolerance):
    np.testing.assert_allclose(found, expected, **{"rtol": 1e-10, "atol": 1e-13} | tolerance)


def w2_squared(law, truth, **options):
    """Integral of the squared distance of the quantile functions."""
    return integrate.quad(lambda u: (law(u) - truth(u)) ** 2, 0, 1, limit=500, **options)[0]


def entropy(p, q):
    """KL of discrete laws, by scipy."""
    return stats.entropy(p, q)


def test_bernoulli():
    p, family = np.array([0.0, 0.2, 0.5, 1.0]), Bernoulli()
    fit, truth = {"p": double(p)}, {"p": double([0.3])}
    x = np.array([0, 1, 1])
    for r, one in enumerate(p):
        close(family.log_prob(fit, column(x))[r], stats.bernoulli(one).logpmf(x))
    columns = family.columns(fit, truth)
    both = np.stack([p, 1 - p], 1)
    close(columns["mean"], p)
    close(columns["variance"], [stats.bernoulli(one).var() for one in p])
    close(columns["heterozygosity"], 1 - (both**2).sum(1))
    close(columns["kl"], [entropy(row, [0.3, 0.7]) for row in both])
    distance = [
        w2_squared(lambda u, q=1 - one: 1.0 * (u > q), lambda u: 1.0 * (u > 0.7)) for one in p
    ]
    close(columns["w2_squared"], distance, atol=1e-3)
    assert columns["absorbed"].tolist() == [1, 0, 0, 1]
    assert columns["alive_classes"].tolist() == [1, 2, 2, 1]
    close(columns["missing_mass"], [0.3, 0, 0, 0.7])


def test_categorical():
    shares = np.array([[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0]])
    real, family = np.array([0.4, 0.3, 0.2, 0.1]), Categorical(4)
    fit, truth = {"shares": double(shares)}, {"shares": double(real[None])}
    x = np.array([0, 3, 2, 0])
    with np.errstate(divide="ignore"):
        close(family.log_prob(fit, column(x)), np.log(shares)[:, x])
    columns = family.columns(fit, truth)
    close(columns["heterozygosity"], [0.5, 0.7, 0.0])
    close(columns["kl"], [entropy(row, real) for row in shares])
    close(columns["missing_mass"], [0.3, 0, 0.8])
    assert columns["absorbed"].tolist() == [0, 0, 1]
    assert columns["alive_classes"].tolist() == [2, 4, 1]
    close(torch.stack([columns[f"mean_{i + 1}"] for i in range(4)], 1), shares)


def test_poisson():
    rate, family = np.array([0.0, 0.5, 3.0, 20.0]), Poisson()
    fit, truth = {"rate": double(rate)}, {"rate": double([2.0])}
    x = np.arange(200)
    pmf = np.stack([stats.poisson(one).pmf(x) for one in rate])
    close(family.log_prob(fit, column(x[:30])), stats.poisson(rate[:, None]).logpmf(x[:30]))
    columns = family.columns(fit, truth)
    close(columns["kl"], [entropy(row, stats.poisson(2.0).pmf(x)) for row in pmf])
    close(columns["mean"], pmf @ x)
    close(columns["variance"], pmf @ x**2 - (pmf @ x) ** 2)
    assert columns["absorbed"].tolist() == [1, 0, 0, 0]


def test_exponential():
    scale, family = np.array([0.1, 1.5, 4.0]), Exponential()
    fit, truth = {"scale": double(scale)}, {"scale": double([1.5])}
    laws, real = [stats.expon(scale=one) for one in scale], stats.expon(scale=1.5)
    x = np.array([-1.0, 0.0, 0.3, 20.0])
    close(family.log_prob(fit, column(x)), [law.logpdf(x) for law in laws])
    columns = family.columns(fit, truth)
    close(columns["mean"], [law.mean() for law in laws])
    close(columns["variance"], [law.var() for law in laws])
    close(columns["log_variance"], [np.log(law.var()) for law in laws])
    kl = [law.expect(lambda t, law=law: law.logpdf(t) - real.logpdf(t)) for law in laws]
    close(columns["kl"], kl, rtol=1e-6, atol=1e-9)
    close(columns["w2_squared"], [w2_squared(law.ppf, real.ppf) for law in laws], rtol=1e-6)
    zero = family.columns({"scale": double([0.0])}, truth)
    assert zero["absorbed"] == 1 and zero["log_variance"] == -np.inf and zero["kl"] == np.inf


def test_gaussian_on_the_line():
    fit = {"mean": column([0.5, 1.0, -3.0]), "factor": double([0.01, 2.0, 5.0])[:, None, None]}
    truth = {"mean": column([1.0]), "factor": double([2.0])[:, None, None]}
    laws, real = (
        [stats.norm(*pair) for pair in ((0.5, 0.01), (1, 2), (-3, 5))],
        stats.norm(1, 2),
    )
    x = np.array([-3.0, 0.5, 9.0])
    close(Gaussian(1).log_prob(fit, column(x)), [law.logpdf(x) for law in laws])
    columns = Gaussian(1).columns(fit, truth)
    close(columns["mean"], [0.5, 1, -3])
    close(columns["variance"], [1e-4, 4, 25])
    close(columns["log_variance"], np.log([1e-4, 4, 25]))
    close(columns["w2_squared"], [w2_squared(law.ppf, real.ppf) for law in laws], rtol=1e-6)
    kl = [law.expect(lambda t, law=law: law.logpdf(t) - real.logpdf(t)) for law in laws]
    close(columns["kl"], kl, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("d", [2, 5, 12])
def test_gaussian_in_many_dimensions(d):
    rng = np.random.default_rng(d)
    factor = np.tril(rng.standard_normal((4, d, d))) + 3 * np.eye(d)
    mean, centre, s = rng.standard_normal((4, d)), rng.standard_normal(d), 1.7
    fit = {"mean": double(mean), "factor": double(factor)}
    truth = {
        "mean": double(centre[None]),
        "factor": s * torch.eye(d, dtype=torch.float64)[None],
    }
    x = rng.standard_normal((6, d)) * 3
    columns, found = Gaussian(d).columns(fit, truth), Gaussian(d).log_prob(fit, double(x))
    assert set(means(double(mean))) == {f"mean_{i + 1}" for i in range(min(d, MEANS))}
    for r in range(4):
        S = factor[r] @ factor[r].T
        close(found[r], stats.multivariate_normal(mean[r], S).logpdf(x), rtol=1e-7)
        close(columns["variance"][r], np.trace(S) / d)
        close(columns["log_variance"][r], np.linalg.slogdet(S)[1])
        drift = ((mean[r] - centre) ** 2).sum()
        cross = linalg.sqrtm(s**2 * S).real  # Bures: the two covariances commute
        close(columns["w2_squared"][r], drift + np.trace(S + s**2 * np.eye(d) - 2 * cross))
        inverse = np.eye(d) / s**2
        kl = np.trace(inverse @ S) + drift / s**2 - d
        kl += np.linalg.slogdet(s**2 * np.eye(d))[1] - np.linalg.slogdet(S)[1]
        close(columns["kl"][r], kl / 2)
        close(columns["mean_1"][r], mean[r, 0])


def test_a_flat_gaussian_has_no_volume_and_stays_at_a_finite_distance():
    flat = {"mean": double([[0.0, 0.0]]), "factor": double([[[1.0, 0.0], [1.0, 0.0]]])}
    truth = {"mean": double([[0.0, 0.0]]), "factor": torch.eye(2, dtype=torch.float64)[None]}
    columns = Gaussian(2).columns(flat, truth)
    assert columns["log_variance"] == -np.inf and columns["kl"] == np.inf
    close(columns["w2_squared"], [(np.sqrt(2) - 1) ** 2 + 1])
    assert columns["absorbed"] == 0


CONFIGURATIONS = np.array(list(itertools.product([-1.0, 1.0], repeat=6)))


def moments(p):
    """Mean and variance of the magnetisation per spin under probabilities of configurations."""
    x = CONFIGURATIONS.mean(1)
    return p @ x, p @ x**2 - (p @ x) ** 2


def test_independent_spins():
    up, family = np.array([0.0, 0.3, 0.9, 1.0]), IndependentSpins(6)
    fit, truth = {"up": double(up)}, {"up": double([0.6])}
    both = np.append(up, 0.6)[:, None, None]
    *laws, real = np.where(CONFIGURATIONS > 0, both, 1 - both).prod(2)
    with np.errstate(divide="ignore"):
        close(family.log_prob(fit, double(CONFIGURATIONS)), np.log(laws))
    columns = family.columns(fit, truth)
    close(
        torch.stack([columns["mean"], columns["variance"]], 1), [moments(law) for law in laws]
    )
    close(columns["kl"], [entropy(law, real) for law in laws])
    assert columns["absorbed"].tolist() == [1, 0, 0, 1]


def test_coupled_spins():
    theta, family = np.array([[0.0, 0.0], [0.3, -0.2], [-0.1, 0.4]]), CoupledSpins(6)
    levels = family.law(double(theta))
    pairs = (CONFIGURATIONS.sum(1) ** 2 - 6) / 2
    laws = np.exp(theta[:, :1] * CONFIGURATIONS.sum(1) + theta[:, 1:] * pairs)
    laws /= laws.sum(1, keepdims=True)
    close(family.log_prob({"levels": levels}, double(CONFIGURATIONS)), np.log(laws))
    columns = family.columns({"levels": levels}, {"levels": levels[1:2]})
    close(
        torch.stack([columns["mean"], columns["variance"]], 1), [moments(law) for law in laws]
    )
    close(columns["kl"], [entropy(law, laws[1]) for law in laws])
    edge = double([[0.0, 0, 0, 0, 0, 0, 1.0], [0.5, 0, 0, 0, 0, 0, 0.5]])
    columns = family.columns({"levels": edge}, {"levels": levels[:1]})
    assert columns["absorbed"].tolist() == [1, 0]
    close(columns["variance"], [0, 1])


def test_a_strong_coupling_overflows_nothing():
    levels = CoupledSpins(1000).law(double([[0.0, 1.0], [5.0, 1e3], [0.0, -1e3]]))
    assert levels.isfinite().all()
    close(levels.sum(1), [1, 1, 1])
    close(levels[0, [0, -1]], [0.5, 0.5])
    close(levels[1, -1], 1.0)
    close(levels[2, 500], 1.0)


def test_linear():
    weights, real, noise = np.array([[1.0, 0.0], [0.5, -2.0]]), np.array([[0.6, 0.8]]), 0.3
    family = LinearGaussian(2, noise)
    fit, truth = {"weights": double(weights)}, {"weights": double(real)}
    rows = np.random.default_rng(0).standard_normal((5, 3))
    x, y = rows[:, :2], rows[:, 2]
    for r in range(2):
        density = stats.norm(x @ weights[r], noise).logpdf(y) + stats.norm().logpdf(x).sum(1)
        close(family.log_prob(fit, double(rows))[r], density)
    columns = family.columns(fit, truth)
    close(columns["risk"], ((weights - real) ** 2).sum(1))


SPINS = CoupledSpins(6)
PAIRS = {
    "bernoulli": (Bernoulli(), {"p": double([0.2])}, {"p": double([0.3])}),
    "categorical": (
        Categorical(3),
        {"shares": double([[0.5, 0.5, 0.0]])},
        {"shares": double([[0.2, 0.3, 0.5]])},
    ),
    "poisson": (Poisson(), {"rate": double([2.0])}, {"rate": double([3.0])}),
    "exponential": (Exponential(), {"scale": double([2.0])}, {"scale": double([3.0])}),
    "gaussian": (
        Gaussian(2),
        {"mean": double([[0.0, 1.0]]), "factor": double([[[1.0, 0.0], [0.5, 0.3]]])},
        {"mean": double([[0.5, 0.5]]), "factor": 2 * torch.eye(2, dtype=torch.float64)[None]},
    ),
    "spins": (IndependentSpins(5), {"up": double([0.7])}, {"up": double([0.5])}),
    "coupled": (
        SPINS,
        {"levels": SPINS.law(double([[0.2, 0.1]]))},
        {"levels": SPINS.law(double([[0.0, 0.0]]))},
    ),
    "linear": (
        LinearGaussian(2, 0.5),
        {"weights": double([[0.5, 0.0]])},
        {"weights": double([[0.6, 0.4]])},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_kl_is_the_mean_log_ratio_of_the_fits_own_rows(name):
    family, fit, truth = PAIRS[name]
    rows = family.rows(fit, 20_000, RandomStreams(0, (0,)), "rows")[0]
    ratio = (family.log_prob(fit, rows) - family.log_prob(truth, rows))[0].numpy()
    kl = float(family.columns(fit, truth)["kl"][0])
    assert abs(ratio.mean() - kl) < 4 * ratio.std() / len(ratio) ** 0.5
    assert kl > 0
