"""Runs of a grid: which belong together, which repeat each other, and where they end."""

import numpy as np
import pytest

from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import interval
from nc_testbed.report.arm import Arm, distinct_arms, group_arms, value_of
from nc_testbed.report.studies import against, curves, golden_ratio


def arm(values, policy="anchor", data="d", **settings):
    """An arm of values [R, T] that differs from others in its policy's settings."""
    x = np.array(values, dtype=np.float64)
    config = {"name": {"data": data, "model": "m", "policy": policy}, "model": {}}
    config |= {"policy": settings, "n": 100}
    return Arm(
        label=policy,
        folders=(),
        config=config,
        devices=("cpu",),
        generations=np.arange(x.shape[1]),
        chains=len(x),
        values={"risk": x},
        means={"risk": interval(x)},
        laws={},
        alarms=[],
    )


LOW, HIGH = [[1.0, 2.0], [1.1, 2.2]], [[1.0, 3.0], [1.1, 3.3]]


def test_a_run_that_repeats_another_is_left_out_and_labels_follow():
    arms = [arm(LOW, k=0, source="fixed"), arm(LOW, k=0, source="fresh"), arm(HIGH, k=0)]
    kept = distinct_arms(arms)
    assert [a.means["risk"].mean[-1] for a in kept] == pytest.approx([2.1, 3.15])
    alone = distinct_arms([arm(LOW, "replace", k=0), arm(LOW, "replace", k=1)])
    assert [a.label for a in alone] == ["replace"]


def test_arms_are_grouped_by_a_setting_in_the_order_they_come():
    arms = [arm(LOW, data="b", k=1), arm(HIGH, data="a", k=2), arm(HIGH, data="b", k=2)]
    assert {k: len(v) for k, v in group_arms(arms, "data").items()} == {"b": 2, "a": 1}
    assert list(group_arms(arms, "policy.k")) == [1, 2]
    assert group_arms(arms, None) == {None: arms}
    assert value_of(arms[0], "policy.nothing") is None
    with pytest.raises(BadInput, match=r"figure=policy\.q: name a setting"):
        group_arms(arms, "policy.q")


def test_curves_have_a_row_of_panels_per_value_and_draw_a_repeat_once():
    arms = [arm(LOW, k=0, data=d, source=s) for d in "ab" for s in ("fixed", "fresh")]
    drawn = curves.figure(arms, ["risk"], rows="data")
    assert [axes.get_ylabel() for axes in drawn.axes] == ["data = a", "data = b"]
    assert [len(axes.get_lines()) for axes in drawn.axes] == [1, 1]


def test_ends_stand_over_their_setting_in_its_order():
    arms = [arm(HIGH, k=9), arm(LOW, k=1), arm(LOW, "replace", k=1), arm(LOW, "replace", k=9)]
    (axes,) = against.figure(arms, "policy.k", ["risk"]).axes
    ends = {bars.get_label(): bars.lines[0] for bars in axes.containers}
    assert list(ends) == ["anchor", "replace"]
    assert ends["anchor"].get_xdata().tolist() == [1, 9]
    np.testing.assert_allclose(ends["anchor"].get_ydata(), [2.1, 3.15])
    with pytest.raises(BadInput, match=r"figure\.columns=loss: choose from risk"):
        against.figure(arms, "policy.k", ["loss"])


def test_risks_are_shown_in_units_of_the_real_rows_alone():
    made = arm([[0.5, 0.04], [0.5, 0.04]], real_weight=0.5, inner={"share": 0.5})
    made.config["facts"], made.config["data"] = {"n": 100}, {"variance": 2.0}
    made.means["w2_squared"] = made.means["risk"]
    (axes,) = golden_ratio.figure([made]).axes
    assert axes.containers[0].lines[0].get_ydata().tolist() == [pytest.approx(50 * 0.04 / 2)]
    law = axes.get_lines()[-2]
    at = np.interp(0.5, law.get_xdata(), law.get_ydata())
    assert at == pytest.approx(2 / 3, abs=1e-3)
