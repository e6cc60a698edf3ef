"""Chosen metrics over generations, one panel each, with their laws."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nc_testbed.core.errors import require
from nc_testbed.report.arm import Arm, distinct_arms, group_arms
from nc_testbed.report.figures.panels import draw_panels
from nc_testbed.report.style import caption, write_caption


def figure(
    arms: Sequence[Arm],
    columns: Sequence[str],
    scale: str = "linear",
    rows: str | None = None,
) -> Figure:
    """One panel per column; rows: a setting whose values get a row of panels each.

    scale: of the generations, ``linear`` or ``log``. Runs that repeat another are drawn
    once.
    """
    for name in columns:
        is_column = all(name in arm.means for arm in arms)
        require(is_column, "figure.columns", name, f"choose from {', '.join(arms[0].means)}")
    groups = group_arms(arms, rows)
    size = (max(5.4, 3.6 * len(columns)), 3.4 * len(groups) + 0.2)
    drawing = Figure(figsize=size, layout="constrained")
    parts = drawing.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for part, (value, group) in zip(parts, groups.items(), strict=True):
        draw_panels(part, distinct_arms(group), columns)
        if scale == "log":
            for axes in part.axes:
                axes.set_xscale("symlog")  # generation 0 has no logarithm
        if rows:
            part.axes[0].set_ylabel(f"{rows.rpartition('.')[2]} = {value}")
    write_caption(drawing, caption(arms))
    return drawing
