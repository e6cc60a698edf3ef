"""A plan in words, and as plain values for plan.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nc_testbed.core.intervals import Interval
from nc_testbed.plan.answer import Answer
from nc_testbed.plan.sweep import Tried
from nc_testbed.plan.tail import EXACT


def lines(answer: Answer) -> list[str]:
    """The answer, a line for each thing that was measured or follows."""
    m, q = answer.measured, answer.question
    truth = "truth unknown" if m.truth is None else f"truth {m.truth.mean():.4g}"
    said = [
        f"metric: {m.metric}, {m.chains} chains, n = {m.n} rows per generation, {truth}",
        f"gap, generation 0 less the truth: {_gap(answer)} (no k closes it)",
        f"bias b, change to generation 1 under replace: {answer.bias.text()}",
        f"variance of that change over chains: {scientific(answer.noise)}",
        *_remarks(answer),
    ]
    at = f"k/n = {answer.k / m.n:.3g}" if answer.k else ""
    if answer.k is None:
        said.append(
            f"no k <= n is within {q.tolerance:g}: with all {m.n} rows real the distance is "
            f"{answer.reached:.4g}"
        )
    elif answer.law is not None:
        said.append(f"k = {answer.k} {q.source} real rows per generation ({at}), by the exact law")
    else:
        said.append(
            f"k = {answer.k} {q.source} real rows per generation ({at}), "
            f"95% interval {_rows(answer.low, m.n)} to {_rows(answer.high, m.n)}"
        )
    if answer.k is not None:
        said.append(_predicted(answer))
    if answer.law is not None:
        linear = "no k" if answer.linear is None else f"k = {answer.linear}"
        ends = f"{_rows(answer.low, m.n)} to {_rows(answer.high, m.n)}"
        said.append(f"the linear rule with the measured b and v says {linear} ({ends})")
    return said + _tail(answer)


def _gap(answer: Answer) -> str:
    return "not known" if answer.measured.truth is None else answer.gap.text()


def _remarks(answer: Answer) -> list[str]:
    """What the numbers above do not say by themselves."""
    v, own = float(answer.noise.mean), answer.measured.own_noise
    if v == 0:
        return ["no chain changed: this metric sees nothing of one generation, ask another one"]
    said = [f"noise v: {float(np.asarray(answer.rule.noise)):.3g}"]
    if own:
        crude = "no k" if answer.crude is None else f"k = {answer.crude}"
        said[0] += (
            f", that less {2 * own:.3g}, the metric's own on {answer.measured.rows} rows, which no "
            f"generation learns from (left in: {crude})"
        )
    if answer.bias.low <= 0 <= answer.bias.high and answer.law is None:
        said.append("b is not told from 0: more chains would make k surer")
    return said


def _predicted(answer: Answer) -> str:
    """What is to be expected at the answer's k."""
    k, law = answer.k, answer.law
    assert k is not None
    offset = 0.0 if law is not None else float(answer.rule.offset(k))
    spread = float(answer.rule.variance(k) if law is None else law.stationary(k))
    return (
        f"expected there: offset {offset:.4g}, standard deviation over chains "
        f"{math.sqrt(spread):.4g}, distance {answer.reached:.4g} <= {answer.question.tolerance:g}"
    )


def _tail(answer: Answer) -> list[str]:
    tail, q, n = answer.tail, answer.question, answer.measured.n
    if tail is None:
        return []
    found = f"no k <= n = {n} does"
    if tail.k is not None:
        found = f"k = {tail.k} fresh rows per generation"
    how = "exact chain" if n <= EXACT else "Beta limit, k a few percent low"
    sure = "" if answer.law is not None else "; a lower bound for a model that is biased"
    said = f"a class of share {tail.share:.4g} among the rows trained on with probability "
    said += f"{q.probability:g}: {found} ({how}{sure})"
    if tail.present is None:
        return [said]
    return [said, f"   with k = {answer.k} that probability is {tail.present:.3g}"]


def _rows(k: float, n: int) -> str:
    return f"{k:.0f}" if np.isfinite(k) else f"more than {n}"


