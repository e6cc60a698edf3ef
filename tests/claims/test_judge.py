from dataclasses import replace

import numpy as np
import pytest
from stated import arm, claim, question

from nc_testbed.claims.claim import Bounds, Claim
from nc_testbed.claims.judge import answer_questions, claim_verdict, first_below, yes_or_no
from nc_testbed.config.build import build
from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import Interval, share
from nc_testbed.core.paired import tango


def found(arms, *questions, **changed):
    return answer_questions(build(Claim, claim(*questions, **changed)), arms)


def noisy(mean, R=400, T=3, sd=0.1, seed=0):
    return mean + sd * np.random.default_rng(seed).normal(size=(R, T))


KEPT, LOST = arm(variance=noisy(0.25, sd=0.01)), arm(variance=noisy(0.02, sd=0.01))
ARMS = {"replace": LOST, "real": KEPT}


@pytest.mark.parametrize(
    ("low", "high", "bounds", "expected"),
    [
        (0.1, 0.2, Bounds(below=0.25), "yes"),
        (0.3, 0.4, Bounds(below=0.25), "no"),
        (0.2, 0.3, Bounds(below=0.25), "open"),
        (0.25, 0.25, Bounds(below=0.25), "no"),
        (-1, 1, Bounds(above=-2, below=2), "yes"),
        (-3, 1, Bounds(above=-2, below=2), "open"),
        (3, 4, Bounds(above=-2, below=2), "no"),
        (np.nan, np.nan, Bounds(above=0), "open"),
    ],
)
def test_an_answer_needs_the_whole_interval(low, high, bounds, expected):
    assert yes_or_no(Interval.of((low + high) / 2, low, high, 9), bounds) == expected


def test_a_claim_made_false_on_purpose_is_refuted():
    real = question(value={"run": "real", "column": "variance"})
    assert claim_verdict(found(ARMS)).kind == "supported"
    assert claim_verdict(found(ARMS, real)).kind == "refuted"


def test_a_claim_that_is_true_of_one_world_only_says_of_which():
    real = question(value={"run": "real", "column": "variance"}, when="for real rows")
    made = claim_verdict(found(ARMS, question(), real))
    assert made.kind == "holds only if"
    assert made.text == "holds only for a coin; not for real rows"


def test_what_cannot_be_told_is_inconclusive():
    few = {"replace": arm(variance=noisy(0.06, R=3, sd=0.1)), "real": KEPT}
    made = claim_verdict(found(few))
    assert (made.kind, made.text) == ("inconclusive", "inconclusive (undecided for a coin)")
    both = claim_verdict(
        found(few, question(), question(value={"run": "real", "column": "variance"}))
    )
    assert both.kind == "inconclusive"
    assert claim_verdict(found(few, question(holds=None))).kind == "inconclusive"


def test_one_chain_answers_nothing():
    single = {"replace": arm(variance=[[0.25, 0.0]]), "real": KEPT}
    assert found(single)[0].answer == "open"


def test_the_chance_of_a_wrong_answer_at_the_edge_is_that_of_the_interval():
    wrong = 0
    for seed in range(400):
        edge = {"replace": arm(variance=noisy(0.0625, R=10, seed=seed)), "real": KEPT}
        wrong += found(edge)[0].answer != "open"
    assert 6 <= wrong <= 36  # 5% of 400: 20, more than 3 standard deviations each way


def test_differences_are_paired():
    common = noisy(0, sd=1, seed=1)
    arms = {
        "replace": arm(variance=common),
        "real": arm(variance=common + noisy(0.02, sd=0.01)),
    }
    paired = question(
        value={"run": "real", "column": "variance"},
        minus={"run": "replace", "column": "variance"},
        over=None,
        holds={"above": 0},
    )
    finding = found(arms, paired)[0]
    assert finding.answer == "yes"
    assert abs(float(finding.number.mean) - 0.02) < 0.002


def test_ratios_are_taken_chain_by_chain():
    falling = {"replace": arm(variance=[[1, 0.5], [2, 0.2]]), "real": KEPT}
    kept = question(over={"run": "replace", "column": "variance", "at": 0})
    assert float(found(falling, kept)[0].number.mean) == pytest.approx(0.3)


