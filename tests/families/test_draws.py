"""What every family keeps: statistics drawn at once are those of as many rows."""

import numpy as np
import pytest
import torch
from scipy import stats

from nc_testbed.core.family import Statistic
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.bernoulli import Bernoulli
from nc_testbed.families.categorical import Categorical
from nc_testbed.families.exponential import Exponential
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.families.ising import CoupledSpins, IndependentSpins
from nc_testbed.families.linear import LinearGaussian
from nc_testbed.families.poisson import Poisson

R = 3000
SIGMAS = 4.0
RARE = 6e-5  # the chance of SIGMAS


def double(values):
    return torch.tensor(values, dtype=torch.float64)


FACTOR = double([[[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-1.0, 0.3, 0.1]]])
SPINS = CoupledSpins(6)
CASES = {
    "bernoulli": (Bernoulli(), {"p": double([0.3])}),
    "categorical": (Categorical(4), {"shares": double([[0.5, 0.3, 0.15, 0.05]])}),
    "poisson": (Poisson(), {"rate": double([2.5])}),
    "exponential": (Exponential(), {"scale": double([1.7])}),
    "gaussian": (Gaussian(1), {"mean": double([[1.0]]), "factor": double([[[2.0]]])}),
    "gaussians": (Gaussian(3), {"mean": double([[1.0, 0.0, -3.0]]), "factor": FACTOR}),
    "plane": (Gaussian(2), {"mean": double([[0.0, 5.0]]), "factor": FACTOR[:, :2, :2]}),
    "five": (
        Gaussian(5),
        {
            "mean": torch.zeros(1, 5, dtype=torch.float64),
            "factor": torch.ones(1, 5, 5, dtype=torch.float64).tril(),
        },
    ),
    "spins": (IndependentSpins(6), {"up": double([0.7])}),
    "coupled": (SPINS, {"levels": SPINS.law(double([[0.2, 0.15]]))}),
    "line": (LinearGaussian(1, 0.5), {"weights": double([[2.0]])}),
    "linear": (LinearGaussian(3, 0.5), {"weights": double([[2.0, 0.0, -1.0]])}),
    "same design": (LinearGaussian(3, 0.5, "same"), {"weights": double([[2.0, 0.0, -1.0]])}),
}
SIZES = (1, 2, 3, 4, 30)
ABSORBED = {
    "bernoulli 0": (Bernoulli(), {"p": double([0.0])}),
    "bernoulli 1": (Bernoulli(), {"p": double([1.0])}),
    "last class": (Categorical(3), {"shares": double([[0.0, 0.0, 1.0]])}),
    "first class": (Categorical(3), {"shares": double([[1.0, 0.0, 0.0]])}),
    "poisson": (Poisson(), {"rate": double([0.0])}),
    "exponential": (Exponential(), {"scale": double([0.0])}),
    "gaussian": (Gaussian(1), {"mean": double([[7.0]]), "factor": double([[[0.0]]])}),
    "gaussians": (Gaussian(3), {"mean": double([[7.0, 0.1, 1e9]]), "factor": 0 * FACTOR}),
    "spins up": (IndependentSpins(6), {"up": double([1.0])}),
    "spins down": (IndependentSpins(6), {"up": double([0.0])}),
    "one level": (SPINS, {"levels": double([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])}),
    "all up": (SPINS, {"levels": double([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])}),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=ABSORBED)
def absorbed(request):
    return ABSORBED[request.param]


def expand(parameters, chains):
    return {k: v.expand(chains, *v.shape[1:]) for k, v in parameters.items()}


def streams(chains=R, seed=0):
    return RandomStreams(seed, tuple(range(chains)))


def numbers(statistic: Statistic) -> dict[str, np.ndarray]:
    """Every entry of a statistic ``[R, m]``; of a factor those of its square."""
    flat = {}
    for name, value in statistic.values.items():
        value = value @ value.mT if name == "scatter" else value
        keep = value.reshape(len(value), -1)
        if name in ("scatter", "gram"):
            d = value.shape[-1]
            keep = value[:, *torch.tril_indices(d, d)]
        flat |= {f"{name}_{i}": column.numpy() for i, column in enumerate(keep.T)}
    return flat


def gap(a, b):
    """Distance of two means in standard errors; 0 where both are one constant."""
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return abs(a.mean() - b.mean()) / error if error else 0.0 if a[0] == b[0] else np.inf


@pytest.mark.parametrize("n", SIZES)
def test_drawn_and_summed_statistics_have_the_same_law(case, n):
    family, parameters = case
    parameters = expand(parameters, R)
    drawn = numbers(family.draw(parameters, n, streams(), "drawn"))
    rows = family.rows(parameters, n, streams(seed=1), "rows")
    assert rows.shape == (R, n, family.size) and rows.dtype is torch.float64
    summed = numbers(family.summarise(rows))
    assert drawn.keys() == summed.keys()
    for name, a in drawn.items():
        b = summed[name]
        tolerance = 1e-9 * np.abs(b).max()  # of what rounding leaves of a constant
        if max(np.ptp(a), np.ptp(b)) <= tolerance:
            assert abs(a.mean() - b.mean()) <= tolerance, name
            continue
        assert gap(a, b) < SIGMAS, name
        centre = (a.mean() + b.mean()) / 2
        assert gap((a - centre) ** 2, (b - centre) ** 2) < SIGMAS, name
        assert stats.ks_2samp(a, b, method="asymp").pvalue > RARE, name
    for i, one in enumerate(drawn):
        for other in list(drawn)[:i]:
            products = [
                (s[one] - summed[one].mean()) * (s[other] - summed[other].mean())
                for s in (drawn, summed)
            ]
            assert gap(*products) < SIGMAS or np.abs(products).max() < 1e-12, (one, other)


