"""From finished runs to numbers with intervals, answers, and a claim's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nc_testbed.claims.claim import Bounds, Claim, Question, Term
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.report.compare import Arm

Answer = Literal["yes", "no", "open"]


@dataclass(frozen=True)
class Finding:
    """A question, its number with a 95% interval over chains, and the answer.

    answer: None where the question is only reported.
    """

    question: Question
    number: Interval
    answer: Answer | None


@dataclass(frozen=True)
class Verdict:
    """What follows for the sentence: ``kind``, and in words under which conditions."""

    kind: Literal["supported", "refuted", "holds only if", "inconclusive"]
    text: str

    @property
    def conditions(self) -> str:
        """The words after the kind.

        >>> Verdict("holds only if", "holds only for a; not for b").conditions
        'for a; not for b'
        """
        return self.text.removeprefix(self.kind.removesuffix(" if")).strip(" ,")


def find(claim: Claim, arms: Mapping[str, Arm]) -> list[Finding]:
    """Every question of a claim, answered from its runs; chains are paired by their streams.

    Raises BadInput for a column that a run has not, and for runs that cannot be paired.
    """
    return [_finding(question, arms) for question in claim.questions]


def answer(number: Interval, holds: Bounds) -> Answer:
    """yes if the whole interval lies where the claim holds, no if none of it does.

    One chain, or none that is defined, answers nothing.

    >>> number = interval([1.0, 1.1, 1.2])
    >>> [answer(number, Bounds(above=x)) for x in (0, 5, 1.1)]
    ['yes', 'no', 'open']
    """
    low, high = float(number.low), float(number.high)
    above = -np.inf if holds.above is None else holds.above
    below = np.inf if holds.below is None else holds.below
    if not np.isfinite([low, high]).all():
        return "open"
    if above < low and high < below:
        return "yes"
    return "no" if high <= above or low >= below else "open"


def verdict(findings: Sequence[Finding]) -> Verdict:
    """supported if every question says yes, refuted if every one says no; where some say yes and
    some no the claim holds only if what the first say; else inconclusive.

    Every interval is a 95% one and stands for itself: none is widened for the others.
    """
    judged = [f for f in findings if f.answer is not None]
    yes, no, open_ = (
        [f.question.when for f in judged if f.answer == a] for a in ("yes", "no", "open")
    )
    undecided = f" (undecided {_listed(open_)})" if open_ else ""
    if yes and no:
        return Verdict("holds only if", f"holds only {_listed(yes)}; not {_listed(no)}{undecided}")
    if open_ or not judged:
        known = f", holds {_listed(yes)}" if yes else f", fails {_listed(no)}" if no else ""
        return Verdict("inconclusive", f"inconclusive{known}{undecided}")
    return Verdict("supported", "supported") if yes else Verdict("refuted", "refuted")


def _listed(conditions: Sequence[str]) -> str:
    """
    >>> _listed(["for a", "for b", "against c"])
    'for a; for b; against c'
    """
    return "; ".join(dict.fromkeys(conditions))


def _finding(question: Question, arms: Mapping[str, Arm]) -> Finding:
    values = _numbers(question.value, arms)
    for key, term in (("minus", question.minus), ("over", question.over)):
        if term is None:
            continue
        other = np.asarray(_numbers(term, arms) if isinstance(term, Term) else term)
        paired = f"{question.asks}: runs of as many chains can be paired"
        require(other.shape in ((), values.shape), f"questions.{key}", other.shape[:1], paired)
        with np.errstate(all="ignore"):  # nothing over nothing is undefined, and left out
            values = values - other if key == "minus" else values / other
    if question.share_below is None:
        number = interval(values)
    else:
        finite = values[np.isfinite(values)]
        number = share(int((finite < question.share_below).sum()), len(finite))
    judged = None if question.holds is None else answer(number, question.holds)
    return Finding(question, number, judged)


def _numbers(term: Term, arms: Mapping[str, Arm]) -> NDArray[np.float64]:
    """A term's value per chain, ``[R]``."""
    arm = arms[term.run]
    if term.column is None:
        return _alarms(arm, term)
    there = arm.values
    require(term.column in there, f"{term.run}.column", term.column, nearest(term.column, there))
    values = there[term.column]
    if term.below is not None:
        return first_below(arm, term.column, term.below)
    return values[:, np.abs(arm.generations - term.at * arm.generations[-1]).argmin()]


def first_below(arm: Arm, column: str, level: float) -> NDArray[np.float64]:
    """The first generation ``[R]`` at which a column lies below this share of its generation 0;
    the number of generations where it never does."""
    values = arm.values[column]
    fallen = values < level * values[:, :1]
    never = arm.generations[-1] + 1
    return np.where(fallen.any(1), arm.generations[fallen.argmax(1)], never).astype(np.float64)


def _alarms(arm: Arm, term: Term) -> NDArray[np.float64]:
    """The generation ``[R]`` of every chain's tail alarm, as :func:`first_below`."""
    on = {"rows": "accepted rows", "hits": "manifold hits"}[str(term.alarm)]
    rung = next((entry["generation"] for entry in arm.alarms if entry["on"] == on), None)
    remedy = f"no tail was watched on {on}: record every generation, measure recall and tail_mass"
    require(rung is not None, f"{term.run}.alarm", term.alarm, remedy)
    never = arm.generations[-1] + 1
    return np.array([never if g is None else g for g in rung or ()], dtype=np.float64)
