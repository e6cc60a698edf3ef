"""EM: it climbs, starts as it should, and makes results of the rows that break other EMs."""

import numpy as np
import pytest
import torch

from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models.em import kmeans_plus_plus, standardise
from nc_testbed.models.gmm import GMM

KINDS = ("full", "diagonal", "spherical")


def normals(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def blobs(R, N, D, K):
    """Rows around K centres, different ones in each chain."""
    rng = np.random.default_rng(0)
    centres, pick = 4 * rng.standard_normal((R, K, D)), rng.integers(K, size=(R, N))
    return torch.from_numpy(centres[np.arange(R)[:, None], pick]) + normals(R, N, D, seed=1)


def streams(R):
    return RandomStreams(0, tuple(range(R)))


def fitted(model, rows, previous=None):
    R, N, D = rows.shape
    order = torch.arange(N).expand(R, -1)
    archive = Archive(Space((D,), False), rows, order, order[:, :0], n=1, window=1)
    return model.fit(archive.view(order), streams(R), previous)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_never_falls(kind):
    rows = blobs(R=4, N=60, D=2, K=3)
    climb = [
        fitted(GMM(3, kind, max_iter=s, tolerance=0.0), rows).log_likelihood
        for s in (1, 2, 5, 20)
    ]
    assert (torch.stack(climb).diff(dim=0) > -1e-12).all()
    assert (climb[-1] > climb[0]).all()


line = normals(2, 30, 1) * torch.tensor([1.0, 2.0, -3.0])
DEGENERATE = {
    "all rows equal": torch.full((2, 19, 3), 0.1, dtype=torch.float64),
    "one row": normals(2, 1, 3),
    "fewer rows than components": normals(2, 3, 3),
    "fewer rows than coordinates": normals(2, 4, 10),
    "on a line": line,
    "on a line far away": line + 1e6,
    "a constant coordinate": torch.cat([normals(2, 30, 2), torch.full((2, 30, 1), 7.0)], -1),
    "two points": torch.tensor([[0.0, 0, 0], [1, 2, 3]])
    .double()
    .repeat(10, 1)
    .expand(2, 20, 3),
    "nearly collapsed": 1 + normals(2, 30, 3).sign() * 2.3e-16,
    "tiny": normals(2, 30, 3) * 1e-250,
    "huge": normals(2, 30, 3) * 1e250,
    "an outlier": torch.cat([normals(2, 20000, 2), torch.full((2, 1, 2), 1e9)], 1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_rows_are_results(kind, start, rows):
    rows = rows.double()
    fit = fitted(GMM(5, kind, max_iter=20), rows)
    if start == "warm":
        fit = fitted(GMM(5, kind, max_iter=5, start="warm"), rows, previous=fit)
    state = fit.state_dict().values()
    assert all(value.isfinite().all() for value in state if value.is_floating_point())
    torch.testing.assert_close(fit.weights.sum(-1), torch.ones(2, dtype=torch.float64))
    assert fit.sample(9, streams(2), Sampling()).isfinite().all()
    assert not fit.log_prob(torch.cat([rows[0, :5], normals(5, rows.shape[2])])).isnan().any()


def test_floored_and_dead_components_are_counted():
    two_points = DEGENERATE["two points"]
    report = fitted(GMM(3), two_points).report()
    assert report["fit_floored"].tolist() == [2, 2]
    assert report["fit_dead"].tolist() == [1, 1]
    healthy = fitted(GMM(3), blobs(2, 300, 2, 3)).report()
    assert healthy["fit_floored"].tolist() == healthy["fit_dead"].tolist() == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_floor_is_a_share_of_the_chains_variance(kind):
    """Half of the rows within 1e-4 of a point: floored at 1e-3 of the spread, not at 1e-6."""
    rows = torch.cat([1e-4 * normals(1, 200, 2), 1 + normals(1, 200, 2, seed=1)], 1)
    for size in (1.0, 1e-200):
        assert fitted(GMM(2, kind, floor=1e-6), rows * size).report()["fit_floored"] == 1
        fine = fitted(GMM(2, kind, floor=1e-12), rows * size)
        assert fine.report()["fit_floored"] == 0
    low = fitted(GMM(2, kind, floor=1e-6), rows).covariances()[0]
    smallest = torch.linalg.eigvalsh(low).min() / rows.var((0, 1)).mean()
    assert 0.5e-6 < smallest < 3e-6


def test_collapse_of_a_whole_chain_is_never_floored():
    rows = normals(3, 50, 2) * torch.tensor([1.0, 1e-8, 1e-16]).double()[:, None, None]
    fit = fitted(GMM(1), rows)
    assert fit.report()["fit_floored"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(
        fit.covariances()[:, 0].diagonal(dim1=1, dim2=2), rows.var(1, correction=0), rtol=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_end_in_one_point(kind):
    """Absorbed for good, although the mean of 19 times 0.1 is not 0.1 in floating point."""
    rows = DEGENERATE["all rows equal"]
    fit = fitted(GMM(2, kind), rows)
    assert (fit.covariances() == 0).all() and fit.report()["fit_floored"].tolist() == [0, 0]
    assert (fit.sample(50, streams(2), Sampling()) == 0.1).all()
    assert fit.log_prob(rows[0]).abs().max() < 1e-12
    assert (fit.log_prob(rows[0] + 1e-15) == -torch.inf).all()


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_goes_on_where_the_last_fit_stopped(kind):
    rows = blobs(R=3, N=200, D=3, K=3)
    short = fitted(GMM(3, kind, max_iter=4, tolerance=0.0), rows)
    assert not short.floored.any()  # a floored component is good to 1e-6 only
    warm = fitted(GMM(3, kind, max_iter=6, tolerance=0.0, start="warm"), rows, previous=short)
    long = fitted(GMM(3, kind, max_iter=10, tolerance=0.0), rows)
    torch.testing.assert_close(warm.means, long.means, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(warm.log_likelihood, long.log_likelihood, rtol=1e-9, atol=0)
    first = fitted(GMM(3, kind, max_iter=4, tolerance=0.0, start="warm"), rows)
    assert torch.equal(first.means, short.means)  # nothing to start from: cold


def test_kmeans_plus_plus_draws_by_squared_distance():
    """Points 0, 1, 3: every assignment has a known probability."""
    R = 6000
    rows = torch.tensor([0.0, 1, 3]).double().view(1, 3, 1).expand(R, -1, -1)
    assigned = kmeans_plus_plus(standardise(rows, common=False), 2, streams(R)("kmeans++"))
    law = {(0, 1, 1): 1 / 30, (1, 0, 0): 1 / 15, (0, 0, 1): 0.9 / 3 + 0.8 / 3, (1, 1, 0): 1 / 3}
    for way, p in law.items():
        share = (assigned == torch.tensor(way)).all(1).double().mean().item()
        assert abs(share - p) < 4 * (p * (1 - p) / R) ** 0.5, way
