"""The Gaussian mixture against scikit-learn and scipy, chain by chain, and its settings."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.archive import Archive
from nc_testbed.models import em
from nc_testbed.models.em import kmeans_plus_plus, standardise
from nc_testbed.models.gmm import GMM

KINDS = ("full", "diagonal", "spherical")


@pytest.fixture(autouse=True)
def one_thread():
    """BLAS splits a product over threads by the number of chains, which moves its last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def normals(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def blobs(R, N, D, K, seed=0):
    """Rows of K well separated blobs, and different ones in each chain."""
    rng = np.random.default_rng(seed)
    centres = 4 * rng.standard_normal((R, K, D))
    pick = rng.integers(K, size=(R, N))
    rows = centres[np.arange(R)[:, None], pick] + rng.standard_normal((R, N, D))
    return torch.from_numpy(rows)


def training(rows, space=None):
    R, N, D = rows.shape
    order = torch.arange(N).expand(R, -1)
    nothing = torch.empty(R, 0, dtype=torch.int64)
    return Archive(space or Space((D,), False), rows, order, nothing, n=1, window=1).view(order)


def streams(R, seed=0):
    return RandomStreams(seed, tuple(range(R)))


def fitted(model, rows, **kwargs):
    return model.fit(training(rows), streams(len(rows)), **kwargs)


def test_one_component_is_mean_and_ddof_0_covariance():
    rows = normals(5, 37, 3) @ normals(3, 3, seed=1) * 1e-3 + 7
    fit = fitted(GMM(components=1), rows)
    for r in range(5):
        np.testing.assert_allclose(fit.means[r, 0], rows[r].mean(0).numpy(), rtol=1e-12)
        expected = np.cov(rows[r].T.numpy(), ddof=0)
        np.testing.assert_allclose(fit.covariances()[r, 0], expected, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_the_moments_of_the_rows_that_em_was_given(kind):
    rows = blobs(4, 60, 2, 3)
    columns = fitted(GMM(components=3, covariance=kind, max_iter=7), rows).columns(())
    for r, values in enumerate(rows.numpy()):
        np.testing.assert_allclose(columns["mean_2"][r], values[:, 1].mean(), rtol=1e-9)
        # spherical components keep the trace of standardised rows: this is the trace itself
        np.testing.assert_allclose(columns["variance"][r], values.var(0).mean(), rtol=1e-9)
        if kind == "full":
            expected = np.linalg.slogdet(np.cov(values.T, ddof=0))[1]
            np.testing.assert_allclose(columns["log_variance"][r], expected, rtol=1e-9)
    point = fitted(GMM(components=2), torch.ones(1, 9, 2)).columns(())
    assert point["log_variance"].tolist() == [-np.inf]
    assert point["variance"].tolist() == [0]


def sklearn_fit(rows, assigned, kind, steps):
    """scikit-learn's EM from the same hard assignment."""
    parts = [rows[assigned == k] for k in range(assigned.max() + 1)]
    variances = [part.var(0) for part in parts]
    precisions = {
        "full": lambda: [np.linalg.inv(np.cov(part.T, ddof=0)) for part in parts],
        "diagonal": lambda: [1 / v for v in variances],
        "spherical": lambda: [1 / v.mean() for v in variances],
    }[kind]()
    mixture = GaussianMixture(
        len(parts),
        covariance_type={"full": "full", "diagonal": "diag", "spherical": "spherical"}[kind],
        tol=1e-300,
        reg_covar=0,
        max_iter=steps,
        weights_init=[len(part) / len(rows) for part in parts],
        means_init=[part.mean(0) for part in parts],
        precisions_init=np.array(precisions),
    )
    return mixture.fit(rows)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_scikit_learn(kind):
    rows = blobs(R=3, N=400, D=3, K=4) * torch.tensor([1.0, 10.0, 0.1])
    fit = fitted(GMM(4, kind, max_iter=20, tolerance=0.0), rows)
    scaled = standardise(rows, common=kind == "spherical")
    assigned = kmeans_plus_plus(scaled, 4, streams(3)("kmeans++")).numpy()
    for r in range(3):
        theirs = sklearn_fit(rows[r].numpy(), assigned[r], kind, steps=20)
        np.testing.assert_allclose(fit.means[r], np.asarray(theirs.means_), atol=1e-8)
        scores = theirs.score_samples(rows[0].numpy())
        np.testing.assert_allclose(fit.log_prob(rows[0])[r], scores, rtol=1e-6)
        assert abs(fit.log_likelihood[r] - theirs.score(rows[r].numpy())) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(9, 57, 2, 3), (4, 31, 9, 2), (3, 64, 17, 5), (8, 59, 1, 8)])
