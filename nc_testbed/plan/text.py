"""A plan in words, and as plain values for plan.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nc_testbed.core.intervals import Interval
from nc_testbed.plan.answer import Answer, TailAnswer
from nc_testbed.plan.sweep import SweepPoint
from nc_testbed.plan.tail_class import EXACT


def answer_lines(answer: Answer) -> list[str]:
    """The answer, a line for each thing that was measured or follows."""
    m = answer.measured
    truth = "truth unknown" if m.truth is None else f"truth {m.truth.mean():.4g}"
    gap = "not known" if m.truth is None else answer.gap.text()
    return [
        f"metric: {m.metric}, {m.chains} chains, n = {m.n} rows per generation, {truth}",
        f"gap, generation 0 less the truth: {gap} (no k closes it)",
        f"bias b, change to generation 1 under replace: {answer.bias.text()}",
        f"variance of that change over chains: {scientific(answer.noise)}",
        *_noise_remarks(answer),
        *_k_lines(answer),
        *_tail_lines(answer),
    ]


def scientific(ci: Interval) -> str:
    """An interval of a small variance, three digits each."""
    return f"{float(ci.mean):.3g} [{float(ci.low):.3g}, {float(ci.high):.3g}]"


def sweep_table(points: Sequence[SweepPoint]) -> list[str]:
    """Prediction beside measurement, a row for each k."""
    has_tail = any(point.present is not None for point in points)
    head = [
        "k",
        "generation",
        "distance predicted",
        "measured",
        "offset predicted",
        "measured",
    ]
    head += ["linear rule"]
    head += ["exact law"] * any(point.law for point in points)
    head += ["tail class present", "predicted"] * has_tail
    cells = [
        head,
        *([*_cells(point), *_tail_cells(point, has_tail)] for point in points),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def sweep_verdict(points: Sequence[SweepPoint], tolerance: float) -> list[str]:
    """What the sweep says of the rule, in words."""
    lines = [_failure(point) for point in points if point.linear == "fails"]
    if not lines:
        agreeing = [str(point.k) for point in points if point.linear == "holds"]
        words = (
            f"holds at k = {', '.join(agreeing)}"
            if agreeing
            else "could not be judged at any k"
        )
        lines.append(f"the linear rule {words}")
    cut = [str(point.k) for point in points if point.is_cut]
    if cut:
        lines.append(
            f"not yet stationary at k = {', '.join(cut)}: compared at the last generation"
        )
    close = [point.k for point in points if point.measured.mean <= tolerance]
    if close:
        lines.append(f"measured within {tolerance:g} from k = {min(close)}")
    else:
        lines.append(f"measured beyond {tolerance:g} at every k")
    return lines


def plan_json(
    answer: Answer, overrides: Sequence[str], points: Sequence[SweepPoint]
) -> dict[str, Any]:
    """The content of plan.json: what is undefined or infinite is null."""
    m = answer.measured
    question = answer.question
    linear = {
        "k": answer.linear,
        "low": number(answer.low),
        "high": number(answer.high),
    }
    return {
        "overrides": list(overrides),
        "tolerance": question.tolerance,
        "metric": m.metric,
        "source": question.source,
        "n": m.n,
        "real_rows": m.n0,
        "chains": m.chains,
        "evaluation_rows": m.rows,
        "truth": None if m.truth is None else number(m.truth.mean()),
        "gap": None if m.truth is None else numbers(answer.gap),
        "bias": numbers(answer.bias),
        "variance_of_change": numbers(answer.noise),
        "metric_noise": number(2 * m.own_noise),
        "noise": number(answer.rule.noise),
        "k_with_metric_noise": answer.crude,
        "k": answer.k,
        "by": "linear rule" if answer.law is None else "exact law",
        "linear": linear,
        "distance": number(answer.reached),
        "tail": None if answer.tail is None else _tail_json(answer.tail, question.probability),
        "verified": [_point_json(point) for point in points],
        "verdict": sweep_verdict(points, question.tolerance) if points else [],
    }


def numbers(ci: Interval) -> dict[str, float | int | None]:
    """An interval as plain values."""
    values = {name: number(getattr(ci, name)) for name in ("mean", "low", "high")}
    return {**values, "chains": int(ci.chains)}


def number(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if np.isfinite(value) else None


def _noise_remarks(answer: Answer) -> list[str]:
    """What the measured numbers do not say by themselves."""
    if float(answer.noise.mean) == 0:
        return ["no chain changed: this metric sees nothing of one generation, ask another one"]
    own_noise = answer.measured.own_noise
    noise = f"noise v: {float(np.asarray(answer.rule.noise)):.3g}"
    if own_noise:
        crude = "no k" if answer.crude is None else f"k = {answer.crude}"
        noise += (
            f", that less {2 * own_noise:.3g}, the metric's own on {answer.measured.rows} rows, "
            f"which no generation learns from (left in: {crude})"
        )
    if answer.bias.low <= 0 <= answer.bias.high and answer.law is None:
        return [noise, "b is not told from 0: more chains would make k surer"]
    return [noise]


def _k_lines(answer: Answer) -> list[str]:
    """The k for the tolerance, by the exact law where there is one, and what is expected
    at it."""
    m = answer.measured
    question = answer.question
    rows = f"{_rows(answer.low, m.n)} to {_rows(answer.high, m.n)}"
    lines = []
    if answer.k is None:
        lines.append(
            f"no k <= n is within {question.tolerance:g}: with all {m.n} rows real the distance "
            f"is {answer.reached:.4g}"
        )
    else:
        source = "by the exact law" if answer.law is not None else f"95% interval {rows}"
        lines.append(
            f"k = {answer.k} {question.source} real rows per generation "
            f"(k/n = {answer.k / m.n:.3g}), {source}"
        )
        lines.append(_expectation(answer, answer.k))
    if answer.law is not None:
        linear = "no k" if answer.linear is None else f"k = {answer.linear}"
        lines.append(f"the linear rule with the measured b and v says {linear} ({rows})")
    return lines


def _expectation(answer: Answer, k: int) -> str:
    """What is to be expected at the answer's k."""
    law = answer.law
    offset = 0.0 if law is not None else float(answer.rule.offset(k))
    variance = float(answer.rule.variance(k) if law is None else law.stationary(k))
    return (
        f"expected there: offset {offset:.4g}, standard deviation over chains "
        f"{math.sqrt(variance):.4g}, distance {answer.reached:.4g} <= "
        f"{answer.question.tolerance:g}"
    )


