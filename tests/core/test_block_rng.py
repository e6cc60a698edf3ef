"""Block streams: a chain's draws are its own, and of the right law."""

import numpy as np
import pytest
import torch
from scipy import stats

from nc_testbed.core import block_rng as blocks
from nc_testbed.core.block_rng import BLOCK, HUGE, BlockGenerator
from nc_testbed.core.rng import RandomStreams

R = 20_000
HUGE_N = 10**12


def streams(chains, **changes):
    first = changes.pop("first", 0)
    return RandomStreams(changes.pop("seed", 0), tuple(range(first, first + chains)), **changes)


def of(chains, values):
    """One value, or one row of values, per chain."""
    values = torch.tensor(values, dtype=torch.float64)
    return values.expand(chains, *values.shape)


SHARES = [0.5, 0.2, 0.3, 0.0]
DEGREES = (1.0, 2.0, 80.0)
ANYWHERE = {
    "normal": lambda draws, R: draws.normal(2),
    "uniform": lambda draws, R: draws.uniform(3),
    "one gamma": lambda draws, R: draws.gamma(2.5),
    "one chi": lambda draws, R: draws.chi([99.0]),
    "chis": lambda draws, R: draws.chi(DEGREES),
}
ON_A_CPU = {
    "poisson": lambda draws, R: draws.poisson(of(R, 3.5)),
    "huge poisson": lambda draws, R: draws.poisson(of(R, 7.0 * HUGE_N)),
    "binomial": lambda draws, R: draws.binomial(20, of(R, 0.3)),
    "multinomial": lambda draws, R: draws.multinomial(20, of(R, SHARES)),
    "choice": lambda draws, R: draws.choice(9, 4),
}
SAMPLERS = ANYWHERE | ON_A_CPU


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]


def test_a_chain_does_not_depend_on_how_many_there_are(sampler):
    drawn = {
        chains: sampler(BlockGenerator(streams(chains), "x"), chains) for chains in (1, 5, 3000)
    }
    for chains, values in drawn.items():
        assert values.shape[0] == chains
        assert torch.equal(values, drawn[3000][:chains])


def test_a_part_of_whole_blocks_draws_what_it_draws_among_all(sampler):
    whole = sampler(BlockGenerator(streams(3000), "x"), 3000)
    part = sampler(BlockGenerator(streams(1500, first=BLOCK), "x"), 1500)
    assert torch.equal(part, whole[BLOCK : BLOCK + 1500])


def test_a_part_must_begin_a_block():
    with pytest.raises(AssertionError, match="chain 5 does not begin a block"):
        BlockGenerator(streams(5, first=5), "x")


def test_every_word_of_a_key_changes_the_draws(sampler):
    draws = BlockGenerator(streams(2000), "x")
    drawn = [sampler(draws, 2000), sampler(draws, 2000)]  # two calls
    others = (
        (streams(2000), "y"),
        (streams(2000, seed=1), "x"),
        (streams(2000, generation=1), "x"),
        (streams(2000, scope="evaluation/"), "x"),
    )
    drawn += [sampler(BlockGenerator(*words), 2000) for words in others]
    few = [values[: 2000 - BLOCK] for values in drawn] + [drawn[0][BLOCK:]]  # another block
    for i, a in enumerate(few):
        for b in few[:i]:
            assert not torch.equal(a, b)


def test_words_of_a_key_do_not_run_together():
    a = BlockGenerator(streams(5, seed=1, generation=11), "x").normal()
    b = BlockGenerator(streams(5, seed=11, generation=1), "x").normal()
    assert not torch.equal(a, b)


def test_ambient_seeds_change_nothing_and_are_not_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = BlockGenerator(streams(9), "x", host=False).gamma(2.0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, BlockGenerator(streams(9), "x", host=False).gamma(2.0))


def check_moments(drawn, mean, variance, kurtosis=0.0):
    """Mean and variance over chains within four standard errors; excess kurtosis as it is."""
    drawn = np.asarray(drawn, dtype=np.float64)
    count = drawn.size
    gap = (drawn - mean) / np.sqrt(variance)
    assert abs(gap.mean()) < 4 / count**0.5
    assert abs((gap**2).mean() - 1) <= 4 * ((2 + kurtosis) / count) ** 0.5


def check_law(draws):
    check_moments(draws.normal(2), 0, 1)
    uniform = draws.uniform(2)
    check_moments(uniform, 1 / 2, 1 / 12, -1.2)
    assert uniform.min() >= 0 and uniform.max() < 1
    for degrees, column in zip(DEGREES, draws.chi(DEGREES).T, strict=True):
        check_moments(column.square(), degrees, 2 * degrees, 12 / degrees)
        assert stats.kstest(column.numpy(), stats.chi(degrees).cdf).pvalue > 6e-5
    check_moments(draws.gamma(2.5), 2.5, 2.5, 6 / 2.5)
    check_moments(draws.gamma(float(HUGE_N)), HUGE_N, HUGE_N)


