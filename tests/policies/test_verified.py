"""verified and reparation: what the referee thinks of synthetic rows decides."""

import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.reparation import Reparation
from nc_testbed.policies.verified import Verified

R, N0, M = 400, 8, 30
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).expand(R, -1)


def judged(policy, labels, confidence):
    """The archive a policy meets at generation 1, and the streams it is given."""
    order = torch.arange(N0).expand(R, -1)
    real = torch.zeros(1, N0, 1, dtype=torch.float64)
    window = policy.window or 3
    store = Archive(Space((1,), False), real, order, order[:, :0], M, window, shares=SHARES)
    store.add(torch.ones(R, M, 1, dtype=torch.float64), (labels, confidence))
    return policy.compose(store, RandomStreams(0, tuple(range(R)), 1), None)


@pytest.fixture
def opinion():
    position = torch.arange(M).expand(R, -1)
    return position % 2, torch.where(position < 10, 0.95, 0.5).float()


def test_the_sure_rows_are_kept_and_the_others_count_nothing(opinion):
    weights = judged(Verified(), *opinion).weights
    assert (weights[:, :10] == M / 10).all()
    assert (weights[:, 10:] == 0).all()


def test_right_and_wrong_rows_are_kept_at_their_rates(opinion):
    kept = judged(Verified(keep_correct=0.8, keep_incorrect=0.3), *opinion).weights > 0
    for part, rate in ((slice(0, 10), 0.8), (slice(10, M), 0.3)):
        share, trials = kept[:, part].double().mean(), kept[:, part].numel()
        assert abs(share - rate) <= 4 * (rate * (1 - rate) / trials) ** 0.5


def test_real_rows_are_never_turned_down(opinion):
    training = judged(Verified(Accumulate(), keep_correct=0.0), *opinion)
    real = training.origin() == 0
    assert (training.weights[real] > 0).all()
    assert (training.weights[~real] == 0).all()


def test_a_chain_without_any_right_row_trains_on_all(opinion):
    weights = judged(Verified(keep_correct=0.0), *opinion).weights
    assert (weights == 1).all()


def test_rates_are_shares():
    with pytest.raises(BadInput, match=r"keep_incorrect=1\.5"):
        Verified(keep_incorrect=1.5)


def test_reparation_gives_classes_their_real_shares_again(opinion):
    labels = torch.where(torch.arange(M) < 27, 0, torch.where(torch.arange(M) < 29, 1, 2))
    labels = labels.expand(R, -1)
    training = judged(Reparation(), labels, opinion[1])
    drawn = labels.gather(1, training.rows - N0)
    for c, share in enumerate((0.5, 0.3, 0.2)):
        found = (drawn == c).double().mean()
        assert abs(found - share) <= 4 * (share * (1 - share) / drawn.numel()) ** 0.5


def test_a_class_that_has_died_stays_away(opinion):
    labels = (torch.arange(M) % 2).expand(R, -1)
    drawn = labels.gather(1, judged(Reparation(), labels, opinion[1]).rows - N0)
    share = (drawn == 0).double().mean()
    assert abs(share - 0.625) <= 4 * (0.625 * 0.375 / drawn.numel()) ** 0.5


def test_reparation_leaves_real_rows_alone(opinion):
    training = judged(Reparation(Accumulate()), *opinion)
    assert torch.equal(training.rows[:, :N0], torch.arange(N0).expand(R, -1))
    assert (training.rows[:, N0:] >= N0).all()
