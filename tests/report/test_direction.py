"""Every sentence and axis of the report follows the direction that a column declares."""

from dataclasses import replace

import numpy as np
import pytest
from fabricated import described
from made import arm, comparison

from nc_testbed.metrics.column import UNDECLARED
from nc_testbed.report.differences import differences
from nc_testbed.report.figures.tradeoff import trade
from nc_testbed.report.sentences import meanings, overall
from nc_testbed.report.verdict_rows import compare_arms

COLUMNS = described()
NAMES = sorted(COLUMNS)
START = np.array([0.40, 0.42, 0.44, 0.46])


def moved(name, by):
    """Four chains in which a column moves by about so much, beside a headline that falls."""
    end = START + by * np.array([1.0, 1.1, 0.9, 1.0])
    values = {"judge": np.stack([START, START / 2], 1), name: np.stack([START, end], 1)}
    return comparison(arm("replace", values), judged_by="judge")


@pytest.mark.parametrize("by", [0.3, -0.3])
@pytest.mark.parametrize("name", [*NAMES, "of_nobody"])
def test_a_sentence_praises_what_got_better_alone(name, by):
    compared = moved(name, by)
    expected = {"lower": "improved", "higher": "got worse", "either": "moved (neither way"}
    if by < 0:
        expected |= {"lower": "got worse", "higher": "improved"}
    sentence = overall(compared.arms[0], compared)
    assert sentence.startswith(expected[COLUMNS[name].worse])
    assert sum(word in sentence for word in ("improved", "got worse", "neither")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_did_not_move_is_neither_praised_nor_blamed(name):
    compared = moved(name, np.array([0.01, -0.01, 0.01, -0.01]))
    assert overall(compared.arms[0], compared).startswith("did not move measurably: ")


@pytest.mark.parametrize("name", [*NAMES, "of_nobody"])
def test_right_is_better_on_an_axis_that_says_so(name):
    (axes,) = trade(moved(name, 0.3), name).axes
    words = {"lower": "more is better", "higher": "less is better", "either": "neither way"}
    worse = COLUMNS[name].worse
    assert axes.xaxis_inverted() == (worse == "higher")
    for direction, word in words.items():
        assert (word in axes.get_xlabel()) == (direction == worse)


@pytest.mark.parametrize("name", NAMES)
def test_a_meaning_says_which_way_is_better(name):
    ((shown, sentence),) = meanings(replace(moved(name, 0.3), names=(name,)))
    assert shown == name
    assert sentence == f"{COLUMNS[name].says}; {COLUMNS[name].better}"


@pytest.mark.parametrize("name", [name for name in NAMES if COLUMNS[name].headline])
def test_an_arm_that_keeps_more_of_a_headline_is_the_better_one(name):
    values = {name: np.stack([START, START], 1)}
    kept = arm("anchor", values)
    lost = arm("replace", {name: np.stack([START, START / 4], 1)})
    compared = comparison(lost, kept, judged_by=name)
    (row,) = compare_arms(differences(compared), compared)
    assert "anchor keeps more than replace" in row.sentence
    assert row.verdict.kind == "supported"
    assert COLUMNS[name].worse == "lower"


def test_of_a_column_that_nobody_describes_nothing_is_said():
    assert COLUMNS["of_nobody"] is UNDECLARED
    assert meanings(replace(moved("of_nobody", 0.3), names=("of_nobody",))) == []
