"""Kernel density estimates against scipy."""

import numpy as np
import pytest
import torch
from scipy import stats

from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models import kde
from nc_testbed.models.kde import KDE


def normals(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def streams(R):
    return RandomStreams(0, tuple(range(R)))


def fitted(rows, **settings):
    R, m, D = rows.shape
    order = torch.arange(m).expand(R, -1)
    store = Archive(Space((D,), False), rows, order, order[:, :0], n=1, window=1)
    return KDE(**settings).fit(store.view(order), streams(R))


@pytest.mark.parametrize(("m", "d"), [(7, 1), (100, 1), (50, 3), (1000, 10)])
@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_the_rules_are_scipys(rule, m, d):
    oracle = stats.gaussian_kde(normals(d, m).numpy(), bw_method=rule)
    assert KDE(bandwidth=None, rule=rule).factor(m, d) == pytest.approx(oracle.factor)


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_a_rule_scales_with_each_coordinates_own_deviation(rule):
    rows = normals(3, 40, 2) * torch.tensor([1.0, 50.0])
    fit = fitted(rows, bandwidth=None, rule=rule)
    factor = KDE(bandwidth=None, rule=rule).factor(40, 2)
    np.testing.assert_allclose(fit.bandwidth, factor * rows.numpy().std(1), rtol=1e-12)


@pytest.mark.parametrize("d", [1, 3])
def test_log_prob_is_scipys(d):
    rows, x, h = normals(2, 30, d), normals(20, d, seed=1) * 2, 0.4
    found = fitted(rows, bandwidth=h).log_prob(x)
    for r in range(2):
        # scipy multiplies the rows' covariance by its factor: whiten, so that it is h^2 I.
        root = np.linalg.cholesky(np.atleast_2d(np.cov(rows[r].T.numpy())))
        white = [np.linalg.solve(root, each.T.numpy()) for each in (rows[r], x)]
        oracle = stats.gaussian_kde(white[0], bw_method=h)
        mine = fitted(torch.from_numpy(white[0].T.copy())[None], bandwidth=h)
        np.testing.assert_allclose(
            mine.log_prob(torch.from_numpy(white[1].T.copy()))[0],
            oracle.logpdf(white[1]),
            rtol=1e-9,
        )
        kernels = stats.norm.logpdf(x[:, None], rows[r], h).sum(2)
        expected = np.logaddexp.reduce(kernels, axis=1) - np.log(30)
        np.testing.assert_allclose(found[r], expected, rtol=1e-9)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_rows_far_from_zero_lose_no_digits_but_their_own(far):
    rows, x, h = normals(1, 400, 2), normals(50, 2, seed=1), 0.1
    near, moved = fitted(rows, bandwidth=h), fitted(rows + far, bandwidth=h)
    kept = moved.log_prob(x + far) - near.log_prob(x)
    step = (
        np.finfo(float).eps * far / h
    )  # of a coordinate, in bandwidths; x is within 40 of rows
    assert kept.abs().max() < 40 * 8 * step


@pytest.mark.parametrize("block", [1, 999, 2**14])
def test_blocks_change_no_bit(monkeypatch, block):
    rows = normals(2, 123, 3)
    whole = fitted(rows).log_prob(rows[0])
    monkeypatch.setattr(kde, "BLOCK", block)
    assert torch.equal(fitted(rows).log_prob(rows[0]), whole)


def test_a_weight_counts_as_so_many_rows():
    rows, x = normals(2, 6, 2), normals(9, 2, seed=1)
    fit, times = fitted(rows, bandwidth=0.5), torch.tensor([1, 0, 3, 2, 0, 6])
    weighted = KDE().restore(
        fit.state_dict() | {"weights": (times / 2).double().expand(2, -1)}, fit.space
    )
    repeated = fitted(rows.repeat_interleave(times, 1), bandwidth=0.5)
    torch.testing.assert_close(weighted.log_prob(x), repeated.log_prob(x), rtol=1e-12, atol=0)
    for name, column in weighted.columns(()).items():
        torch.testing.assert_close(column, repeated.columns(())[name], rtol=1e-12, atol=1e-14)
    centres = weighted.sample(6000, streams(2), Sampling(decode="mean"))
    share = times / times.sum()
    for r in range(2):
        count = (centres[r][:, None] == rows[r]).all(2).sum(0)
        error = (6000 * share * (1 - share)).sqrt()
        assert ((count - 6000 * share).abs() <= 4 * error).all()


def test_samples_are_rows_and_noise():
    rows, R = normals(1, 25, 2), 1
    fit = fitted(rows, bandwidth=0.3)
    n = 40_000
    x = fit.sample(n, streams(R), Sampling())[0]
    variance = rows[0].var(0, correction=0) + 0.09
    z = (x.mean(0) - rows[0].mean(0)) / (variance / n).sqrt()
    assert z.abs().max() < 4
    squares = (x - rows[0].mean(0)).square()
    assert ((squares.mean(0) - variance).abs() < 4 * squares.std(0) / n**0.5).all()
    centres = fit.sample(n, streams(R), Sampling(decode="mean"))[0]
    where = (centres[:, None] == rows[0]).all(2)
    assert (where.sum(1) == 1).all()
    assert ((where.sum(0) - n / 25).abs() < 4 * (n * 24 / 625) ** 0.5).all()


def test_columns_are_the_moments_of_the_estimate():
    rows = normals(3, 25, 2)
    fit = fitted(rows, bandwidth=0.3)
    columns = fit.columns(())
    np.testing.assert_allclose(columns["mean_2"], rows[..., 1].mean(1))
    expected = (rows.var(1, correction=0) + 0.09).mean(1)
    np.testing.assert_allclose(columns["variance"], expected)
    assert fit.report()["fit_bandwidth"].tolist() == pytest.approx([0.3] * 3)
    alone = fitted(rows[..., :1], bandwidth=0.3).columns(())
    assert set(alone) == {"mean", "variance"}


def test_a_coordinate_that_never_varies_is_a_point_mass():
    """The density of the others, and none where a row differs in it."""
    rows = torch.cat([normals(2, 40, 2), torch.full((2, 40, 1), 7.7, dtype=torch.float64)], 2)
    fit = fitted(rows, bandwidth=None)
    # The rule knows three coordinates: only its factor differs from a fit of two.
    two = KDE().restore(
        fit.state_dict() | {"rows": rows[..., :2], "bandwidth": fit.bandwidth[:, :2]},
        Space((2,), False),
    )
    x = normals(9, 3, seed=1)
    x[:, 2] = 7.7
    torch.testing.assert_close(fit.log_prob(x), two.log_prob(x[:, :2]), rtol=1e-12, atol=0)
    x[4, 2] = 7.700001
    assert (fit.log_prob(x)[:, 4] == -torch.inf).all()
    assert fit.report()["fit_bandwidth"].tolist() == pytest.approx(
        two.report()["fit_bandwidth"].tolist()
    )


def test_a_chain_of_one_row_has_no_density_elsewhere():
    fit = fitted(normals(2, 1, 3), bandwidth=None)
    assert (fit.log_prob(normals(5, 3, seed=1)) == -torch.inf).all()
    assert fit.log_prob(fit.rows[0]).tolist() == [[0.0], [-float("inf")]]
    assert fit.report()["fit_bandwidth"].tolist() == [0, 0]


def test_pictures_are_refused():
    with pytest.raises(BadInput, match="projection=32"):
        KDE().check(Space((4, 4), image=True))
