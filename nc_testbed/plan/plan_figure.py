"""Prediction against measurement over k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from nc_testbed.plan.answer import Answer
from nc_testbed.plan.sweep import Tried
from nc_testbed.plan.tail import presence
from nc_testbed.report.compare import COLOURS, bars

PREDICTED, MEASURED, LAW = COLOURS[0], COLOURS[1], COLOURS[2]


def figure(answer: Answer, tried: Sequence[Tried], title: str) -> Figure:
    """Distance from the truth over k, and where it was counted the tail class's presence.

    title: what the numbers rest on.
    """
    tail = any(one.present is not None for one in tried)
    drawing = Figure(figsize=(5.2 * (1 + tail), 4.2), layout="constrained")
    panels = drawing.subplots(1, 1 + tail, squeeze=False)[0]
    _distance(panels[0], answer, tried)
    ks = [one.k for one in tried]
    if tail:
        _tail(panels[1], answer, tried)
    for axes in panels:
        axes.set(
            xscale="log", xlabel=f"k {answer.question.source} real rows of {answer.measured.n}"
        )
        axes.set_xticks(ks, labels=list(map(str, ks)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    drawing.supxlabel(title, fontsize="small", color="0.3", x=0.01, ha="left")
    return drawing


def _distance(axes: Axes, answer: Answer, tried: Sequence[Tried]) -> None:
    """The stationary prediction with its band, and what each run measured at its end."""
    ks = np.array([one.k for one in tried])
    line = np.geomspace(max(1, ks.min() / 1.5), min(answer.measured.n, ks.max() * 1.5), 100)
    low, high = np.quantile(answer.sure.distance(line[:, None]), [0.025, 0.975], axis=1)
    axes.fill_between(line, low, high, alpha=0.2, linewidth=0, color=PREDICTED)
    axes.plot(line, answer.rule.distance(line), label="linear rule, stationary", color=PREDICTED)
    if answer.law is not None:
        axes.plot(line, answer.distance(line), "--", color=LAW, label="exact law, stationary")
    ends = [one.predicted for one in tried]
    if any(one.cut for one in tried):
        mean, error = bars(ends)
        at = "linear rule at the run's end"
        axes.errorbar(
            ks / 1.03, mean, error, fmt="s", mfc="white", capsize=3, label=at, color=PREDICTED
        )
    mean, error = bars([one.measured for one in tried])
    label = f"measured, {answer.measured.chains} chains"
    axes.errorbar(ks * 1.03, mean, error, fmt="o", color=MEASURED, capsize=3, label=label)
    for one in tried:
        if one.linear == "fails":
            place = (one.k * 1.03, float(one.measured.high))
            axes.annotate("rule fails", place, (0, 4), textcoords="offset points", ha="center",
                          fontsize="x-small", color=MEASURED)  # fmt: skip
    axes.axhline(answer.question.tolerance, color="0.5", linewidth=1, label="tolerance")
    _mark(axes, answer.k, "k")
    what = "truth" if answer.measured.truth is not None else "generation 0"
    axes.set(yscale="log", ylabel=f"rms distance of {answer.measured.metric} from {what}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _tail(axes: Axes, answer: Answer, tried: Sequence[Tried]) -> None:
    """P(the rarest class is among the rows of a refit)."""
    share, n = answer.measured.share, answer.measured.n
    assert share is not None
    counted = [one for one in tried if one.present is not None]
    ks = sorted(
        {one.k for one in tried} | ({answer.tail.k} if answer.tail and answer.tail.k else set())
    )
    law = [presence(k, n, share) for k in ks]
    axes.plot(ks, law, ".--", color=LAW, label="law of an unbiased model, stationary")
    mean, error = bars([one.present for one in counted if one.present is not None])
    at = [one.k for one in counted]
    axes.errorbar(at, mean, error, fmt="o", color=MEASURED, capsize=3, label="measured")
    axes.axhline(answer.question.probability, color="0.5", linewidth=1, label="asked for")
    _mark(axes, answer.tail.k if answer.tail else None, "k of the tail")
    axes.set(ylim=(0, 1.05), ylabel=f"P(class of share {share:.3g} is present)")


def _mark(axes: Axes, k: int | None, name: str) -> None:
    if k is not None:
        axes.axvline(k, color="0.3", linestyle=":", linewidth=1, label=f"{name} = {k}")
