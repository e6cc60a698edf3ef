"""Chosen metrics over generations, one panel each, with their laws."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nc_testbed.report.compare import Arm, curves
from nc_testbed.types import require


def figure(arms: Sequence[Arm], columns: Sequence[str], scale: str = "linear") -> Figure:
    """One panel per column; scale: of the generations, ``linear`` or ``log``."""
    for name in columns:
        there = all(name in arm.means for arm in arms)
        require(there, "figure.columns", name, f"choose from {', '.join(arms[0].means)}")
    drawn = curves(arms, columns)
    for axes in drawn.axes:
        axes.set_xscale("symlog" if scale == "log" else scale)
    return drawn
