"""Dose and response: which number arms differ in, and what is drawn over it."""

from dataclasses import replace

import numpy as np
import pytest
from made import arm, comparison

from nc_testbed.report.figures.dose_response import dose, response


def dosed(k, end=0.2, policy="anchor", law=None, **settings):
    values = {"tail_coverage": [[0.4, end], [0.4, end + 0.1]]}
    laws = {"tail_coverage": {"generations": [0, 1], "values": [0.4, law], "z": [None, None]}}
    return arm(policy, values, laws=laws if law else None, k=k, **settings)


def test_the_policys_number_is_found_and_arms_are_in_its_order():
    arms = [
        dosed(9),
        dosed(1),
        dosed(None),
        arm("replace", {"tail_coverage": [[0.4, 0.1]] * 2}),
    ]
    found = dose(arms)
    assert found.key == "policy.k"
    assert {label: [a.label for a in line] for label, line in found.lines.items()} == {
        "anchor": ["anchor k=1", "anchor k=9"]
    }
    assert [a.label for a in found.levels] == ["anchor k=None", "replace"]


def test_a_second_setting_makes_lines_of_their_own():
    arms = [dosed(k, source=s) for s in ("fixed", "fresh") for k in (1, 9)]
    assert list(dose(arms).lines) == ["anchor source=fixed", "anchor source=fresh"]


def test_other_numbers_count_where_the_policy_has_none():
    def of(n):
        made = arm("replace", {"tail_coverage": [[0.4, 0.1]] * 2}, label=f"replace n={n}")
        return replace(made, config=made.config | {"n": n})

    assert dose([of(100), of(1000)]).key == "n"


def test_policies_alone_have_no_dose():
    values = {"tail_coverage": [[0.4, 0.1]] * 2}
    assert dose([arm("replace", values), arm("real", values)]) is None
    assert dose([dosed(1), dosed(1, policy="collect")]) is None


def test_seeds_and_chains_are_no_dose():
    one, other = dosed(1), dosed(1)
    assert dose([one, replace(other, config=other.config | {"seed": 5, "chains": 9})]) is None


def test_the_figure_has_ends_with_intervals_levels_and_laws():
    arms = [dosed(1, 0.1, law=0.15), dosed(9, 0.3, law=0.33), dosed(None)]
    compared = comparison(*arms)
    (axes,) = response(compared, dose(arms), "tail_coverage").axes
    (bars,) = axes.containers
    assert bars.lines[0].get_xdata().tolist() == [1, 9]
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [0.15, 0.35])
    low = bars.lines[2][0].get_segments()[0][0][1]
    assert low == pytest.approx(float(arms[0].means["tail_coverage"].low[-1]))
    drawn = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert list(drawn["anchor k=None"]) == [pytest.approx(0.25)] * 2
    assert any(list(line.get_ydata()) == [0.15, 0.33] for line in axes.get_lines())
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert sorted(labels) == ["anchor", "anchor k=None", "law"]


@pytest.mark.parametrize(
    ("doses", "scale"), [((1, 9), "linear"), ((1, 10), "log"), ((0, 1, 10), "symlog")]
)
def test_the_axis_is_logarithmic_where_doses_span_a_decade(doses, scale):
    arms = [dosed(k) for k in doses]
    (axes,) = response(comparison(*arms), dose(arms), "tail_coverage").axes
    assert axes.get_xscale() == scale
    if scale != "linear":
        assert [t.get_text() for t in axes.get_xticklabels()] == [str(k) for k in doses]