def scientific(ci: Interval) -> str:
    """An interval of a small variance, three digits each."""
    return f"{float(ci.mean):.3g} [{float(ci.low):.3g}, {float(ci.high):.3g}]"


def table(tried: Sequence[Tried]) -> list[str]:
    """Prediction beside measurement, a row for each k."""
    head = ["k", "generation", "distance predicted", "measured", "offset predicted", "measured"]
    tails = any(one.present is not None for one in tried)
    head += ["linear rule"] + ["exact law"] * any(one.law for one in tried)
    head += ["tail class present", "predicted"] * tails
    cells = [head, *([*_cells(one), *_present(one, tails)] for one in tried)]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, wide, strict=True)).rstrip() for row in cells]


def _cells(one: Tried) -> list[str]:
    said = [str(one.k), str(one.t - 1), scientific(one.predicted), scientific(one.measured)]
    said += [one.offset_predicted.text(), one.offset_measured.text(), one.linear]
    return said + ([f"{one.law.verdict} (z {one.law.z:+.1f})"] if one.law else [])


def _present(one: Tried, shown: bool) -> list[str]:
    if not shown:
        return []
    if one.present is None:
        return ["", ""]
    return [one.present.text(), f"{one.present_predicted:.3g}"]


def verdict(tried: Sequence[Tried], tolerance: float) -> list[str]:
    """What the sweep says of the rule, in words."""
    said = []
    failed = [one for one in tried if one.linear == "fails"]
    for one in failed:
        side = "farther" if one.measured.mean > one.predicted.mean else "nearer"
        said.append(
            f"the linear rule fails at k = {one.k}: the chains end {side} than it says, "
            f"{float(one.measured.mean):.3g} against {float(one.predicted.mean):.3g}"
        )
    if not failed:
        held = [str(one.k) for one in tried if one.linear == "holds"]
        where = f"holds at k = {', '.join(held)}" if held else "could not be judged at any k"
        said.append(f"the linear rule {where}")
    cut = [str(one.k) for one in tried if one.cut]
    if cut:
        said.append(f"not yet stationary at k = {', '.join(cut)}: compared at the last generation")
    within = [one.k for one in tried if one.measured.mean <= tolerance]
    first = f"measured within {tolerance:g} from k = {min(within)}" if within else None
    said.append(first or f"measured beyond {tolerance:g} at every k")
    return said


def content(answer: Answer, overrides: Sequence[str], tried: Sequence[Tried]) -> dict[str, Any]:
    """The content of plan.json: what is undefined or infinite is null."""
    m, q, tail = answer.measured, answer.question, answer.tail
    return {
        "overrides": list(overrides),
        "tolerance": q.tolerance,
        "metric": m.metric,
        "source": q.source,
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
        "linear": {"k": answer.linear, "low": number(answer.low), "high": number(answer.high)},
        "distance": number(answer.reached),
        "tail": None
        if tail is None
        else {
            "share": tail.share,
            "probability": q.probability,
            "k": tail.k,
            "present_at_k": tail.present,
        },
        "verified": [_tried(one) for one in tried],
        "verdict": verdict(tried, q.tolerance) if tried else [],
    }


def _tried(one: Tried) -> dict[str, Any]:
    law = one.law
    return {
        "k": one.k,
        "generation": one.t - 1,
        "stationary": not one.cut,
        "distance": {"predicted": numbers(one.predicted), "measured": numbers(one.measured)},
        "offset": {
            "predicted": numbers(one.offset_predicted),
            "measured": numbers(one.offset_measured),
        },
        "linear_rule": one.linear,
        "exact_law": None
        if law is None
        else {"mean_square": number(law.law), "z": number(law.z), "verdict": law.verdict},
        "present": None if one.present is None else numbers(one.present),
        "present_predicted": one.present_predicted,
        "run": one.run,
    }


def numbers(ci: Interval) -> dict[str, float | int | None]:
    """An interval as plain values."""
    ends = {name: number(getattr(ci, name)) for name in ("mean", "low", "high")}
    return {**ends, "chains": int(ci.chains)}


def number(value: Any) -> float | None:
    """A finite number, or None."""
    return float(value) if np.isfinite(value) else None