def test_continuous_laws():
    check_law(BlockGenerator(streams(R), "x"))


@pytest.mark.parametrize("rate", [0.01, 3.5, HUGE / 2, HUGE * 2, HUGE_N, 1e15, 7e15])
def test_poisson(rate):
    drawn = BlockGenerator(streams(R), "x").poisson(of(R, rate))
    check_moments(drawn, rate, rate, 1 / rate)
    assert torch.equal(drawn, drawn.round())


def test_a_chains_own_rate_decides_how_it_is_drawn():
    rate = of(R, 3.5).clone()
    rate[::2] = 1e14
    rate[::5] = 0
    drawn = BlockGenerator(streams(R), "x").poisson(rate)
    for value in (3.5, 1e14):
        check_moments(drawn[rate == value], value, value, 1 / value)
    assert (drawn[rate == 0] == 0).all()


def test_what_follows_poisson_counts_does_not_depend_on_others_rates():
    rate = of(3000, 3.5).clone()
    rate[2000] = 7.0 * HUGE_N
    followed = []
    for chains in (5, 3000):
        draws = BlockGenerator(streams(chains), "x")
        draws.poisson(rate[:chains])
        followed.append(draws.normal()[:5])
    assert torch.equal(*followed)


@pytest.mark.parametrize("n", [1, 20, HUGE_N, 10**15])
def test_binomial(n):
    for p in (1e-3, 0.3, 0.5, 0.98):
        variance = n * p * (1 - p)
        drawn = BlockGenerator(streams(R), f"{p}").binomial(n, of(R, p))
        check_moments(drawn, n * p, variance, (1 - 6 * p * (1 - p)) / variance)
        assert drawn.min() >= 0 and drawn.max() <= n


@pytest.mark.parametrize("n", [1, 20, HUGE_N, 10**15])
def test_multinomial(n):
    drawn = BlockGenerator(streams(R), "x").multinomial(n, of(R, SHARES))
    assert (drawn.sum(1) == n).all() and (drawn[:, 3] == 0).all()
    for p, column in zip(SHARES[:3], drawn.T, strict=False):
        variance = n * p * (1 - p)
        check_moments(column, n * p, variance, (1 - 6 * p * (1 - p)) / variance)
    gap = (drawn - n * of(R, SHARES)).numpy()
    product = gap[:, 0] * gap[:, 1]
    assert abs(product.mean() + n * 0.5 * 0.2) < 4 * product.std() / R**0.5


def test_a_choice_is_uniform_without_replacement():
    drawn = BlockGenerator(streams(R), "x").choice(9, 4)
    assert drawn.dtype is torch.int64 and drawn.shape == (R, 4)
    assert (drawn.sort(1).values.diff(dim=1) > 0).all()
    for place in drawn.T:
        count = torch.bincount(place, minlength=9).double()
        assert (count - R / 9).abs().max() < 4 * (R * 8 / 81) ** 0.5
    everything = BlockGenerator(streams(50), "x").choice(6, 6)
    assert (everything.sort(1).values == torch.arange(6)).all()


@pytest.fixture
def small(monkeypatch):
    """GPU blocks of 64 chains, drawn here by torch's generator of a CPU."""
    monkeypatch.setattr(blocks, "GPU_BLOCK", 64)


def test_torch_draws_the_same_laws(small):
    check_law(BlockGenerator(streams(R), "x", host=False))


@pytest.mark.parametrize("name", ANYWHERE)
def test_torch_draws_a_chain_the_same_whatever_the_others(small, name):
    drawn = {
        chains: ANYWHERE[name](BlockGenerator(streams(chains), "x", host=False), chains)
        for chains in (1, 5, 64, 100, 300)
    }
    for chains, values in drawn.items():
        assert values.dtype is torch.float64
        assert torch.equal(values, drawn[300][:chains])
    part = ANYWHERE[name](BlockGenerator(streams(100, first=64), "x", host=False), 100)
    assert torch.equal(part, drawn[300][64:164])
    assert not torch.equal(drawn[300][:64], drawn[300][64:128])


@pytest.mark.parametrize("name", ON_A_CPU)
def test_counts_are_not_drawn_by_torch(small, name):
    with pytest.raises(AssertionError, match="drawn on a CPU"):
        ON_A_CPU[name](BlockGenerator(streams(5), "x", host=False), 5)
