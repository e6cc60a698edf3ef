"""Tail against overall: the way each arm goes through the plane of the two."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.report.arm import Arm
from nc_testbed.report.comparison import Comparison
from nc_testbed.report.sentences import plain
from nc_testbed.report.style import bars, legend, look, single


def trade(compared: Comparison, overall: str) -> Figure:
    """The headline over one overall metric, a line per arm through its generations.

    The first generation is hollow, the last the filled marker with its 95% intervals. A
    column of which less is better is drawn from right to left, so that right is better:
    to the right and down the overall figure improves while the tail dies. The axis says
    so, and where neither way is better it says that.
    """
    figure, axes = single([arm.label for arm in compared.arms])
    for i, arm in enumerate(compared.arms):
        _way(axes, arm, overall, str(compared.judged_by), i)
    column = compared.columns[overall]
    better = column.better
    if column.worse == "higher":
        better = f"{better}: axis reversed"
        axes.invert_xaxis()
    axes.set(xlabel=f"{plain(overall)} ({better})", ylabel=plain(str(compared.judged_by)))
    axes.set_title("hollow: first generation, filled: last", fontsize="small", color="0.3")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    legend(figure, *axes.get_legend_handles_labels(), 1)
    return figure


def _way(axes: Axes, arm: Arm, overall: str, judged_by: str, i: int) -> None:
    x = arm.means[overall]
    y = arm.means[judged_by]
    style: dict[str, Any] = look(i) | {"markersize": 7}
    marker = style.pop("marker")
    axes.plot(x.mean, y.mean, linewidth=1.2, color=style["color"], alpha=0.8)
    axes.plot(x.mean[1:-1], y.mean[1:-1], ".", color=style["color"], markersize=4)
    axes.plot(x.mean[:1], y.mean[:1], marker, markerfacecolor="none", **style)
    (right, across), (up, along) = (bars([ci[-1]]) for ci in (x, y))
    end = axes.errorbar(right, up, xerr=across, yerr=along, fmt=marker, capsize=2, **style)
    end.set_label(arm.label)
