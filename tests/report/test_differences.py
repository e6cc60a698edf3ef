"""Differences between arms: paired where chains share their streams, Welch's where not."""

from dataclasses import replace

import numpy as np
import pytest
from made import arm, comparison
from scipy import stats

from nc_testbed.core.intervals import interval
from nc_testbed.report.differences import change, difference, differences, pairs

RNG = np.random.default_rng(1)
NOISE = RNG.normal(size=8)
FALL = 0.05 * RNG.normal(size=8)


def ends(last):
    return {"tail_coverage": np.stack([NOISE, np.asarray(last)], 1)}


def test_chains_of_one_seed_are_paired_and_what_they_share_cancels():
    """x_i = common_i + 0.3, y_i = common_i + small_i: the interval is of x_i - y_i."""
    more, less = arm("anchor", ends(NOISE + 0.3)), arm("replace", ends(NOISE + FALL))
    found = difference(more, less, "tail_coverage", 1)
    expected = interval(0.3 - FALL)
    assert found.paired
    assert found.mean.text() == expected.text()
    assert int(found.mean.chains) == 8
    assert found.verdict.kind == "supported"
    other = difference(
        replace(more, paired_by=tuple((9, i) for i in range(8))), less, "tail_coverage", 1
    )
    assert not other.paired
    assert other.verdict.kind == "inconclusive"
    assert other.mean.high - other.mean.low > 3 * (found.mean.high - found.mean.low)


def test_pairs_are_found_by_seed_and_number_wherever_they_stand():
    """Chain 2 of seed 0 stands first in one arm and third in the other."""
    less = arm("replace", ends(NOISE))
    order = [2, 0, 5, 7, 1, 3, 6, 4]
    values = {k: v[order] for k, v in arm("anchor", ends(NOISE + FALL)).values.items()}
    more = replace(arm("anchor", values), paired_by=tuple((0, i) for i in order))
    found = difference(more, less, "tail_coverage", 1).mean
    expected = interval(FALL)
    assert [float(found.low), float(found.high)] == pytest.approx(
        [float(expected.low), float(expected.high)]
    )


def test_only_what_both_have_is_paired():
    more = arm("anchor", ends(NOISE + 0.3))
    keys = (*((0, i) for i in range(5)), *((1, i) for i in range(3)))
    found = difference(
        more, replace(arm("replace", ends(NOISE)), paired_by=keys), "tail_coverage", 1
    )
    assert found.paired
    assert int(found.mean.chains) == 5


def test_welch_is_scipys():
    x, y = RNG.normal(1.0, 1.0, 6), RNG.normal(0.0, 3.0, 9)
    values = {"tail_coverage": np.stack([y, y], 1)}
    less = replace(arm("b", values), paired_by=tuple((5, i) for i in range(9)))
    found = difference(
        arm("a", {"tail_coverage": np.stack([x, x], 1)}), less, "tail_coverage", 1
    )
    test = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert [float(found.mean.low), float(found.mean.high)] == pytest.approx(
        [test.low, test.high]
    )


def test_undefined_chains_are_left_out():
    gone = np.where(np.arange(8) < 3, np.nan, NOISE + 0.3)
    found = difference(arm("a", ends(gone)), arm("b", ends(NOISE)), "tail_coverage", 1)
    assert int(found.mean.chains) == 5
    nothing = difference(
        arm("a", ends(np.full(8, np.nan))), arm("b", ends(NOISE)), "tail_coverage", 1
    )
    assert nothing.verdict.kind == "inconclusive"


def test_less_is_refuted_and_equal_is_inconclusive():
    low, high = arm("a", ends(NOISE - 1.0 + FALL)), arm("b", ends(NOISE))
    assert difference(low, high, "tail_coverage", 1).verdict.kind == "refuted"
    assert difference(high, high, "tail_coverage", 1).verdict.kind == "inconclusive"


def test_change_is_within_chains():
    moved = change(arm("a", ends(NOISE - 0.2 + FALL)), "tail_coverage", 0, 1)
    assert float(moved.mean) == pytest.approx(-0.2 + FALL.mean())
    assert float(moved.high - moved.low) == pytest.approx(
        float(interval(FALL).high - interval(FALL).low)
    )


def test_no_difference_has_width_zero():
    """Two policies that lose no chain, or all, once differed by `0 [0, 0]` and `1 [1, 1]`."""
    full, empty = (np.full((8, 2), value) for value in (1.0, 0.0))
    for x, y in ((full, full), (empty, empty), (full, empty)):
        more = arm("a", {"tail_recall": x})
        paired = arm("b", {"tail_recall": y})
        apart = replace(paired, paired_by=tuple((9, i) for i in range(8)))
        for less in (paired, apart):
            ci = difference(more, less, "tail_recall", 1).mean
            assert ci.high - ci.low > 0.2
            assert -1 <= ci.low <= ci.mean <= ci.high <= 1
    unbounded = difference(arm("a", {"kid": full}), arm("b", {"kid": empty}), "kid", 1)
    assert unbounded.verdict.kind == "inconclusive"


def test_no_difference_leaves_its_range():
    x = np.array([1.0, 0.98, 0.99])
    more, less = (
        arm("a", {"tail_recall": x[:, None]}),
        arm("b", {"tail_recall": 1 - x[:, None]}),
    )
    apart = replace(less, paired_by=tuple((9, i) for i in range(3)))
    for other in (less, apart):
        assert difference(more, other, "tail_recall", 0).mean.high <= 1


def test_few_arms_are_all_compared_many_with_replace_alone():
    arms = [arm(p, ends(NOISE)) for p in ("real", "replace", "anchor", "collect", "augment")]
    names = [(a.label, b.label) for a, b in pairs(comparison(*arms[:3]))]
    assert names == [("replace", "real"), ("anchor", "real"), ("anchor", "replace")]
    many = comparison(*arms, arm("verified", ends(NOISE)))
    assert {b.label for _, b in pairs(many)} == {"replace"}
    assert len(pairs(many)) == 5
    unlike = comparison(*(arm(f"p{i}", ends(NOISE)) for i in range(6)))
    assert {b.label for _, b in pairs(unlike)} == {"p0"}


def test_summaries_have_no_differences():
    bare = [replace(arm(p, ends(NOISE)), values={}) for p in ("a", "b")]
    assert differences(comparison(*bare)) == []
