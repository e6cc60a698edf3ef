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
from nc_testbed.claims.judge import Finding
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.report.compare import COLOURS, MARKERS, Arm, bars, panel

ANSWERS = {"yes": COLOURS[2], "no": COLOURS[1], "open": COLOURS[4], None: "0.5"}
"""Colours of the answers; grey for numbers that are not judged."""


def figure(claim: Claim, arms: Mapping[str, Arm], findings: Sequence[Finding]) -> Figure:
    """One panel of curves per :class:`Panel`, then every number with its 95% interval.

    Green bands show where a number lies if the claim holds.
    """
    wide = len(claim.panels) + 2
    high = max(3.6, 0.42 * len(findings) + 1.4)
    drawn = Figure(figsize=(3.4 * wide, high), layout="constrained")
    ratios = [1.0] * len(claim.panels) + [2.0]
    axes = drawn.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0]
    for place, wanted in zip(axes, claim.panels, strict=False):
        _curves(place, wanted, arms)
    _numbers(axes[-1], findings)
    return drawn


def _curves(axes: Axes, wanted: Panel, arms: Mapping[str, Arm]) -> None:
    mine = [replace(arms[run], label=run) for run in wanted.runs]
    for arm in mine:
        require(
            wanted.column in arm.means, "column", wanted.column, nearest(wanted.column, arm.means)
        )
    panel(axes, mine, wanted.column)
    axes.set_yscale(wanted.scale)
    for i, arm in enumerate(mine):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)]}
        style["marker"] = MARKERS[i % len(MARKERS)]
        axes.plot([], [], label=arm.label, markersize=4, **style)
    axes.legend(fontsize="x-small")


def _numbers(axes: Axes, findings: Sequence[Finding]) -> None:
    """A row per number, the first on top."""
    places = np.arange(len(findings))[::-1]
    centre, reach = bars([finding.number for finding in findings])
    ends = np.concatenate([centre - reach[0], centre + reach[1]])
    for y, x, width, finding in zip(places, centre, reach.T, findings, strict=True):
        _region(axes, y, finding)
        colour = ANSWERS[finding.answer]
        axes.errorbar(x, y, xerr=width[:, None], fmt="o", color=colour, capsize=3, markersize=4)
    if np.nanmax(np.abs(ends), initial=0) > 10:  # else all are shares of something
        axes.set_xscale("symlog", linthresh=1)
    low, high = np.nanmin(ends, initial=0), np.nanmax(ends, initial=1)
    axes.set_xlim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    axes.set_yticks(places, [_label(finding) for finding in findings], fontsize="x-small")
    axes.set_ylim(-0.7, len(findings) - 0.3)
    axes.set_title("numbers with 95% intervals; shaded: where the claim holds", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, axis="x")


def _region(axes: Axes, y: float, finding: Finding) -> None:
    holds = finding.question.holds
    if holds is not None:
        low = -1e9 if holds.above is None else holds.above
        high = 1e9 if holds.below is None else holds.below
        box: dict[str, Any] = {"color": COLOURS[2], "alpha": 0.13, "linewidth": 0}
        axes.fill_between([low, high], y - 0.4, y + 0.4, **box)


def _label(finding: Finding) -> str:
    text = "\n".join(textwrap.wrap(finding.question.asks, 52))
    return text if finding.answer is None else f"{text}: {finding.answer}"
