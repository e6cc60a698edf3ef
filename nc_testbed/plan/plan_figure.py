"""Prediction against measurement over k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from nc_testbed.plan.answer import Answer
from nc_testbed.plan.sweep import SweepPoint
from nc_testbed.plan.tail_class import presence
from nc_testbed.report.style import COLOURS, bars, clear_axes, write_caption

PREDICTED = COLOURS[0]
MEASURED = COLOURS[1]
LAW = COLOURS[2]
ASIDE = 1.03
"""Factor of k by which points stand apart, so that their intervals can be told apart."""


def draw_plan(answer: Answer, points: Sequence[SweepPoint], title: str) -> Figure:
    """Distance from the truth over k, and where it was counted the tail class's presence.

    title: what the numbers rest on.
    """
    has_tail = any(point.present is not None for point in points)
    count = 2 if has_tail else 1
    figure = Figure(figsize=(5.2 * count, 4.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    _draw_distance(panels[0], answer, points)
    if has_tail:
        _draw_tail(panels[1], answer, points)
    ks = [point.k for point in points]
    xlabel = f"k {answer.question.source} real rows of {answer.measured.n}"
    for axes in panels:
        axes.set(xscale="log", xlabel=xlabel)
        axes.set_xticks(ks, labels=list(map(str, ks)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        clear_axes(axes)
        axes.legend(fontsize="x-small")
    write_caption(figure, title)
    return figure


def _draw_distance(axes: Axes, answer: Answer, points: Sequence[SweepPoint]) -> None:
    """The stationary prediction with its band, and what each run measured at its end."""
    measured = answer.measured
    ks = np.array([point.k for point in points])
    _draw_prediction(axes, answer, ks)
    if any(point.is_cut for point in points):
        mean, error = bars([point.predicted for point in points])
        label = "linear rule at the run's end"
        style: dict[str, Any] = {"fmt": "s", "mfc": "white", "color": PREDICTED}
        axes.errorbar(ks / ASIDE, mean, error, capsize=3, label=label, **style)
    mean, error = bars([point.measured for point in points])
    label = f"measured, {measured.chains} chains"
    axes.errorbar(ks * ASIDE, mean, error, fmt="o", color=MEASURED, capsize=3, label=label)
    for point in points:
        if point.linear == "fails":
            _mark_failure(axes, point)
    axes.axhline(answer.question.tolerance, color="0.5", linewidth=1, label="tolerance")
    _mark_k(axes, answer.k, "k")
    reference = "truth" if measured.truth is not None else "generation 0"
    axes.set(yscale="log", ylabel=f"rms distance of {measured.metric} from {reference}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_prediction(axes: Axes, answer: Answer, ks: np.ndarray) -> None:
    """The linear rule with its band, and the exact law, both stationary."""
    line = np.geomspace(max(1, ks.min() / 1.5), min(answer.measured.n, ks.max() * 1.5), 100)
    low, high = np.quantile(answer.sure.distance(line[:, None]), [0.025, 0.975], axis=1)
    axes.fill_between(line, low, high, alpha=0.2, linewidth=0, color=PREDICTED)
    label = "linear rule, stationary"
    axes.plot(line, answer.rule.distance(line), label=label, color=PREDICTED)
    if answer.law is not None:
        label = "exact law, stationary"
        axes.plot(line, answer.distance(line), "--", color=LAW, label=label)


def _mark_failure(axes: Axes, point: SweepPoint) -> None:
    """The words above a point at which the linear rule fails."""
    style: dict[str, Any] = {"ha": "center", "fontsize": "x-small", "color": MEASURED}
    position = (point.k * ASIDE, float(point.measured.high))
    axes.annotate("rule fails", position, (0, 4), textcoords="offset points", **style)


def _draw_tail(axes: Axes, answer: Answer, points: Sequence[SweepPoint]) -> None:
    """P(the rarest class is among the rows of a refit)."""
    share = answer.measured.share
    n = answer.measured.n
    assert share is not None
    tail_k = answer.tail.k if answer.tail else None
    ks = {point.k for point in points}
    if tail_k:
        ks.add(tail_k)
    line = sorted(ks)
    label = "law of an unbiased model, stationary"
    axes.plot(line, [presence(k, n, share) for k in line], ".--", color=LAW, label=label)
    counted = [(point.k, point.present) for point in points if point.present is not None]
    mean, error = bars([present for _, present in counted])
    x = [k for k, _ in counted]
    axes.errorbar(x, mean, error, fmt="o", color=MEASURED, capsize=3, label="measured")
    axes.axhline(answer.question.probability, color="0.5", linewidth=1, label="asked for")
    _mark_k(axes, tail_k, "k of the tail")
    axes.set(ylim=(0, 1.05), ylabel=f"P(class of share {share:.3g} is present)")


def _mark_k(axes: Axes, k: int | None, name: str) -> None:
    """A dotted line at a k, if there is one."""
    if k is not None:
        axes.axvline(k, color="0.3", linestyle=":", linewidth=1, label=f"{name} = {k}")
