"""Where runs end, against a setting: one panel per metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.core.errors import require
from nc_testbed.report.arm import Arm, group_arms, value_of
from nc_testbed.report.style import COLOURS, MARKERS, bars, caption, write_caption


def figure(
    arms: Sequence[Arm],
    x: str,
    columns: Sequence[str],
    lines: str = "policy",
    rows: str | None = None,
    scale: str = "linear",
) -> Figure:
    """The last generation's means with 95% intervals over the setting x, a number in
    every run.

    lines: a setting whose values get a line each, grey where runs began (generation 0).
    rows: one whose values get a row of panels each. scale: of x, ``linear`` or ``log``.
    """
    for name in columns:
        is_column = all(name in arm.means for arm in arms)
        require(is_column, "figure.columns", name, f"choose from {', '.join(arms[0].means)}")
    groups = group_arms(arms, rows)
    size = (3.6 * len(columns), 3 * len(groups) + 0.6)
    drawing = Figure(figsize=size, layout="constrained")
    panels = drawing.subplots(len(groups), len(columns), sharex=True, squeeze=False)
    for row, (value, group) in zip(panels, groups.items(), strict=True):
        for axes, name in zip(row, columns, strict=True):
            _draw_panel(axes, group_arms(group, lines), name, x, scale)
            axes.set(title=name.replace("_", " ") if value is None else f"{value}: {name}")
    for axes in panels[-1]:
        axes.set_xlabel(x)
    drawing.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    last = int(arms[0].generations[-1])
    write_caption(drawing, f"generation {last}; dotted: generation 0. {caption(arms)}")
    return drawing


def _draw_panel(
    axes: Axes, lines: dict[Any, list[Arm]], name: str, key: str, scale: str
) -> None:
    """One metric's ends, a line for each group of arms, over their values of a
    setting."""
    smallest = np.inf
    for i, (label, arms) in enumerate(lines.items()):
        arms = sorted(arms, key=lambda arm: value_of(arm, key))
        x = np.array([value_of(arm, key) for arm in arms], dtype=np.float64)
        start, _ = bars(arm.means[name][0] for arm in arms)
        style: dict[str, Any] = {
            "color": COLOURS[i],
            "marker": MARKERS[i],
            "markersize": 4,
        }
        axes.plot(x, start, color="0.6", linestyle=":", linewidth=1)
        end = bars(arm.means[name][-1] for arm in arms)
        axes.errorbar(x, *end, capsize=2, linewidth=1, label=str(label), **style)
        smallest = x.min()
    # A logarithm has no place for 0: the axis is then linear around it.
    axes.set_xscale("symlog" if scale == "log" and smallest <= 0 else scale)
    axes.grid(alpha=0.3)