def test_merged_statistics_are_those_of_all_rows(case):
    family, parameters = case
    rows = family.rows(expand(parameters, 50), 12, streams(50), "rows")
    whole = family.summarise(rows)
    for cut in (1, 2, 5, 11):
        parts = [family.summarise(rows[:, :cut]), family.summarise(rows[:, cut:])]
        for a, b in (parts, parts[::-1]):
            both = family.merge(a, b)
            assert both.count == whole.count == 12
            for name, value in numbers(both).items():
                np.testing.assert_allclose(value, numbers(whole)[name], rtol=1e-9, atol=1e-12)


def test_a_chain_draws_the_same_whatever_its_neighbours(case):
    family, parameters = case
    few, many = (family.draw(expand(parameters, k), 9, streams(k), "x") for k in (5, 1100))
    for name, value in few.values.items():
        assert torch.equal(value, many.values[name][:5]), name
    again = family.draw(expand(parameters, 5), 9, streams(5), "y")
    assert any(not torch.equal(v, again.values[k]) for k, v in few.values.items())


def test_the_cost_of_a_draw_does_not_depend_on_its_rows(case):
    family, parameters = case
    drawn = family.draw(expand(parameters, 3), 10**12, streams(3), "x")
    assert drawn.count == 10**12
    assert all(value.isfinite().all() for value in drawn.values.values())


def of_one_row(family, parameters):
    """Mean and variance of every entry of :func:`numbers` for one row, by the book."""
    value = {k: v[0].numpy() for k, v in parameters.items()}
    if isinstance(family, Bernoulli):
        p = value["p"]
        return [(p, p * (1 - p))]
    if isinstance(family, Categorical):
        return [(p, p * (1 - p)) for p in value["shares"]]
    if isinstance(family, Poisson):
        return [(value["rate"], value["rate"])]
    if isinstance(family, Exponential):
        return [(value["scale"], value["scale"] ** 2)]
    if isinstance(family, IndependentSpins):
        p = value["up"]
        return [(family.spins * p, family.spins * p * (1 - p))]
    if isinstance(family, CoupledSpins):
        m, p = family.magnetisations.numpy(), value["levels"]
        return [(p @ m**k, p @ m ** (2 * k) - (p @ m**k) ** 2) for k in (1, 2)]
    i, j = np.tril_indices(family.dim)
    if isinstance(family, LinearGaussian):
        w = value["weights"]
        gram = [(float(a == b), 1.0 + (a == b)) for a, b in zip(i, j, strict=True)]
        return gram + [(x, x**2 + w @ w + family.noise**2) for x in w]
    S = value["factor"] @ value["factor"].T
    squares = [(S[a, b], S[a, a] * S[b, b] + S[a, b] ** 2) for a, b in zip(i, j, strict=True)]
    return list(zip(value["mean"], np.diag(S), strict=True)) + squares


def test_a_trillion_rows_have_the_mean_and_variance_of_so_many(case):
    family, parameters = case
    n = 10**12
    drawn = numbers(family.draw(expand(parameters, R), n, streams(), "x"))
    expected = of_one_row(family, parameters)
    assert len(drawn) == len(expected)
    for (name, values), (mean, variance) in zip(drawn.items(), expected, strict=True):
        averaged = values if name.startswith("mean") else values / n
        z = (averaged - mean) / np.sqrt(variance / n)
        assert abs(z.mean()) < SIGMAS / R**0.5, name
        assert abs((z**2).mean() - 1) < SIGMAS * (2 / R) ** 0.5, name


@pytest.mark.parametrize("n", [1, 7, 10**12])
def test_an_absorbed_law_stays_where_it_is(absorbed, n):
    family, parameters = absorbed
    parameters, near = expand(parameters, 9), expand(parameters, 1)
    drawn = family.draw(parameters, n, streams(9), "x")
    few = min(n, 7)
    rows = family.rows(parameters, few, streams(9), "x")
    assert (rows.std(1, correction=0).amax() == 0) or isinstance(family, CoupledSpins)
    for name, value in numbers(family.summarise(rows)).items():
        found = numbers(drawn)[name]
        scale = 1 if name.startswith("mean") else n / few
        np.testing.assert_allclose(found, value * scale, rtol=1e-12, atol=1e-20)
    columns = family.columns(parameters, near)
    assert (columns["absorbed"] == 1).all()
    assert (columns["variance" if "variance" in columns else "heterozygosity"] == 0).all()


def test_what_is_not_absorbed_does_not_say_so(case):
    family, parameters = case
    if isinstance(family, Gaussian):  # the truth is a multiple of the identity
        parameters = parameters | {
            "factor": 2 * torch.eye(family.dim, dtype=torch.float64)[None]
        }
    columns = family.columns(expand(parameters, 4), parameters)
    assert (columns.get("absorbed", torch.zeros(4)) == 0).all()
    for name, column in columns.items():
        assert column.shape == (4,) and column.dtype is torch.float64, name
    if "kl" in columns:
        torch.testing.assert_close(columns["kl"], torch.zeros(4).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dead", [0, 1, 2, 3])
def test_a_dead_class_does_not_come_back(dead):
    """Thirds do not sum to one in binary: what is left must not go to a class without share."""
    shares = torch.full((R, 4), 1 / 3, dtype=torch.float64)
    shares[:, dead] = 0
    drawn = Categorical(4).draw({"shares": shares}, 10**15, streams(), "x")
    assert (drawn.values["counts"][:, dead] == 0).all()
    assert (drawn.values["counts"].sum(1) == 10**15).all()
