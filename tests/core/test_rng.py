import pytest
import torch

from nc_testbed.core.rng import RandomStreams, key, parts

PURPOSES = ["fit", "sample", "sample.latent", "evaluation/sample"]


def test_every_word_of_the_key_changes_it():
    keys = {
        key(seed, chain, generation, purpose)
        for seed in (0, 1, 2**40)
        for chain in (-1, 0, 1, 10)
        for generation in (0, 1, 10)
        for purpose in PURPOSES
    }
    assert len(keys) == 3 * 4 * 3 * 4


def test_words_of_the_key_do_not_run_together():
    assert key(1, 11, 1, "a") != key(11, 1, 1, "a") != key(1, 1, 11, "a")


@pytest.mark.parametrize("method", ["normal", "uniform"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_chain_draws_the_same_whatever_its_neighbours(method, dtype):
    together = getattr(RandomStreams(3, (0, 1, 2))("x"), method)(5, 7, dtype=dtype)
    alone = getattr(RandomStreams(3, (2,))("x"), method)(5, 7, dtype=dtype)
    assert together.dtype is dtype
    assert torch.equal(together[2:], alone)
    assert torch.equal(
        getattr(RandomStreams(3, (0, 1, 2)).part(slice(2, 3))("x"), method)(5, 7, dtype=dtype),
        alone,
    )


def test_seed_zero_is_a_seed():
    zero = RandomStreams(0, (0,))("x").normal(4)
    assert torch.equal(zero, RandomStreams(0, (0,))("x").normal(4))
    assert not torch.equal(zero, RandomStreams(1, (0,))("x").normal(4))


def test_ambient_seeds_change_nothing_and_are_not_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = RandomStreams(0, (0,))("x").normal(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, RandomStreams(0, (0,))("x").normal(4))


def test_scopes_and_generations_are_apart():
    streams = RandomStreams(0, (0,))
    scopes = (streams.enter_scope("a"), streams.enter_scope("b"))
    draws = [s("x").normal(3) for s in (streams, streams.at(1), *scopes)]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == 4


def test_permutations_hold_every_position_once():
    orders = RandomStreams(0, (0, 1))("x").permutation(50)
    assert (orders.sort(1).values == torch.arange(50)).all()
    assert not torch.equal(orders[0], orders[1])


def test_categorical_follows_its_shares():
    shares = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.0, 0.9]])
    n = 20_000
    index = RandomStreams(0, (0, 1))("x").categorical(shares, n)
    observed = torch.stack([(index == c).double().mean(1) for c in range(3)], 1)
    se = (shares * (1 - shares) / n).sqrt()
    assert ((observed - shares).abs() <= 4 * se).all()


def test_parts_cover_all_chains_once():
    for chains in range(1, 8):
        for at_once in range(1, 9):
            covered = [i for part in parts(chains, at_once) for i in range(chains)[part]]
            assert covered == list(range(chains))
