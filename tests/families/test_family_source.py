"""Exact laws of the families: settings, rows, fresh rows, and what they say of themselves."""

import math

import numpy as np
import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.bernoulli import BernoulliSource
from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.families.exponential import ExponentialSource
from nc_testbed.families.gaussian import GaussianSource
from nc_testbed.families.ising import CoupledSpins, IndependentSpins, IsingSource
from nc_testbed.families.linear import LinearSource
from nc_testbed.families.poisson import PoissonSource

SOURCES = [
    BernoulliSource(p=0.2),
    CategoricalSource(classes=5, exponent=1.0, shift=2.7),
    CategoricalSource(probs=(0.7, 0.2, 0.1)),
    PoissonSource(rate=3.0),
    ExponentialSource(scale=0.5),
    GaussianSource(mean=2.0, variance=9.0),
    GaussianSource(mean=-1.0, variance=0.25, dim=3),
    IsingSource(spins=6, theta_1=0.3),
    IsingSource(spins=6, theta_1=0.1, theta_2=0.2),
    LinearSource(dim=2, noise=0.5),
    LinearSource(dim=2, noise=0.5, design="same"),
]


def truth_of(source):
    """Mean and variance of every number in a row, by the settings alone."""
    match source:
        case BernoulliSource(p=p):
            return [p], [p * (1 - p)]
        case PoissonSource(rate=rate):
            return [rate], [rate]
        case ExponentialSource(scale=scale):
            return [scale], [scale**2]
        case GaussianSource(mean=mean, variance=variance, dim=d):
            return [mean] * d, [variance] * d
        case LinearSource(dim=d, noise=noise):
            return [0.0] * (d + 1), [1.0] * d + [1 + noise**2]
        case IsingSource(spins=N, theta_1=one, theta_2=two):
            m = 2 * np.arange(N + 1) - N
            weight = [math.comb(N, u) for u in range(N + 1)]
            weight *= np.exp(one * m + two * (m**2 - N) / 2)
            mean = (weight / weight.sum()) @ m / N
            return [mean] * N, [1 - mean**2] * N
        case CategoricalSource(probs=probs, classes=K, exponent=s, shift=q):
            p = np.array(probs or [(i + q) ** -s for i in range(1, K + 1)])
            p, i = p / p.sum(), np.arange(len(p))
            return [p @ i], [p @ i**2 - (p @ i) ** 2]


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_rows_have_the_moments_of_the_law(source):
    data = source.load(200, 0, 0, 1)
    chains, n = data.x.shape[:2]
    assert n == 100 and data.training.shape == (200, 100) and data.reserve.shape[1] == 0
    mean, variance = (np.array(values) for values in truth_of(source))
    gap = (data.x.numpy() - mean).reshape(chains * n, -1)
    assert (np.abs(gap.mean(0)) < 4 * np.sqrt(variance / len(gap))).all()
    square = gap**2 - variance
    assert (np.abs(square.mean(0)) <= 4 * square.std(0) / len(gap) ** 0.5 + 1e-12).all()


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_chains_do_not_depend_on_each_other(source):
    many, few = source.load(7, 5, 3, 4), source.load(3, 5, 3, 4)
    assert torch.equal(many.x[:3], few.x)
    assert torch.equal(many.held_out, few.held_out)
    assert not torch.equal(many.x[0], many.x[1])
    assert not torch.equal(many.x, source.load(7, 6, 3, 4).x)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_fresh_rows_are_keyed_by_generation(source):
    short, long = source.load(40, 0, 4, 3), source.load(40, 0, 4, 6)
    assert (short.x.shape[1], long.x.shape[1]) == (108, 120)
    assert torch.equal(long.x[:, :108], short.x)
    assert torch.equal(long.reserve[:, :8], short.reserve)
    assert long.reserve.tolist() == [list(range(100, 120))] * 40
    generations = long.x[:, 100:].reshape(40, 5, 4, -1)
    for a in range(5):
        for b in range(a):
            assert not torch.equal(generations[:, a], generations[:, b])


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_source_knows_its_law(source):
    data = source.load(2, 4, 0, 1)
    assert data.law is not None and data.law.log_prob is not None
    assert torch.equal(data.law.draw(100, RandomStreams(4, (0, 1)), "rows")[0], data.x)
    family, parameters = data.true_parameters[0]
    assert all(value.shape[0] == 1 for value in parameters.values())
    expected = family.log_prob(parameters, data.held_out)[0]
    torch.testing.assert_close(data.law.log_prob(data.held_out), expected)
    assert data.held_out.shape == (1000, data.space.size)
    assert "density" in data.provides and "labels" not in data.provides
    assert len(data.record["x_sha256"]) == 64
    for other, truth in data.true_parameters:
        close = other.log_prob(truth, data.held_out)[0]
        torch.testing.assert_close(close, expected)


def test_only_spins_without_coupling_are_of_two_families():
    free, coupled = (IsingSource(spins=4, theta_1=0.3, theta_2=t).laws() for t in (0.0, 0.1))
    assert [family for family, _ in free] == [IndependentSpins(4), CoupledSpins(4)]
    assert [family for family, _ in coupled] == [CoupledSpins(4)]
    assert float(free[0][1]["up"]) == pytest.approx((1 + math.tanh(0.3)) / 2)


def test_zipf_and_mandelbrot():
    shares = CategoricalSource(classes=4, exponent=1.0).laws()[0][1]["shares"][0]
    torch.testing.assert_close(shares, torch.tensor([12.0, 6, 4, 3]).double() / 25)
    shares = CategoricalSource(classes=3, exponent=2.0, shift=1.0).laws()[0][1]["shares"][0]
    torch.testing.assert_close(shares, torch.tensor([36.0, 16, 9]).double() / 61)
    assert CategoricalSource(classes=4).laws()[0][1]["shares"].unique().tolist() == [0.25]


def test_weights_of_a_regression_have_length_one():
    for d in (1, 7, 100):
        assert float(LinearSource(dim=d).laws()[0][1]["weights"].norm()) == pytest.approx(1)


def test_rows_are_as_many_as_are_asked_for():
    data = PoissonSource(rows=7, test_rows=3).load(2, 0, 0, 1)
    assert data.x.shape == (2, 7, 1) and data.held_out.shape == (3, 1)


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        (BernoulliSource, {"p": 0.0}),
        (BernoulliSource, {"p": 1.0}),
        (BernoulliSource, {"rows": 0}),
        (BernoulliSource, {"test_rows": 0}),
        (CategoricalSource, {"classes": 1}),
        (CategoricalSource, {"exponent": -1.0}),
        (CategoricalSource, {"shift": -1.0}),
        (CategoricalSource, {"probs": (0.5, 0.4)}),
        (CategoricalSource, {"probs": (1.0, 0.0)}),
        (CategoricalSource, {"probs": (1.0,)}),
        (PoissonSource, {"rate": 0.0}),
        (ExponentialSource, {"scale": -1.0}),
        (GaussianSource, {"variance": 0.0}),
        (GaussianSource, {"dim": 0}),
        (GaussianSource, {"dim": 101}),
        (IsingSource, {"spins": 1}),
        (IsingSource, {"spins": 1001}),
        (LinearSource, {"noise": 0.0}),
        (LinearSource, {"dim": 101}),
    ],
    ids=str,
)
def test_bad_settings_end_in_one_line(source, settings):
    with pytest.raises(BadInput) as caught:
        source(**settings)
    assert caught.value.key in settings
    assert "\n" not in str(caught.value)
