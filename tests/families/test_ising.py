"""Spins with a coupling: moments matched anywhere in their polygon, laws of two levels on its edge.

The field alone is among the one-parameter families of test_family.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats

from nc_testbed.core.errors import BadInput
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.family import Statistic
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.ising import CoupledSpins, IndependentSpins, IsingModel, IsingSource
from nc_testbed.loop.archive import Archive


def levels(N):
    """The magnetisations of the levels."""
    return 2.0 * np.arange(N + 1) - N


def sums(counts):
    """The statistic of as many rows ``[R, N + 1]`` at every level, in whole numbers."""
    m = [2 * u - (len(counts[0]) - 1) for u in range(len(counts[0]))]
    pairs = [
        (
            sum(int(c) * x for c, x in zip(row, m, strict=True)),
            sum(int(c) * x * x for c, x in zip(row, m, strict=True)),
        )
        for row in counts
    ]
    first, second = torch.tensor(pairs, dtype=torch.float64).T
    return Statistic(int(sum(counts[0])), {"first": first, "second": second})


def at(N, n, *rows):
    """Rows of n at few levels: ``{level: rows}`` per chain, -1 being the last level."""
    counts = np.zeros((len(rows), N + 1), dtype=object)
    for chain, row in zip(counts, rows, strict=True):
        for level, count in row.items():
            chain[level] += count
        assert sum(chain) == n
    return sums(counts)


def fitted(N, statistic, **settings):
    return IsingModel(spins=N, learn="both", **settings).estimate(statistic)


def moment_gap(N, fit, statistic):
    """Largest gap of E m / N and E m^2 / N^2 between law and rows."""
    law, m, n = fit["levels"].numpy(), levels(N), statistic.count
    first = law @ m - statistic.values["first"].numpy() / n
    second = law @ m**2 - statistic.values["second"].numpy() / n
    return max(np.abs(first).max() / N, np.abs(second).max() / N**2)


@pytest.mark.parametrize("N", [2, 3, 10, 60, 300])
@pytest.mark.parametrize("n", [2, 5, 100, 10**12])
def test_moments_are_matched(N, n):
    """Levels from all equal to few among hundreds, which are far from any start."""
    rng = np.random.default_rng(N)
    shares = rng.dirichlet(np.full(N + 1, 0.3), 40)
    statistic = sums(rng.multinomial(n, shares))
    fit = fitted(N, statistic)
    assert moment_gap(N, fit, statistic) < 1e-12
    assert (fit["levels"] >= 0).all()
    np.testing.assert_allclose(fit["levels"].sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize("N", [3, 10, 60, 300])
@pytest.mark.parametrize("n", [10, 1000, 10**6, 10**9])
def test_one_row_off_an_edge_is_not_forgotten(N, n):
    half, last = n // 2, n - 1
    statistic = at(
        N,
        n,
        {0: half, -1: n - half - 1, 1: 1},
        {0: last, 2: 1},
        {0: last, N - 1: 1},
        {-1: last, N - 2: 1},
        {1: half, 2: n - half - 1, 0: 1},
        {N // 2: half, N // 2 + 1: n - half - 1, -1: 1},
    )
    fit = fitted(N, statistic)
    assert moment_gap(N, fit, statistic) < 1e-12
    assert ((fit["levels"] > 0).sum(1) > 2).all()
    # Means of the product of the distances from an edge's levels, which one row alone makes.
    m, law = levels(N), fit["levels"].numpy()
    edges = [(0, N), (0, 1), None, (N - 1, N), (1, 2), (N // 2, N // 2 + 1)]
    rows = [1, 2, None, N - 2, 0, N]
    for r, (edge, row) in enumerate(zip(edges, rows, strict=True)):
        if edge is not None:
            distance = (m - m[edge[0]]) * (m - m[edge[1]])
            rounding = 1e-14 * N**2 * n / abs(distance[row])
            assert law[r] @ distance * n == pytest.approx(distance[row], rel=1e-9 + rounding)


@pytest.mark.parametrize("N", [2, 7, 300, 1000])
@pytest.mark.parametrize("n", [1, 3, 97, 10**12 + 39])
def test_rows_on_an_edge_are_fitted_by_its_levels_alone(N, n):
    """Also where sums of squares are beyond 2^53, so that they are rounded."""
    third = n // 3
    chains = [{0: third, -1: n - third}, {-1: n}, {0: n}]
    chains += [{u: third, u + 1: n - third} for u in {0, 1, N // 2, N - 1} if u < N]
    chains += [{u: n} for u in {1, N // 2, N - 1}]
    law = fitted(N, at(N, n, *chains))["levels"]
    for found, chain in zip(law, chains, strict=True):
        expected = np.zeros(N + 1)
        for level, count in chain.items():
            expected[level] += count / n
        np.testing.assert_allclose(found, expected, atol=1e-12)
        dead = np.flatnonzero(expected == 0)
        if N**2 * n < 2**53:
            assert (found[dead] == 0).all()
        assert (found >= 0).all() and (found[dead] < 1e-13).all()


def test_a_law_on_an_edge_never_leaves_it():
    model, N, n = IsingModel(spins=5, learn="both"), 5, 4
    family, chains = CoupledSpins(N), RandomStreams(0, tuple(range(300)))
    law = {"levels": torch.tensor([[0.5, 0, 0, 0, 0, 0.5], [0, 0, 0.5, 0.5, 0, 0]]).double()}
    law = {"levels": law["levels"].repeat(150, 1)}
    start = law["levels"] > 0
    for g in range(30):
        law = model.estimate(family.draw(law, n, chains.at(g), "x"))
        assert not (law["levels"] > 0)[~start].any()
    assert (
        family.columns(law, {"levels": family.law(torch.zeros(1, 2))})["absorbed"] == 1
    ).all()


CONFIGURATIONS = np.array(list(itertools.product([-1.0, 1.0], repeat=5)))
COUNTS = np.array([[3, 1, 0, 2, 1, 2], [0, 2, 4, 2, 1, 0], [6, 0, 0, 0, 1, 2]])


def objective(theta, first, second, n, penalty=0.0):
    """Log-likelihood per row, over all configurations, less the penalty."""
    m = CONFIGURATIONS.sum(1)
    energy = theta[0] * m + theta[1] * (m**2 - 5) / 2
    data = theta[0] * first / n + theta[1] * (second / n - 5) / 2
    return data - special.logsumexp(energy) - penalty / 2 * (theta @ theta)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"estimator": "map", "prior_count": 3.0, "prior_mean": -0.4},
        {"estimator": "l2", "penalty": 0.3},
        {"estimator": "l2", "penalty": 1e-4},
    ],
)
def test_the_fit_maximises_its_objective(settings):
    statistic = sums(COUNTS)
    fit = fitted(5, statistic, **settings)
    spins = np.where(CONFIGURATIONS > 0, 0.3, 0.7).prod(1)  # a row of the prior
    m = CONFIGURATIONS.sum(1)
    A = 3.0 if settings.get("estimator") == "map" else 0.0
    for r in range(3):
        first = statistic.values["first"][r].item() + A * (spins @ m)
        second = statistic.values["second"][r].item() + A * (spins @ m**2)
        given = first, second, 9 + A, settings.get("penalty", 0.0)
        found = optimize.minimize(
            lambda t, given=given: -objective(t, *given), [0, 0], tol=1e-12
        )
        np.testing.assert_allclose(fit["theta"][r], found.x, atol=1e-5)
        energy = fit["theta"][r, 0].item() * m + fit["theta"][r, 1].item() * (m**2 - 5) / 2
        weights = special.softmax(energy)
        expected = [weights[m == x].sum() for x in levels(5)]
        np.testing.assert_allclose(fit["levels"][r], expected, rtol=1e-10)


def test_an_overwhelming_prior_is_the_fit():
    settings = {"estimator": "map", "prior_count": 1e12, "prior_mean": 0.5}
    law = fitted(5, sums(COUNTS), **settings)["levels"]
    np.testing.assert_allclose(law, [stats.binom(5, 0.75).pmf(range(6))] * 3, atol=1e-10)
    up = IsingModel(spins=5, **settings).estimate(
        Statistic(9, {"ups": torch.tensor([7.0]).double()})
    )
    assert up["up"].item() == pytest.approx(0.75)


@pytest.mark.parametrize("count", [0.0, 0.1, 3.0])
def test_a_prior_on_the_same_edge_leaves_rows_there(count):
    settings = {"estimator": "map", "prior_count": count, "prior_mean": 1.0}
    law = fitted(6, at(6, 7, {-1: 7}, {0: 3, -1: 4}), **settings)["levels"]
    expected = np.zeros((2, 7))
    expected[:, -1] = [1, (4 + count) / (7 + count)]
    expected[:, 0] = 1 - expected[:, -1]
    np.testing.assert_allclose(law, expected, atol=1e-14)
    assert (law >= 0).all()


@pytest.mark.parametrize("learn", ["theta_1", "both"])
@pytest.mark.parametrize("estimator", ["mle", "map", "l2"])
def test_a_fit_does_not_depend_on_others(learn, estimator):
    model = IsingModel(spins=12, learn=learn, estimator=estimator)
    family, truth = model.family(), CoupledSpins(12).law(torch.tensor([[0.3, 0.1]]).double())
    law = {"up": torch.full((37,), 0.7).double(), "levels": truth.expand(37, -1)}
    statistic = family.draw(law, 6, RandomStreams(0, tuple(range(37))), "x")
    with one_thread():
        whole = model.estimate(statistic)
        for r in range(37):
            alone = {k: v[r : r + 1].clone() for k, v in statistic.values.items()}
            fit = model.estimate(Statistic(6, alone))
            for name, value in fit.items():
                assert torch.equal(value[0], whole[name][r]), name


def test_field_and_coupling_of_many_rows_are_the_truths():
    source = IsingSource(spins=8, theta_1=0.1, theta_2=-0.2)
    family, truth = source.laws()[0]
    n, shared = 10**8, {k: v.expand(50, *v.shape[1:]) for k, v in truth.items()}
    statistic = family.draw(shared, n, RandomStreams(0, tuple(range(50))), "x")
    theta = fitted(8, statistic)["theta"].numpy()
    m, p = levels(8), truth["levels"][0].numpy()
    phi = np.stack([m, (m**2 - 8) / 2])
    covariance = np.linalg.inv(np.cov(phi, aweights=p, ddof=0)) / n
    error = np.sqrt(np.diag(covariance) / 50)
    assert (np.abs(theta.mean(0) - [0.1, -0.2]) < 4 * error).all()
    spread = ((theta - [0.1, -0.2]) ** 2).mean(0) / np.diag(covariance)
    assert (np.abs(spread - 1) < 4 * math.sqrt(2 / 50)).all()


def test_rows_are_fitted_through_their_moments():
    family = CoupledSpins(4)
    law = {"levels": family.law(torch.tensor([[0.2, 0.3]] * 3).double())}
    rows = family.rows(law, 30, RandomStreams(0, (0, 1, 2)), "rows")
    order = torch.arange(30).expand(3, -1)
    store = Archive(Space((4,), False), rows, order, order[:, :0], n=1, window=1)
    fit = IsingModel(spins=4, learn="both").fit(store.view(order), RandomStreams(0, (0, 1, 2)))
    m = rows.sum(2)
    x = levels(4)
    np.testing.assert_allclose(fit.parameters["levels"].numpy() @ x, m.mean(1), atol=1e-12)
    np.testing.assert_allclose(
        fit.parameters["levels"].numpy() @ x**2, (m**2).mean(1), rtol=1e-12
    )
    configurations = torch.from_numpy(np.array(list(itertools.product([-1.0, 1.0], repeat=4))))
    torch.testing.assert_close(
        fit.log_prob(configurations).exp().sum(1), torch.ones(3).double()
    )


def test_as_many_spins_as_a_row_has():
    assert IsingModel().like((), 7).family() == IndependentSpins(7)
    assert IsingModel(spins=4, learn="both").like((), 7).family() == CoupledSpins(4)
    assert IsingModel(learn="both", spins=5).least_rows() == 1
    with pytest.raises(BadInput, match=r"^spins=1: "):
        IsingModel().like((), 1)
