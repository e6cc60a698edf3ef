"""real: generation 0's rows, whatever the generation."""

import pytest
import torch

from nc_testbed.policies.real import Real


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_trains_on_generation_0_rows_only(generation, grown, composed):
    values, origin = composed(Real(), generation)
    assert torch.equal(values, grown(Real(), generation)[0].training.double())
    assert (origin == 0).all()


def test_budget_draws_real_rows_anew_each_generation(grown, composed):
    training = grown(Real(), 1)[0].training
    drawn = [composed(Real(), g, budget=5)[0] for g in (1, 2)]
    for values in drawn:
        for r in range(3):
            assert len(values[r].unique()) == 5
            assert torch.isin(values[r], training[r].double()).all()
    assert not torch.equal(*drawn)
    assert composed(Real(), 1, budget=100)[0].shape == (3, 8)


def test_needs_and_refuses_nothing():
    Real().check(n=6, budget=100, real=8)
    assert Real().real_row_budget(n=6, budget=None) == {}
    assert Real().real_row_budget(n=6, budget=5) == {"pool": 5}
    assert not Real().needs_rows(budget=5)
    assert Real.trains_on_real and Real.window == 1
