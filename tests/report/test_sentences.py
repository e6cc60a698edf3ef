"""The comparison in words: what moved, what the alarm said, what the overall figures hid."""

from dataclasses import replace

import numpy as np
import pytest
from made import arm, comparison

from nc_testbed.report.sentences import outcome, overall, what_was_run

START = np.array([0.40, 0.42, 0.44, 0.46])
FIRST = "0.430 (0.400 0.420 0.440 0.460)"
LAST = "0.0430 (0.0400 0.0420 0.0440 0.0460)"
ALARM = {"on": "accepted rows", "alpha": 0.05, "tail_ranks": [7, 8, 9]}


def ends(factor, **others):
    values = {"tail_coverage": np.stack([START, START * factor], 1)}
    return values | {k: np.stack([START, START + v], 1) for k, v in others.items()}


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (
            0.1,
            f"fell from {FIRST} to {LAST}; 4 of 4 chains lost three quarters",
        ),
        (
            1.5,
            f"rose from {FIRST} to 0.645 (0.600 0.630 0.660 0.690); "
            "0 of 4 chains lost three quarters",
        ),
        (np.array([0.9, 1.1, 0.9, 1.1]), f"did not move measurably: from {FIRST} to 0.43 "),
    ],
)
def test_the_verb_is_that_of_the_change_within_chains(factor, said):
    one = arm("replace", ends(factor))
    assert outcome(one, comparison(one)).startswith(f"tail coverage {said}")


def test_alarms_are_told_by_their_median_over_all_chains():
    early = arm("replace", ends(0.1), alarms=[{**ALARM, "generation": [1, 3, 3, 5]}])
    few = replace(early, alarms=[{**ALARM, "generation": [None, 2, None, None]}])
    none = replace(early, alarms=[{**ALARM, "generation": [None] * 4}])
    told = [outcome(a, comparison(a)).split("; ")[-1] for a in (early, few, none)]
    assert told == [
        "alarm on accepted rows in 4 of 4 chains, median generation 3, first at 1",
        "alarm on accepted rows in 1 of 4 chains, first at 2",
        "no alarm on accepted rows",
    ]


def test_overall_figures_improve_upwards_and_losses_downwards():
    """fidelity up 0.1, frechet up 0.1 (worse), coverage where it was."""
    still = np.array([0.01, -0.01, 0.01, -0.01])
    up = 0.1 + still / 2
    one = arm("replace", ends(0.1, fidelity=up, frechet=up, coverage=still))
    said = overall(one, comparison(one)).split("; ")
    assert [part.split(" by ")[0] for part in said] == [
        "improved: fidelity",
        "got worse: frechet",
        "did not move measurably: coverage",
    ]


def test_summaries_say_from_where_to_where():
    bare = replace(arm("replace", ends(0.1)), values={})
    said = f"tail coverage went from {FIRST} to {LAST}"
    assert outcome(bare, comparison(bare)) == said


def test_one_generation_and_no_headline():
    one = arm("replace", {"tail_coverage": START[:, None]})
    assert outcome(one, comparison(one)).startswith(f"tail coverage {FIRST} (generation 0,")
    bare = arm("replace", {"risk": START[:, None]})
    assert outcome(bare, comparison(bare, judged_by=None)) == "no headline metric was measured"


def test_what_was_run_names_policies_chains_and_device():
    said = " ".join(what_was_run(comparison(arm("a", ends(0.1)), arm("b", ends(0.2), k=3))))
    for words in ("Data: d.", "Model: m", "Policies: a, b k=3.", "0 to 1, 4 chains", "on cpu"):
        assert words in said
