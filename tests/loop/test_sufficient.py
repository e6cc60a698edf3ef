"""The archive of statistics stands where the archive of rows stands."""

import pytest
import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.bernoulli import Bernoulli, BernoulliModel
from nc_testbed.loop.sufficient import Statistics
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.real import Real
from nc_testbed.policies.replace import Replace

R, SIZES = 40, (30, 20, 25, 10)
START = RandomStreams(0, tuple(range(R)))
MODEL = BernoulliModel()


def statistics(closed=False, **held) -> Statistics:
    truth = {"p": torch.tensor([0.4], dtype=torch.float64)}
    return Statistics(Bernoulli(), truth, SIZES, held, START, closed)


def advanced(generations, policy=None, **settings) -> Statistics:
    made = statistics(**settings)
    for _ in range(generations):
        made.advance(MODEL, policy or Replace(), None)
    return made


def ones(part):
    return part.values["ones"]


def test_sizes_are_those_of_the_generation_that_is_composed():
    made = advanced(1)
    assert (made.trained.count, made.size, made.first) == (30, 20, 30)
    made.advance(MODEL, Replace(), None)
    assert (made.trained.count, made.size) == (20, 25)


def test_the_latest_rows_are_drawn_from_the_last_fit():
    made = advanced(2)
    again = made.latest(7)
    assert again.count == 7
    assert torch.equal(ones(again), ones(made.latest(7)))
    expected = Bernoulli().draw(made.parameters, 7, START.at(1), "sample")
    assert torch.equal(ones(again), ones(expected))
    assert made.latest(0).count == 0


def test_everything_is_the_running_sum_and_the_last_set():
    made = advanced(1, Accumulate())
    real, latest = made.trained, made.latest(20)
    made.advance(MODEL, Accumulate(), None)
    assert made.trained.count == 50
    assert torch.equal(ones(made.trained), ones(real) + ones(latest))
    with pytest.raises(AssertionError, match="drawn from stored rows"):
        made.everything(5, START.at(2))


def test_fixed_rows_are_the_same_for_ever_and_among_generation_0s():
    made = statistics(fixed=29)
    first = made.fixed_rows(29, START.at(1))
    assert torch.equal(ones(first), ones(made.fixed_rows(29, START.at(9))))
    whole = made.original()
    assert whole.count == 30
    rest = ones(whole) - ones(first)  # the one row beside them
    assert rest.unique().tolist() == [0, 1]
    assert torch.equal(ones(whole), ones(made.original()))


def test_pooled_rows_are_generation_0s_drawn_anew():
    made = statistics(pool=6)
    whole = made.original()
    assert torch.equal(ones(made.pool(30, START.at(1))), ones(whole))
    drawn = [made.pool(6, START.at(g)) for g in (1, 1, 2)]
    assert torch.equal(ones(drawn[0]), ones(drawn[1]))
    assert not torch.equal(ones(drawn[0]), ones(drawn[2]))
    for part in drawn:
        assert part.count == 6
        assert (ones(part) <= ones(whole)).all()
        assert (6 - ones(part) <= 30 - ones(whole)).all()


def test_a_pool_above_all_rows_is_all_rows():
    made = statistics(pool=100)
    assert made.pool(100, START.at(1)).count == 30
    made = statistics(pool=100)
    for _ in range(2):
        made.advance(MODEL, Real(), 100)
    assert torch.equal(ones(made.trained), ones(made.original()))


def test_fresh_rows_are_new_in_every_generation():
    made = statistics()
    drawn = [ones(made.fresh(20, START.at(g))) for g in (1, 2)]
    assert not torch.equal(*drawn)
    assert torch.equal(drawn[0], ones(made.fresh(20, START.at(1))))


def test_collected_rows_are_those_so_far_and_fresh_ones():
    made = advanced(1)
    before = made.trained
    whole = made.collected_rows(5, START.at(1))
    assert whole.count == 35
    assert torch.equal(ones(whole) - ones(before), ones(made.fresh(5, START.at(1))))


def test_a_view_leaves_out_what_is_empty():
    made = advanced(1)
    whole = made.view(made.latest(0), made.fresh(3, START.at(1)), made.fixed_rows(0, START))
    assert whole.count == 3


TAKES = {
    "original": lambda made, at: made.original(),
    "everything": lambda made, at: made.everything(None, at),
    "fresh": lambda made, at: made.fresh(1, at),
    "pool": lambda made, at: made.pool(1, at),
    "fixed": lambda made, at: made.fixed_rows(1, at),
    "collected": lambda made, at: made.collected_rows(1, at),
}


@pytest.mark.parametrize("name", TAKES)
def test_no_real_row_is_taken_where_none_may_be(name):
    take = TAKES[name]
    assert take(advanced(1), START.at(1)).count > 0
    with pytest.raises(AssertionError, match="takes none"):
        take(advanced(1, closed=True), START.at(1))