def test_a_chain_that_began_with_nothing_is_left_out_and_counted():
    falling = {"replace": arm(variance=[[1, 0.5], [0, 0], [1, 0.7]]), "real": KEPT}
    kept = question(over={"run": "replace", "column": "variance", "at": 0})
    number = found(falling, kept)[0].number
    assert (float(number.mean), int(number.chains)) == (pytest.approx(0.6), 2)


def test_a_share_of_chains_has_an_exact_interval():
    some = {"replace": arm(variance=[[0.0]] * 4 + [[0.25]] * 6), "real": KEPT}
    number = found(some, question(share_below=0.25))[0].number
    assert float(number.mean) == 0.4
    assert float(number.low) == pytest.approx(0.1216, abs=1e-4)  # Clopper and Pearson's table


def test_zeros_and_ones_have_the_interval_of_a_share():
    """All chains absorbed once read 1 [1, 1], and was proof."""
    facts = {"facts": {"columns": {"absorbed": {"low": 0, "high": 1}}}}
    values = arm(absorbed=np.tile([0.0, 1.0], (10, 1)))
    arms = {"replace": replace(values, config=facts), "real": KEPT}
    term = {"run": "replace", "column": "absorbed"}
    level = found(arms, question(value=term, over=None, holds={"above": 0.9}))[0]
    assert float(level.number.low) == float(share(10, 10).low)
    assert level.answer == "open"
    asked = question(value=term, minus=term, over=None, holds={"below": 0.1})
    assert found(arms, asked)[0].answer == "open"
    rise = question(value=term, minus={**term, "at": 0}, over=None, holds={"above": 0})
    number = found(arms, rise)[0].number
    assert (float(number.low), float(number.high)) == tango(10, 0, 10)


def test_generations_of_an_event_keep_to_the_run():
    values = arm(generations=[0, 2, 4], recall=np.tile([1.0, 0.9, 0.8], (10, 1)))
    term = {"run": "replace", "column": "recall", "below": 0.5}
    arms = {"replace": values, "real": KEPT}
    number = found(arms, question(value=term, over=None))[0].number
    assert float(number.low) == 5 * float(share(10, 10).low)
    assert float(number.high) == 5


def test_at_is_a_share_of_the_run():
    values = arm(generations=[0, 10, 20, 30], variance=np.tile([0.0, 1.0, 2.0, 3.0], (2, 1)))
    arms = {"replace": values, "real": KEPT}
    for at, expected in ((0, 0), (0.33, 1), (0.67, 2), (1, 3)):
        asked = question(value={"run": "replace", "column": "variance", "at": at}, over=None)
        assert float(found(arms, asked)[0].number.mean) == expected


def test_the_generation_of_a_fall_is_the_first_and_never_is_later_than_any():
    falls = arm(generations=[0, 2, 4], recall=[[1, 0.4, 0.6], [1, 0.9, 0.8], [0.5, 0.3, 0.2]])
    assert first_below(falls, "recall", 0.5).tolist() == [2, 5, 4]


def test_chains_that_cannot_be_paired_are_refused():
    arms = {"replace": arm(variance=noisy(0, R=4)), "real": arm(variance=noisy(0, R=5))}
    asked = question(minus={"run": "real", "column": "variance"})
    with pytest.raises(BadInput, match="as many chains"):
        found(arms, asked)


def test_a_column_that_is_not_there_gets_the_nearest_name():
    asked = question(value={"run": "replace", "column": "varience"})
    with pytest.raises(BadInput, match=r"replace.column=varience: did you mean variance\?"):
        found(ARMS, asked)


def test_the_warning_is_the_time_from_the_alarm_to_the_fall():
    rung = [{"on": "matched rows", "generation": [1, None]}]
    values = [[1, 0.9, 0.9, 0.4], [1, 1, 1, 1]]
    arms = {"replace": arm(coverage=values, alarms=rung), "real": KEPT}
    asked = question(
        value={"run": "replace", "column": "coverage", "below": 0.5},
        minus={"run": "replace", "alarm": "hits"},
        over=None,
        holds=None,
    )
    assert float(found(arms, asked)[0].number.mean) == (2 + 0) / 2
    with pytest.raises(BadInput, match="no tail was watched on accepted rows"):
        found(arms, {**asked, "minus": {"run": "replace", "alarm": "rows"}})
