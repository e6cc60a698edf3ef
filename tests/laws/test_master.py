"""The linearised generation (section 6 of the laws): its recursion, and a family without bias."""

import numpy as np
import pytest
from laboratory import simulated

from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.policies.anchor import Anchor
from nc_testbed.theory import master
from nc_testbed.theory.rules import mean_check

CHAINS = 20_000
SETTINGS = [(0.1, 0.5, 0.04), (0.02, -0.1, 1.0), (0.0, 0.2, 0.25)]  # share, bias, noise


def recursion(share, bias, noise, t):
    """Distances from x_0 at the t-th refit."""
    rng, gap = np.random.default_rng(0), np.zeros(CHAINS)
    for _ in range(t - 1):
        gap = (1 - share) * (gap + bias) + noise**0.5 * rng.standard_normal(CHAINS)
    return gap


@pytest.mark.parametrize(("share", "bias", "noise"), SETTINGS)
def test_offset_and_spread_of_the_recursion(share, bias, noise):
    for t in (2, 10, 100):
        gap, offset = recursion(share, bias, noise, t), master.offset(t, share, bias)
        spread = master.chain_spread(t, share, noise)
        assert mean_check(gap, offset, scale=max(abs(offset), spread**0.5)).verdict == "pass"
        assert mean_check((gap - offset) ** 2, spread).verdict == "pass"


@pytest.mark.parametrize(
    ("bias", "n", "tolerance"), [(0.5, 100, 4.5), (0.1, 50, 2.4), (1, 60, 5)]
)
def test_the_rows_needed_hold_the_tolerance(bias, n, tolerance):
    k = float(master.rows_needed(bias, n, tolerance))
    gap = recursion(k / n, bias, 0.04, round(10 * n / k))
    assert mean_check(gap, tolerance).verdict == "pass"


@pytest.mark.parametrize(("n", "k"), [(100, 1), (200, 4), (200, 10)])
def test_a_family_without_bias_stays_about_generation_0(n, k):
    """Rows from the pool of generation 0; a share f << 1, of v = s^2/n."""
    policy, model, t = Anchor(k=k, source="pool"), GaussianModel(learn="mean"), 20
    runs = simulated(GaussianSource(variance=4.0), n, (1, t), policy, model, 1024)
    gap = runs[t].record["mean"] - runs[1].record["mean"]
    spread = float(master.chain_spread(t, k / n, 4.0 / n))
    assert mean_check(gap, 0, scale=spread**0.5).verdict == "pass"
    assert mean_check(gap**2, spread).verdict == "pass"


def test_wrong_laws_fail():
    """The bias not thinned by the real rows, the share doubled, t off by one."""
    share, bias, noise = SETTINGS[0]
    gap = recursion(share, bias, noise, 10)
    for wrong in (
        bias / share,
        master.offset(10, 2 * share, bias),
        master.offset(9, share, bias),
    ):
        assert mean_check(gap, wrong).verdict == "fail"
    values = (gap - gap.mean()) ** 2
    for f, t in ((2 * share, 10), (0.0, 10), (share, 7)):
        assert mean_check(values, master.chain_spread(t, f, noise)).verdict == "fail"


def test_too_few_chains_are_inconclusive():
    share, bias, noise = SETTINGS[1]
    gap = recursion(share, bias, noise, 10)[:50]
    assert mean_check(gap, master.offset(10, share, bias)).verdict == "inconclusive"
