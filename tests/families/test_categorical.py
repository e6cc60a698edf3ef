"""Shares of K classes against numerical search over the simplex."""

import numpy as np
import pytest
import torch
from scipy import optimize, special

from nc_testbed.core.errors import BadInput
from nc_testbed.core.family import Statistic
from nc_testbed.families.bernoulli import BernoulliModel
from nc_testbed.families.categorical import CategoricalModel, CategoricalSource

COUNTS = np.array([[5.0, 3.0, 1.0, 1.0], [10.0, 0.0, 0.0, 0.0], [4.0, 3.0, 2.0, 1.0]])
PRIOR = (0.1, 0.2, 0.3, 0.4)


def fitted(counts, **settings):
    model = CategoricalModel(classes=counts.shape[1], **settings)
    statistic = Statistic(counts[0].sum(), {"counts": torch.from_numpy(counts)})
    return model.estimate(statistic)["shares"].numpy()


def search(objective, K):
    """Shares that maximise an objective of the logits, which sum to 0."""
    contrast = np.eye(K) - 1 / K
    found = optimize.minimize(lambda t: -objective(contrast @ t), np.zeros(K), tol=1e-14)
    return special.softmax(contrast @ found.x)


def test_the_mle_is_the_counts():
    np.testing.assert_allclose(fitted(COUNTS), COUNTS / 10, rtol=1e-15)


@pytest.mark.parametrize("mean", [None, PRIOR])
@pytest.mark.parametrize("coordinates", ["natural", "mean"])
def test_the_mode_under_a_dirichlet_prior(mean, coordinates):
    """In mean coordinates the density has a factor 1 / (p_1 ... p_K) more."""
    A = 20.0
    found = fitted(
        COUNTS, estimator="map", prior_count=A, prior_mean=mean, coordinates=coordinates
    )
    for counts, shares in zip(COUNTS, found, strict=True):
        weights = counts + A * np.array([0.25] * 4 if mean is None else mean)
        weights -= coordinates == "mean"
        expected = search(lambda t, w=weights: w @ special.log_softmax(t), 4)
        np.testing.assert_allclose(shares, expected, rtol=1e-5)


def test_in_mean_coordinates_a_weak_prior_kills_what_was_seen_once_or_never():
    found = fitted(COUNTS, estimator="map", prior_count=0.4, coordinates="mean")
    np.testing.assert_allclose(found[0], np.array([4.1, 2.1, 0.1, 0.1]) / 6.4)
    assert found[1].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_the_penalty_is_on_logits_that_sum_to_zero(penalty):
    found = fitted(COUNTS, estimator="l2", penalty=penalty)
    assert (found > 0).all()
    for counts, shares in zip(COUNTS / 10, found, strict=True):
        t = np.log(shares) - np.log(shares).mean()
        np.testing.assert_allclose(shares + penalty * t, counts, atol=1e-12)  # the gradient

        def objective(t, counts=counts):
            return counts @ special.log_softmax(t) - penalty / 2 * (t**2).sum()

        np.testing.assert_allclose(shares, search(objective, 4), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("penalty", [1e-17, 1e-12, 1e-6, 1e4])
@pytest.mark.parametrize("K", [2, 3, 500])
def test_the_penalised_fit_is_found_at_any_penalty(K, penalty):
    counts = np.zeros((3, K))
    counts[0, 0], counts[1, :2], counts[2] = 1000, [999, 1], 1000 / K
    shares = fitted(counts, estimator="l2", penalty=penalty)
    t = np.log(shares) - np.log(shares).mean(1, keepdims=True)
    rounding = 1e-12 * (1 + penalty)
    np.testing.assert_allclose(shares + penalty * t, counts / 1000, atol=rounding)
    assert (shares > 0).all()


def test_two_classes_are_a_bernoulli():
    ones = np.array([[7.0, 3.0]])
    for settings in ({}, {"estimator": "map"}, {"estimator": "map", "coordinates": "mean"}):
        both = fitted(ones, **settings)[0, 0]
        statistic = Statistic(10, {"ones": torch.tensor([7.0]).double()})
        alone = BernoulliModel(**settings).estimate(statistic)["p"]
        assert both == pytest.approx(float(alone))


def test_the_number_of_classes_is_the_datas():
    laws = CategoricalSource(classes=7).laws()
    assert CategoricalModel().like(laws, 1).family().classes == 7
    assert CategoricalModel(classes=9).like((), 1).family().classes == 9
    with pytest.raises(BadInput, match=r"^classes=9: "):
        CategoricalModel(classes=9).like(laws, 1)
    with pytest.raises(BadInput, match=r"^classes=None: "):
        CategoricalModel().like((), 1)