def test_chains_are_bitwise_independent(kind, shape):
    R, K = shape[0], shape[-1]
    rows = blobs(*shape)
    together = fitted(GMM(K, kind), rows)
    seen, drawn = rows[0], together.sample(11, streams(R), Sampling())
    if shape == (9, 57, 2, 3):
        assert len(together.steps.unique()) > 1  # so frozen chains were waiting for others
    for r in range(R):
        alone_streams = streams(R).part(slice(r, r + 1))
        alone = GMM(K, kind).fit(training(rows).part(slice(r, r + 1)), alone_streams)
        for name, value in alone.state_dict().items():
            assert torch.equal(value[0], together.state_dict()[name][r]), name
        assert torch.equal(alone.log_prob(seen)[0], together.log_prob(seen)[r])
        assert torch.equal(alone.sample(11, alone_streams, Sampling())[0], drawn[r])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_of_chains_do_not_show(kind, weighted, monkeypatch):
    data = training(blobs(7, 57, 2, 3))
    if weighted:
        data = data.with_weights(torch.arange(7 * 57).view(7, 57) % 5 + 0.5)
    whole = GMM(3, kind, max_iter=9).fit(data, streams(7)).state_dict()
    two = 2 * 8 * 3 * 64  # chains in a block, and one in the last
    monkeypatch.setitem(em.BLOCK, "cpu", two)
    for name, value in GMM(3, kind, max_iter=9).fit(data, streams(7)).state_dict().items():
        assert torch.equal(value, whole[name]), name


