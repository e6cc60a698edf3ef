"""Chosen metrics over generations, one panel each, with their laws."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nc_testbed.core.errors import require
from nc_testbed.report.arm import distinct, grouped
from nc_testbed.report.compare import Arm, caption, panels


def figure(
    arms: Sequence[Arm], columns: Sequence[str], scale: str = "linear", rows: str | None = None
) -> Figure:
    """One panel per column; rows: a setting whose values get a row of panels each.

    scale: of the generations, ``linear`` or ``log``. Runs that repeat another are drawn once.
    """
    for name in columns:
        there = all(name in arm.means for arm in arms)
        require(there, "figure.columns", name, f"choose from {', '.join(arms[0].means)}")
    groups = grouped(arms, rows)
    size = (max(5.4, 3.6 * len(columns)), 3.4 * len(groups) + 0.2)
    drawn = Figure(figsize=size, layout="constrained")
    parts = drawn.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for part, (value, mine) in zip(parts, groups.items(), strict=True):
        panels(part, distinct(mine), columns)
        for axes in part.axes if scale == "log" else ():
            axes.set_xscale("symlog")
        if rows:
            part.axes[0].set_ylabel(f"{rows.rpartition('.')[2]} = {value}")
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
