"""The laws of a refitted Gaussian against the loop itself: archive, policy, one-component GMM."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.models.gmm import GMM
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.replace import Replace
from nc_testbed.theory import accumulate, replace_gaussian
from nc_testbed.theory.rules import mean_check

CHAINS, ROWS, GENERATIONS, VARIANCE = 2000, 20, 10, 4.0
POLICIES = {"replace": Replace(), "accumulate": Accumulate()}
LAWS = {
    ("replace", False): lambda t, v: replace_gaussian.expected_variance_gaussian(t, ROWS, v, 0),
    ("replace", True): lambda t, v: replace_gaussian.expected_variance_shared(t, ROWS, v, 0),
    ("accumulate", False): lambda t, v: accumulate.accumulated_variance(t, ROWS, v),
    ("accumulate", True): lambda t, v: accumulate.accumulated_variance_shared(t, ROWS, v),
}


def real_rows(shared):
    rng = np.random.default_rng(7)
    shape = (1 if shared else CHAINS, ROWS, 1)
    return torch.from_numpy(3 + math.sqrt(VARIANCE) * rng.standard_normal(shape))


@cache
def variances(policy, shared):
    """Fitted variances ``[generations, R]`` of a closed loop."""
    policy, streams = POLICIES[policy], RandomStreams(0, tuple(range(CHAINS)))
    order = torch.arange(ROWS).expand(CHAINS, -1)
    window = policy.window or GENERATIONS
    archive = Archive(
        Space((1,), False), real_rows(shared), order, order[:, :0], n=ROWS, window=window
    )
    training, fitted = archive.view(archive.training), []
    for generation in range(GENERATIONS):
        now = streams.at(generation)
        if generation > 0:
            training = policy.compose(archive, now, None)
        fit = GMM(components=1).fit(training, now)
        fitted.append(fit.covariances()[:, 0, 0, 0])
        archive.add(fit.sample(ROWS, now, Sampling()))
    return torch.stack(fitted).numpy()


def law(policy, shared, generation):
    """The expected variance at a generation: t = generation + 1."""
    start = real_rows(shared).var(correction=0).item() if shared else VARIANCE
    return LAWS[policy, shared](generation + 1, start)


def verdict(values, law):
    return mean_check(values, law).verdict


@pytest.mark.parametrize("generation", [0, 1, 4, 9])
@pytest.mark.parametrize("policy", POLICIES)
def test_own_rows(policy, generation):
    assert (
        verdict(variances(policy, False)[generation], law(policy, False, generation)) == "pass"
    )


@pytest.mark.parametrize("generation", [1, 4, 9])
@pytest.mark.parametrize("policy", POLICIES)
def test_shared_rows(policy, generation):
    assert verdict(variances(policy, True)[generation], law(policy, True, generation)) == "pass"


@pytest.mark.parametrize("policy", POLICIES)
def test_shared_rows_begin_exactly(policy):
    np.testing.assert_allclose(variances(policy, True)[0], law(policy, True, 0), rtol=1e-12)
    assert verdict(variances(policy, True)[0], law(policy, True, 0)) == "pass"


@pytest.mark.parametrize(
    ("policy", "wrong"), [("replace", "accumulate"), ("accumulate", "replace")]
)
@pytest.mark.parametrize("shared", [False, True])
def test_a_wrong_law_fails(policy, wrong, shared):
    assert verdict(variances(policy, shared)[9], law(wrong, shared, 9)) == "fail"


@pytest.mark.parametrize("policy", POLICIES)
def test_counting_generations_wrongly_fails(policy):
    """A chain that draws its own real rows has been resampled once already at generation 0."""
    too_late = LAWS[policy, True](2, VARIANCE)
    assert verdict(variances(policy, False)[1], too_late) == "fail"


def test_too_few_chains_are_inconclusive():
    assert (
        verdict(variances("replace", False)[9, :50], law("replace", False, 9)) == "inconclusive"
    )


def test_product_tends_to_sin_z_over_z():
    for n in (5, 20, 1000):
        z = math.pi / math.sqrt(n)
        assert accumulate.accumulated_variance(200_000, n, 1.0) == pytest.approx(
            math.sin(z) / z, rel=1e-5
        )


def test_shared_laws_are_the_own_laws_after_their_first_step():
    for policy in POLICIES:
        for t in range(1, 6):
            own = LAWS[policy, False](t, 3.0)
            assert own == pytest.approx(LAWS[policy, True](t, 3.0 * (1 - 1 / ROWS)))
