"""augment: all real rows of generation 0 and the last synthetic set."""

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.policies.augment import Augment


def test_real_rows_stay_and_synthetic_ones_are_the_last(composed, last):
    for generation in (1, 2, 3):
        values, origin = composed(Augment(), generation)
        assert origin.tolist() == [[0] * 8 + [generation] * 6] * 3
        assert torch.equal(values[:, 8:], last(generation))
        assert (values[:, :8] < 20).all()


def test_a_budget_thins_synthetic_rows_alone(composed):
    origin = composed(Augment(), 2, budget=10)[1]
    assert origin.tolist() == [[0] * 8 + [2] * 2] * 3


@pytest.mark.parametrize("budget", [7, 15])
def test_a_budget_that_does_not_fit_is_refused(budget):
    with pytest.raises(BadInput, match=f"budget={budget}: .* give 8 to 14"):
        Augment().check(6, budget, 8)
    Augment().check(6, 8, 8)
    Augment().check(6, 14, 8)
