import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_testbed.core.errors import BadInput
from nc_testbed.data.imbalance import (
    exponential_counts,
    largest_top,
    natural_counts,
    rarity_ranks,
    reserve_counts,
    training_counts,
)

ratios = st.floats(1, 1000)
class_counts = st.integers(2, 50)


@settings(deadline=None)
@given(st.integers(1, 100_000), ratios, class_counts)
def test_exponential_counts_follow_the_formula(top, imbalance, classes):
    counts = exponential_counts(top, imbalance, classes)
    for rank, count in enumerate(counts):
        exact = top * math.exp(-math.log(imbalance) * rank / (classes - 1))
        assert exact - 1 - 1e-6 < count <= exact + 1e-6
    assert counts[0] == top
    assert (np.diff(counts) <= 0).all()


def test_whole_products_are_not_rounded_down():
    for top in range(100, 100_000, 700):
        assert exponential_counts(top, 100, 10)[-1] == top // 100


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 20_000), ratios, class_counts)
def test_largest_top_is_the_largest_that_fits(most, rows, imbalance, classes):
    top = largest_top(most, rows, imbalance, classes)
    assert top <= most
    assert exponential_counts(top, imbalance, classes).sum() <= rows or top == 0
    if top < most:
        assert exponential_counts(top + 1, imbalance, classes).sum() > rows


@settings(deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.data())
def test_natural_counts_sum_and_stay_within_one_of_proportional(sizes, data):
    sizes = np.array(sizes)
    rows = data.draw(st.integers(1, int(sizes.sum())))
    counts = natural_counts(sizes, rows)
    assert counts.sum() == rows
    assert (counts <= sizes).all()
    assert (np.abs(counts - rows * sizes / sizes.sum()) < 1).all()


def test_ranks_rotate_so_that_C_chains_balance_the_classes():
    ranks = rarity_ranks(np.array([9, 1, 5, 7]), 10.0, 4)
    assert ranks.tolist() == [[(c + r) % 4 for c in range(4)] for r in range(4)]
    assert (np.sort(ranks, 0) == np.arange(4)[:, None]).all()


def test_natural_ranks_go_by_size_and_balanced_ones_do_not_rotate():
    assert rarity_ranks(np.array([5, 9, 5]), None, 2).tolist() == [[1, 0, 2], [1, 0, 2]]
    assert rarity_ranks(np.array([5, 9, 5]), 1.0, 2).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_training_counts_use_all_that_any_rotation_allows():
    sizes = np.array([100, 40, 70])
    counts = training_counts(sizes, rarity_ranks(sizes, 4.0, 3), None, 4.0)
    assert counts.tolist() == [[40, 20, 10], [20, 10, 40], [10, 40, 20]]
    assert training_counts(sizes, rarity_ranks(sizes, 1.0, 1), None, 1.0).tolist() == [[40] * 3]


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), min_size=2, max_size=8), ratios, st.data())
def test_whatever_the_settings_counts_fit_or_the_remedy_works(sizes, imbalance, data):
    sizes = np.array(sizes)
    rows = data.draw(st.none() | st.integers(1, 2 * int(sizes.sum())))
    imbalance = data.draw(st.none() | st.just(imbalance))
    chosen = {"rows": rows, "imbalance_ratio": imbalance}
    for _ in range(3):  # a remedy for the imbalance may be followed by one for rows
        ranks = rarity_ranks(sizes, chosen["imbalance_ratio"], 2)
        try:
            counts = training_counts(sizes, ranks, **chosen)
        except BadInput as error:
            words = str(error.remedy).replace(":", " ").split()
            chosen[error.key] = int(next(word for word in words if word.isdigit()))
        else:
            assert (counts >= 1).all()
            assert (counts <= sizes).all()
            return
    pytest.fail(f"no remedy works: {chosen}")


def test_reserve_has_the_training_law_and_a_row_of_each_class():
    sizes = np.array([20, 25])
    assert reserve_counts(sizes, rarity_ranks(sizes, 4.0, 2), 4.0).tolist() == [
        [20, 5],
        [5, 20],
    ]
    assert reserve_counts(sizes, rarity_ranks(sizes, 99.0, 1), 99.0).tolist() == [[20, 1]]
    assert reserve_counts(sizes, rarity_ranks(sizes, None, 2), None).tolist() == [[20, 25]] * 2
    assert not reserve_counts(0 * sizes, rarity_ranks(sizes, 4.0, 2), 4.0).any()
