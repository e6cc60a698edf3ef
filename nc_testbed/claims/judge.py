"""From finished runs to numbers with intervals, answers, and a claim's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nc_testbed.claims.claim import Bounds, Claim, ClaimQuestion, Term
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.core.paired import paired_interval
from nc_testbed.report.arm import Arm
from nc_testbed.report.verdict import Verdict

YesNo = Literal["yes", "no", "open"]


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question, its number with a 95% interval over chains, and the answer.

    answer: None where the question is only reported.
    """

    question: ClaimQuestion
    number: Interval
    answer: YesNo | None


def answer_questions(claim: Claim, arms: Mapping[str, Arm]) -> list[AnsweredQuestion]:
    """Every question of a claim, answered from its runs; chains are paired by their
    streams.

    Raises BadInput for a column that a run has not, and for runs that cannot be paired.
    """
    return [_answer(question, arms) for question in claim.questions]


def yes_or_no(number: Interval, holds: Bounds) -> YesNo:
    """yes if the whole interval lies where the claim holds, no if none of it does.

    One chain, or none that is defined, answers nothing.

    >>> number = interval([1.0, 1.1, 1.2])
    >>> [yes_or_no(number, Bounds(above=x)) for x in (0, 5, 1.1)]
    ['yes', 'no', 'open']
    """
    low = float(number.low)
    high = float(number.high)
    above = -np.inf if holds.above is None else holds.above
    below = np.inf if holds.below is None else holds.below
    if not np.isfinite([low, high]).all():
        return "open"
    if above < low and high < below:
        return "yes"
    return "no" if high <= above or low >= below else "open"


def claim_verdict(answers: Sequence[AnsweredQuestion]) -> Verdict:
    """supported if every question says yes, refuted if every one says no; where some say
    yes and some no the claim holds only if what the first say; else inconclusive.

    Every interval is a 95% one and stands for itself: none is widened for the others.
    """
    yes = _conditions(answers, "yes")
    no = _conditions(answers, "no")
    undecided = _conditions(answers, "open")
    remark = f" (undecided {undecided})" if undecided is not None else ""
    if yes is not None and no is not None:
        return Verdict("holds only if", f"holds only {yes}; not {no}{remark}")
    if undecided is None and yes is not None:
        return Verdict("supported", "supported")
    if undecided is None and no is not None:
        return Verdict("refuted", "refuted")
    direction = ""
    if yes is not None:
        direction = f", holds {yes}"
    elif no is not None:
        direction = f", fails {no}"
    return Verdict("inconclusive", f"inconclusive{direction}{remark}")


def first_below(arm: Arm, column: str, level: float) -> NDArray[np.float64]:
    """The first generation ``[R]`` at which a column lies below this share of its
    generation 0; the number of generations where it never does."""
    values = arm.values[column]
    is_below = values < level * values[:, :1]
    never = arm.generations[-1] + 1
    first = np.where(is_below.any(1), arm.generations[is_below.argmax(1)], never)
    return first.astype(np.float64)


def _conditions(answers: Sequence[AnsweredQuestion], answer: YesNo) -> str | None:
    """The conditions of the questions answered so, each once; None for no question."""
    conditions = [answered.question.when for answered in answers if answered.answer == answer]
    return "; ".join(dict.fromkeys(conditions)) if conditions else None


def _answer(question: ClaimQuestion, arms: Mapping[str, Arm]) -> AnsweredQuestion:
    values = _question_values(question, arms)
    if question.share_below is None:
        number = _mean(question, arms, values)
    else:
        finite = values[np.isfinite(values)]
        number = share(int((finite < question.share_below).sum()), len(finite))
    answer = None if question.holds is None else yes_or_no(number, question.holds)
    return AnsweredQuestion(question, number, answer)


def _mean(
    question: ClaimQuestion, arms: Mapping[str, Arm], values: NDArray[np.float64]
) -> Interval:
    """The mean over chains with an interval that keeps to what the number can be: a
    column within its range, a difference of two runs' column within that of differences."""
    bounds = _bounds(question.value, arms)
    if question.over is None and question.minus is None:
        return interval(values, *bounds)
    if question.over is None and isinstance(question.minus, Term):
        shared = bounds if bounds == _bounds(question.minus, arms) else (-np.inf, np.inf)
        terms = (_term_values(term, arms) for term in (question.value, question.minus))
        return paired_interval(*terms, *shared)
    is_ratio = question.minus is None and bounds[0] >= 0
    return interval(values, low=0 if is_ratio else -np.inf)


def _bounds(term: Term, arms: Mapping[str, Arm]) -> tuple[float, float]:
    """The range of a term: its column's, or that of an event's generations."""
    arm = arms[term.run]
    if term.column is None or term.below is not None:
        return float(arm.generations[0]), float(arm.generations[-1] + 1)
    return arm.bounds(term.column)


def _question_values(question: ClaimQuestion, arms: Mapping[str, Arm]) -> NDArray[np.float64]:
    """``(value - minus) / over`` per chain, ``[R]``."""
    values = _term_values(question.value, arms)
    for key, term in (("minus", question.minus), ("over", question.over)):
        if term is None:
            continue
        other = np.asarray(_term_values(term, arms) if isinstance(term, Term) else term)
        remedy = f"{question.asks}: runs of as many chains can be paired"
        is_paired = other.shape in ((), values.shape)
        require(is_paired, f"questions.{key}", other.shape[:1], remedy)
        with np.errstate(all="ignore"):  # nothing over nothing is undefined, and left out
            values = values - other if key == "minus" else values / other
    return values


def _term_values(term: Term, arms: Mapping[str, Arm]) -> NDArray[np.float64]:
    """A term's value per chain, ``[R]``."""
    arm = arms[term.run]
    if term.column is None:
        return _alarm_generations(arm, term)
    remedy = nearest(term.column, arm.values)
    require(term.column in arm.values, f"{term.run}.column", term.column, remedy)
    if term.below is not None:
        return first_below(arm, term.column, term.below)
    nearest_recorded = np.abs(arm.generations - term.at * arm.generations[-1]).argmin()
    return arm.values[term.column][:, nearest_recorded]


def _alarm_generations(arm: Arm, term: Term) -> NDArray[np.float64]:
    """The generation ``[R]`` of every chain's tail alarm, as :func:`first_below`."""
    on = {"rows": "accepted rows", "hits": "matched rows"}[str(term.alarm)]
    generations = next((alarm["generation"] for alarm in arm.alarms if alarm["on"] == on), None)
    remedy = (
        f"no tail was watched on {on}: record every generation, measure matched_coverage and "
        "tail_mass"
    )
    require(generations is not None, f"{term.run}.alarm", term.alarm, remedy)
    never = arm.generations[-1] + 1
    return np.array([never if g is None else g for g in generations or ()], dtype=np.float64)