def _tail_lines(answer: Answer) -> list[str]:
    """The k that keeps the tail class, where there are classes."""
    tail = answer.tail
    n = answer.measured.n
    if tail is None:
        return []
    enough = f"k = {tail.k} fresh rows per generation"
    if tail.k is None:
        enough = f"no k <= n = {n} does"
    method = "exact chain" if n <= EXACT else "Beta limit, k a few percent low"
    bound = "" if answer.law is not None else "; a lower bound for a model that is biased"
    line = (
        f"a class of share {tail.share:.4g} among the rows trained on with probability "
        f"{answer.question.probability:g}: {enough} ({method}{bound})"
    )
    if tail.present is None:
        return [line]
    return [line, f"   with k = {answer.k} that probability is {tail.present:.3g}"]


def _rows(k: float, n: int) -> str:
    """A number of rows that may be infinite."""
    return f"{k:.0f}" if np.isfinite(k) else f"more than {n}"


def _cells(point: SweepPoint) -> list[str]:
    """The cells of one k, without those of the tail class."""
    cells = [str(point.k), str(point.t - 1)]
    cells += [scientific(point.predicted), scientific(point.measured)]
    cells += [point.offset_predicted.text(), point.offset_measured.text(), point.linear]
    if point.law:
        cells.append(f"{point.law.verdict} (z {point.law.z:+.1f})")
    return cells


def _tail_cells(point: SweepPoint, has_tail: bool) -> list[str]:
    """The cells of the tail class: none where no k of the sweep counted it."""
    if not has_tail:
        return []
    if point.present is None:
        return ["", ""]
    return [point.present.text(), f"{point.present_predicted:.3g}"]


def _failure(point: SweepPoint) -> str:
    """A k at which the linear rule fails, in words."""
    side = "farther" if point.measured.mean > point.predicted.mean else "nearer"
    return (
        f"the linear rule fails at k = {point.k}: the chains end {side} than it says, "
        f"{float(point.measured.mean):.3g} against {float(point.predicted.mean):.3g}"
    )


def _tail_json(tail: TailAnswer, probability: float) -> dict[str, Any]:
    return {
        "share": tail.share,
        "probability": probability,
        "k": tail.k,
        "present_at_k": tail.present,
    }


def _point_json(point: SweepPoint) -> dict[str, Any]:
    law = point.law
    exact = None
    if law is not None:
        exact = {
            "mean_square": number(law.law),
            "z": number(law.z),
            "verdict": law.verdict,
        }
    predicted = numbers(point.offset_predicted)
    return {
        "k": point.k,
        "generation": point.t - 1,
        "stationary": not point.is_cut,
        "distance": {
            "predicted": numbers(point.predicted),
            "measured": numbers(point.measured),
        },
        "offset": {"predicted": predicted, "measured": numbers(point.offset_measured)},
        "linear_rule": point.linear,
        "exact_law": exact,
        "present": None if point.present is None else numbers(point.present),
        "present_predicted": point.present_predicted,
        "run": point.run,
    }
