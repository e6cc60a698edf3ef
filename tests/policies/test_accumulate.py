"""accumulate: everything so far, or a budget of it."""

import pytest
import torch

from nc_testbed.policies.accumulate import Accumulate


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_trains_on_everything_so_far(generation, grown, composed, past):
    values, origin = composed(Accumulate(), generation)
    training = grown(Accumulate(), generation)[0].training.double()
    assert torch.equal(values, torch.cat([training, past(generation)], 1))
    expected = [0] * 8 + [g + 1 for g in range(generation) for _ in range(6)]
    assert origin.tolist() == [expected] * 3


def test_budget_draws_from_everything_anew(grown, composed, past):
    training = grown(Accumulate(), 3)[0].training.double()
    stored = torch.cat([training, past(3)], 1)
    values, origin = composed(Accumulate(), 3, budget=20)
    for r in range(3):
        assert len(values[r].unique()) == 20
        assert torch.isin(values[r], stored[r]).all()
        assert torch.equal(origin[r], (values[r] // 1000).long())
    assert composed(Accumulate(), 1, budget=100)[0].shape == (3, 14)


def test_budget_is_uniform_over_stored_rows(composed):
    """8 of 26 rows are real: over many seeds so is that share of a budget of 5."""
    origin = torch.stack([composed(Accumulate(), 3, budget=5, seed=s)[1] for s in range(400)])
    real = (origin == 0).double().mean((1, 2))
    assert abs(real.mean() - 8 / 26) < 4 * real.std() / 400**0.5


def test_keeps_all_and_refuses_nothing():
    Accumulate().check(n=6, budget=10**9, real=8)
    assert Accumulate.window is None and Accumulate.trains_on_real
    assert Accumulate().real_row_budget(n=6, budget=None) == {}
    assert Accumulate().real_row_budget(n=6, budget=4) == {}


def test_only_a_budget_needs_stored_rows():
    assert not Accumulate().needs_rows(budget=None)
    assert Accumulate().needs_rows(budget=4)
