"""The answer: k for the tolerance, k for the tail class, and what no k closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import Interval, interval
from nc_testbed.plan.measure import Measured
from nc_testbed.plan.question import Question
from nc_testbed.plan.rule import Rule, Values, drawn, measured_rule, smallest, variance_interval
from nc_testbed.plan.tail import presence, rows_to_keep


@dataclass(frozen=True)
class Tail:
    """k: the fewest fresh real rows that keep a class of this share in the training set with the
    probability asked for, None where none do. present: that probability at the tolerance's k."""

    share: float
    k: int | None
    present: float | None


@dataclass(frozen=True)
class Answer:
    """What a plan says.

    k: the answer, of the exact law where there is one, else of the linear rule; None where no
    k <= n will do. linear: of the rule; low, high: its 95% interval, infinite beyond n; crude:
    of a rule that takes the metric's own noise for the model's. rule: the measured one, sure:
    ``[2000]`` equally likely ones. reached: the distance predicted at k, or with all rows real
    where there is none.
    """

    question: Question
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
    tail: Tail | None

    def distance(self, k: ArrayLike) -> Values:
        """Predicted stationary distance from the truth: exact where a law is known."""
        law = self.law
        return self.rule.distance(k) if law is None else np.sqrt(law.stationary(k))

    @property
    def law(self):
        """The exact law, which holds for fresh rows."""
        return None if self.question.source == "pool" else self.measured.exact


def answer(question: Question, measured: Measured) -> Answer:
    """Hold the measured bias and noise against the question.

    Raises BadInput where the gap between truth and generation 0 is not within the tolerance.
    """
    gaps, changes, n = measured.gaps, measured.changes, measured.n
    own, keeps = measured.own_noise, question.source == "pool"
    rule = measured_rule(n, gaps, changes, own, keeps)
    law = None if question.source == "pool" else measured.exact
    if law is None:
        _refuse_unreachable(question, measured, rule)
    sure = drawn(rule, gaps, changes, own)
    tolerance = question.tolerance
    linear = _whole(rule.rows(tolerance))
    crude = _whole(measured_rule(n, gaps, changes, 0.0, keeps).rows(tolerance))
    low, high = _quantiles(sure.rows(tolerance))
    k = linear
    if law is not None:
        k = _whole(smallest(lambda rows: np.sqrt(law.stationary(rows)) <= tolerance, n))
    used = k or n
    reached = float(rule.distance(used) if law is None else np.sqrt(law.stationary(used)))
    v, v_low, v_high = variance_interval(changes)
    noise = Interval.of(v, v_low, v_high, measured.chains)
    gap, bias = interval(gaps), interval(changes)
    tail = _tail(question, measured, k)
    return Answer(
        question, measured, rule, sure, k, linear, low, high, crude, reached, gap, bias, noise, tail
    )


def _refuse_unreachable(question: Question, measured: Measured, rule: Rule) -> None:
    floor = float(rule.floor)
    if floor < question.tolerance:
        return
    gap, what = float(np.asarray(rule.gap)), "generation 0 less the truth"
    pool = f", with its spread over pools a distance of {floor:.4g}" if rule.keeps else ""
    remedy = f"{what} is {gap:.4g} in {measured.metric}{pool}: no k closes it, only a better "
    raise BadInput("tolerance", question.tolerance, f"{remedy}model or more rows in generation 0")


def _tail(question: Question, measured: Measured, k: int | None) -> Tail | None:
    share = question.tail or measured.share
    if share is None:
        return None
    found = rows_to_keep(measured.n, share, question.probability)
    return Tail(share, found, None if k is None else presence(k, measured.n, share))


def _quantiles(k: Values) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles, of values that may be infinite."""
    ordered = np.sort(k)
    low, high = (round(q * (len(k) - 1)) for q in (0.025, 0.975))
    return float(ordered[low]), float(ordered[high])


def _whole(k: ArrayLike) -> int | None:
    return int(np.asarray(k)) if np.isfinite(k) else None
