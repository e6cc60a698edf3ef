import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.rows import Rows
from nc_testbed.data.split import draw_rows, reserve_mask, split_rows


def numbered(sizes, test_share=None) -> Rows:
    """Rows whose content is their own number, so that a row can be recognised anywhere."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.arange(len(y), dtype=np.float64)[:, None]
    names = tuple(str(c) for c in range(len(sizes)))
    space = Space((1,), image=False)
    return Rows("numbered", space, x, y, test_share=test_share, classes=names)


@settings(deadline=None)
@given(
    st.lists(st.integers(3, 60), min_size=1, max_size=6),
    st.floats(0, 0.99),
    st.data(),
)
def test_every_row_is_in_one_part_only(sizes, reserve, data):
    held_out = data.draw(st.none() | st.integers(1, min(sizes) - 2))
    rows = numbered(sizes)
    split = split_rows(rows, held_out, reserve)
    parts = [split.held_out[:, 0], split.pool[split.reserve], split.pool[split.training]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(sum(sizes)))
    count = max(1, min(sizes) // 5) if held_out is None else held_out
    assert np.bincount(split.held_out_y).tolist() == [count] * len(sizes)
    assert (split.held_out_y == rows.labels[split.held_out[:, 0].astype(int)]).all()
    spare = np.bincount(rows.labels[split.pool[split.reserve]], minlength=len(sizes))
    remaining = np.array(sizes) - count
    assert (np.bincount(rows.labels[split.pool[split.training]]) >= 1).all()
    if reserve == 0:
        assert not spare.any()
    else:
        assert (spare >= 1).all()
        assert (np.abs(spare - reserve * remaining) <= 1 + 1e-6).all()


def test_a_test_file_sets_the_share_that_may_be_held_out():
    split = split_rows(numbered([40, 80], test_share=0.25), None, 0.2)
    assert np.bincount(split.held_out_y).tolist() == [10, 10]
    assert len(split.pool) == 30 + 60  # ten rows of the second class are not used
    assert (len(split.reserve), len(split.training)) == (6 + 12, 24 + 48)


def test_how_many_are_held_out_of_a_pool_does_not_change_the_other_parts():
    few = split_rows(numbered([40, 80], test_share=0.25), 3, 0.2)
    many = split_rows(numbered([40, 80], test_share=0.25), None, 0.2)
    for part in ("pool", "reserve", "training"):
        assert np.array_equal(getattr(few, part), getattr(many, part))
    assert np.isin(few.held_out, many.held_out).all()
    assert not np.isin(few.pool, many.held_out).any()


def test_the_split_is_at_random():
    split = split_rows(numbered([1000, 1000]), None, 0.2)
    for part in (split.held_out[:, 0], split.pool[split.reserve]):
        low = part[part < 1000]  # the mean of k of 0..999 without replacement
        error = np.sqrt((1000**2 - 1) / 12 / len(low) * (1 - len(low) / 1000))
        assert abs(low.mean() - 499.5) < 4 * error


@pytest.mark.parametrize(
    ("sizes", "held_out", "remedy"),
    [([10, 5], 4, "at most 3"), ([10, 2], None, "class 1 has 2"), ([9, 0], 1, "class 1 has 0")],
)
def test_too_few_rows_to_hold_out(sizes, held_out, remedy):
    with pytest.raises(BadInput, match=remedy) as caught:
        split_rows(numbered(sizes), held_out, 0.2)
    assert caught.value.key == "test_rows"
    assert "\n" not in str(caught.value)


def test_reserve_never_takes_a_last_training_row():
    assert not reserve_mask(np.array([0, 1, 1]), 0.9)[0]


def test_drawn_rows_do_not_repeat_and_cover_all_when_all_are_used():
    y = np.repeat([0, 1], [30, 20])
    part = np.arange(5, 50)
    counts = np.array([[25, 20], [3, 20], [25, 4]])
    drawn = draw_rows(part, y, counts[:1], 0, "rows")
    assert sorted(drawn[0]) == part.tolist()
    assert drawn[0].tolist() != part.tolist()
    with pytest.raises(ValueError, match="same shape"):
        draw_rows(part, y, counts, 0, "rows")  # chains of unequal size are a fault
