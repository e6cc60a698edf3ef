"""The answer: k for the tolerance, k for the tail class, and what no k closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import Interval, interval
from nc_testbed.plan.anchored_law import AnchoredLaw
from nc_testbed.plan.one_generation import Measured
from nc_testbed.plan.question import PlanQuestion
from nc_testbed.plan.rule import (
    Rule,
    Values,
    draw_rules,
    measured_rule,
    smallest,
    variance_interval,
)
from nc_testbed.plan.tail_class import presence, rows_to_keep


@dataclass(frozen=True)
class TailAnswer:
    """k: the fewest fresh real rows that keep a class of this share in the training set
    with the probability that the question names, None where none do. present: that
    probability at the tolerance's k."""

    share: float
    k: int | None
    present: float | None


@dataclass(frozen=True)
class Answer:
    """What a plan says.

    k: the answer, of the exact law where there is one, else of the linear rule; None
    where no k <= n will do. linear: of the rule; low, high: its 95% interval, infinite
    beyond n; crude: of a rule that takes the metric's own noise for the model's. rule:
    the measured one, sure: ``[2000]`` equally likely ones. reached: the distance
    predicted at k, or with all rows real where there is none.
    """

    question: PlanQuestion
    measured: Measured
    rule: Rule
    sure: Rule
    k: int | None
    linear: int | None
    low: float
    high: float
    crude: int | None
    reached: float
    gap: Interval
    bias: Interval
    noise: Interval
    tail: TailAnswer | None

    def distance(self, k: ArrayLike) -> Values:
        """Predicted stationary distance from the truth: exact where a law is known."""
        return _distance(self.rule, self.law, k)

    @property
    def law(self) -> AnchoredLaw | None:
        """The exact law, which is about fresh rows."""
        return _law_of(self.question, self.measured)


def answer_question(question: PlanQuestion, measured: Measured) -> Answer:
    """Hold the measured bias and noise against the question.

    Raises BadInput where the gap between truth and generation 0 is not within the
    tolerance.
    """
    n = measured.n
    gaps = measured.gaps
    changes = measured.changes
    is_pool = question.source == "pool"
    tolerance = question.tolerance
    rule = measured_rule(n, gaps, changes, measured.own_noise, is_pool)
    law = _law_of(question, measured)
    if law is None:
        _refuse_unreachable(question, measured, rule)
    sure = draw_rules(rule, gaps, changes, measured.own_noise)
    linear = _as_count(rule.rows(tolerance))
    low, high = _quantiles(sure.rows(tolerance))
    k = linear
    if law is not None:
        k = _as_count(smallest(lambda rows: np.sqrt(law.stationary(rows)) <= tolerance, n))
    v, v_low, v_high = variance_interval(changes)
    return Answer(
        question,
        measured,
        rule,
        sure,
        k,
        linear,
        low,
        high,
        crude=_as_count(measured_rule(n, gaps, changes, 0.0, is_pool).rows(tolerance)),
        reached=float(_distance(rule, law, k or n)),
        gap=interval(gaps),
        bias=interval(changes),
        noise=Interval.of(v, v_low, v_high, measured.chains),
        tail=_tail(question, measured, k),
    )


def _law_of(question: PlanQuestion, measured: Measured) -> AnchoredLaw | None:
    """The exact law of the metric; none is known of a pool."""
    return None if question.source == "pool" else measured.exact


def _distance(rule: Rule, law: AnchoredLaw | None, k: ArrayLike) -> Values:
    """Stationary distance from the truth at k: the law's where there is one."""
    return rule.distance(k) if law is None else np.sqrt(law.stationary(k))


def _refuse_unreachable(question: PlanQuestion, measured: Measured, rule: Rule) -> None:
    """Raise BadInput where even all rows real stay farther from the truth than is
    allowed."""
    floor = float(rule.floor)
    if floor < question.tolerance:
        return
    gap = float(np.asarray(rule.gap))
    pool = f", with its spread over pools a distance of {floor:.4g}" if rule.keeps else ""
    remedy = (
        f"generation 0 less the truth is {gap:.4g} in {measured.metric}{pool}: no k closes it, "
        "only a better model or more rows in generation 0"
    )
    raise BadInput("tolerance", question.tolerance, remedy)


def _tail(question: PlanQuestion, measured: Measured, k: int | None) -> TailAnswer | None:
    """What the tail class needs, None where there are no classes."""
    share = question.tail or measured.share
    if share is None:
        return None
    enough = rows_to_keep(measured.n, share, question.probability)
    return TailAnswer(share, enough, None if k is None else presence(k, measured.n, share))


def _quantiles(k: Values) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles, of values that may be infinite."""
    ordered = np.sort(k)
    low, high = (round(q * (len(k) - 1)) for q in (0.025, 0.975))
    return float(ordered[low]), float(ordered[high])


def _as_count(k: ArrayLike) -> int | None:
    """A number of rows, None where it is infinite."""
    return int(np.asarray(k)) if np.isfinite(k) else None