def scipy_log_prob(fit, r, x):
    """One chain's log density by scipy, component by component."""
    laws = zip(fit.means[r].numpy(), fit.covariances()[r].numpy(), strict=True)
    densities = [multivariate_normal(mean, covariance).logpdf(x) for mean, covariance in laws]
    return (fit.weights[r].log()[:, None] + torch.tensor(np.array(densities))).logsumexp(0)


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_against_scipy(kind):
    rows = blobs(R=2, N=100, D=3, K=3)
    fit, x = fitted(GMM(3, kind), rows), normals(40, 3) * 4
    for r in range(2):
        np.testing.assert_allclose(fit.log_prob(x)[r], scipy_log_prob(fit, r, x), rtol=1e-9)
    own = torch.stack([fit.log_prob(rows[r])[r].mean() for r in range(2)])
    torch.testing.assert_close(own, fit.log_likelihood, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_constant_coordinate_is_a_point_mass(kind):
    rows = torch.cat([normals(1, 30, 1), torch.full((1, 30, 1), 7.0)], -1)
    fit = fitted(GMM(1, kind), rows)
    alone = fitted(GMM(1, kind), rows[..., :1])
    x = torch.tensor([[0.3, 7.0], [0.3, 7.1]]).double()
    assert fit.log_prob(x)[0].tolist() == [alone.log_prob(x[:1, :1]).item(), -torch.inf]
    assert (fit.sample(10, streams(1), Sampling())[..., 1] == 7).all()
    assert fit.report()["fit_floored"] == 0


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_log_variance_is_of_the_coordinates_that_vary(kind):
    """It was -69, the rounding of a mean of equal means, and then -inf."""
    flat = torch.full((2, 60, 1), 7.7, dtype=torch.float64)
    varied = normals(2, 60, 2)
    fit = fitted(GMM(3, kind), torch.cat([varied, flat], -1))
    alone = fitted(GMM(3, kind), varied)
    expected = alone.columns(())["log_variance"]
    torch.testing.assert_close(fit.columns(())["log_variance"], expected, rtol=1e-9, atol=0)
    collapsed = fitted(GMM(3, kind), flat.expand(-1, -1, 3).contiguous())
    assert collapsed.columns(())["log_variance"].tolist() == [-float("inf")] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_samples_follow_the_mixture(kind):
    fit, n = fitted(GMM(3, kind), blobs(R=2, N=200, D=2, K=3)), 40000
    x = fit.sample(n, streams(2, seed=5), Sampling())
    means = (fit.weights[..., None] * fit.means).sum(1)
    spread = fit.covariances() + fit.means[..., :, None] * fit.means[..., None, :]
    covariances = (fit.weights[..., None, None] * spread).sum(1)
    covariances = covariances - means[..., :, None] * means[..., None, :]
    for r in range(2):
        se = covariances[r].diagonal().sqrt() / n**0.5
        assert ((x[r].mean(0) - means[r]).abs() < 4.5 * se).all()
        product = (x[r] - means[r])[:, :, None] * (x[r] - means[r])[:, None, :]
        se = product.std(0) / n**0.5
        assert ((product.mean(0) - covariances[r]).abs() < 4.5 * se).all()


def test_decode_mean_gives_component_means():
    fit = fitted(GMM(3), blobs(R=2, N=100, D=2, K=3))
    x = fit.sample(500, streams(2), Sampling(decode="mean"))
    component = streams(2)("sample.component").categorical(fit.weights, 500)
    for r in range(2):
        assert torch.equal(x[r], fit.means[r, component[r]])
        assert len(component[r].unique()) == 3


def test_images_are_pixels_from_0_to_1():
    space = Space((4, 4), image=True)
    rows = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 50, 16), np.uint8))
    fit = GMM(1).fit(training(rows, space), streams(2))
    torch.testing.assert_close(fit.means[:, 0], rows.double().mean(1) / 255)
    x = fit.sample(20, streams(2), Sampling())
    assert x.dtype == torch.uint8 and x.shape == (2, 20, 16)
    expected = scipy_log_prob(fit, 0, rows[0].numpy() / 255)
    np.testing.assert_allclose(fit.log_prob(rows[0])[0], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_restore_inverts_state_dict(kind):
    model, rows = GMM(2, kind), blobs(R=2, N=50, D=2, K=2)
    fit = fitted(model, rows)
    again = model.restore(fit.state_dict(), fit.space)
    x = [f.sample(9, streams(2), Sampling()) for f in (fit, again)]
    assert torch.equal(*x)
    assert all(torch.equal(v, again.report()[k]) for k, v in fit.report().items())
    assert all(v.shape == (2,) for v in fit.report().values())


@pytest.mark.parametrize(
    "settings",
    [
        {"components": 0},
        {"max_iter": 0},
        {"tolerance": -1.0},
        {"tolerance": float("nan")},
        {"floor": 0.0},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(BadInput) as error:
        GMM(**settings)
    assert error.value.key in settings
    assert "\n" not in str(error.value)


def test_full_covariances_of_pictures_are_refused():
    with pytest.raises(BadInput, match=r"covariance=full.*784.*data.projection=32"):
        GMM().check(Space((28, 28), image=True))
    GMM().check(Space((10, 10), image=True))
    GMM(covariance="diagonal").check(Space((28, 28), image=True))


def test_training_set_is_read_through_its_view():
    """The fit sees the rows that the view addresses, not all rows of the archive."""
    rows = normals(2, 30, 2)
    full = training(rows)
    some = torch.tensor([[3, 4, 5, 6], [9, 9, 1, 2]])
    view = TrainingSet(full.space, full.real, full.synthetic, some, full.slot_origin)
    expected = torch.stack([rows[r, some[r]].mean(0) for r in range(2)])
    torch.testing.assert_close(GMM(1).fit(view, streams(2)).means[:, 0], expected)
