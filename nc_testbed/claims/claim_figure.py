"""A claim's figure: the curves it rests on, and its numbers against what they must be."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.claims.claim import Claim, Panel
from nc_testbed.claims.judge import AnsweredQuestion
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.report.arm import Arm
from nc_testbed.report.figures.panels import draw_panel
from nc_testbed.report.style import COLOURS, MARKERS, bars

ANSWERS = {"yes": COLOURS[2], "no": COLOURS[1], "open": COLOURS[4], None: "0.5"}
"""Colours of the answers; grey for numbers that are not judged."""
FAR = 1e9
"""An end of a region that has none, beyond every axis."""


def draw_claim(
    claim: Claim, arms: Mapping[str, Arm], answers: Sequence[AnsweredQuestion]
) -> Figure:
    """One panel of curves per :class:`Panel`, then every number with its 95% interval.

    Green bands show where a number lies if the claim holds.
    """
    width = 3.4 * (len(claim.panels) + 2)
    height = max(3.6, 0.42 * len(answers) + 1.4)
    figure = Figure(figsize=(width, height), layout="constrained")
    ratios = [1.0] * len(claim.panels) + [2.0]
    panels = figure.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0]
    for axes, panel in zip(panels, claim.panels, strict=False):
        _draw_curves(axes, panel, arms)
    _draw_numbers(panels[-1], answers)
    return figure


def _draw_curves(axes: Axes, panel: Panel, arms: Mapping[str, Arm]) -> None:
    """A panel of the claim; the legend names its runs."""
    group = [replace(arms[run], label=run) for run in panel.runs]
    for arm in group:
        remedy = nearest(panel.column, arm.means)
        require(panel.column in arm.means, "column", panel.column, remedy)
    draw_panel(axes, group, panel.column)
    axes.set_yscale(panel.scale)
    for i, arm in enumerate(group):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)]}
        style["marker"] = MARKERS[i % len(MARKERS)]
        axes.plot([], [], label=arm.label, markersize=4, **style)
    axes.legend(fontsize="x-small")


def _draw_numbers(axes: Axes, answers: Sequence[AnsweredQuestion]) -> None:
    """A row per number, the first on top."""
    rows = np.arange(len(answers))[::-1]
    centre, reach = bars([answered.number for answered in answers])
    for y, x, width, answered in zip(rows, centre, reach.T, answers, strict=True):
        _shade_region(axes, y, answered)
        colour = ANSWERS[answered.answer]
        axes.errorbar(x, y, xerr=width[:, None], fmt="o", color=colour, capsize=3, markersize=4)
    bounds = np.concatenate([centre - reach[0], centre + reach[1]])
    if np.nanmax(np.abs(bounds), initial=0) > 10:  # else all are shares of something
        axes.set_xscale("symlog", linthresh=1)
    low = np.nanmin(bounds, initial=0)
    high = np.nanmax(bounds, initial=1)
    margin = 0.08 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.set_yticks(rows, [_row_label(answered) for answered in answers], fontsize="x-small")
    axes.set_ylim(-0.7, len(answers) - 0.3)
    title = "numbers with 95% intervals; shaded: where the claim holds"
    axes.set_title(title, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, axis="x")


def _shade_region(axes: Axes, y: float, answered: AnsweredQuestion) -> None:
    """The band in a number's row where the claim holds."""
    holds = answered.question.holds
    if holds is not None:
        low = -FAR if holds.above is None else holds.above
        high = FAR if holds.below is None else holds.below
        box: dict[str, Any] = {"color": COLOURS[2], "alpha": 0.13, "linewidth": 0}
        axes.fill_between([low, high], y - 0.4, y + 0.4, **box)


def _row_label(answered: AnsweredQuestion) -> str:
    """What the number is, and the answer where it is judged."""
    text = "\n".join(textwrap.wrap(answered.question.asks, 52))
    return text if answered.answer is None else f"{text}: {answered.answer}"
