"""replace: the last synthetic set, no real row."""

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.policies.replace import Replace


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_trains_on_the_last_generation_only(generation, composed, last):
    values, origin = composed(Replace(), generation)
    assert torch.equal(values, last(generation))
    assert (origin == generation).all()


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_budget_thins_without_replacement(generation, composed, last):
    values, origin = composed(Replace(), generation, budget=4)
    for r in range(3):
        assert len(values[r].unique()) == 4
        assert torch.isin(values[r], last(generation)[r]).all()
    assert (origin == generation).all()


def test_budget_above_n_is_refused():
    Replace().check(n=6, budget=6, real=8)
    with pytest.raises(BadInput, match=r"^budget=7: "):
        Replace().check(n=6, budget=7, real=8)


def test_never_trains_on_real_rows():
    assert not Replace.trains_on_real
    assert Replace.window == 1 and Replace().real_row_budget(n=6, budget=None) == {}
    assert not Replace().needs_rows(budget=4)
