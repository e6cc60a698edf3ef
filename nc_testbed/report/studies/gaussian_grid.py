"""How fast do Gaussians collapse in d dimensions with n rows, under three policies?"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS, caption, write_caption

POLICIES = ("replace", "accumulate", "accumulate, subsampled")


def figure(arms: Sequence[Arm]) -> Figure:
    """Variance per coordinate over generations: a row of panels per d, a column per n.

    A budget makes accumulate the policy known as accumulate-subsample; it changes nothing
    under replace, which is drawn once. Laws are dashed.
    """
    dims = sorted({arm.config["data"]["dim"] for arm in arms})
    sizes = sorted({arm.config["facts"]["n"] for arm in arms})
    size = (3 * len(sizes), 2.4 * len(dims) + 0.6)
    drawing = Figure(figsize=size, layout="constrained")
    panels = drawing.subplots(len(dims), len(sizes), sharex=True, sharey=True, squeeze=False)
    for arm in arms:
        if arm.config["name"]["policy"] == "replace" and arm.config["budget"] is not None:
            continue
        row = dims.index(arm.config["data"]["dim"])
        column = sizes.index(arm.config["facts"]["n"])
        _draw_variance(panels[row, column], arm)
    for row, d in zip(panels, dims, strict=True):
        row[0].set_ylabel(f"d = {d}: variance")
    for column, n in zip(panels.T, sizes, strict=True):
        column[0].set_title(f"n = {n}", fontsize="medium")
        column[-1].set_xlabel("generation")
    for axes in panels.flat:
        axes.set_ylim(0, 1.2)
        axes.grid(alpha=0.3)
    handles, names = panels[0, 0].get_legend_handles_labels()
    drawing.legend(handles, names, loc="outside upper left", ncols=3)
    write_caption(drawing, caption(arms))
    return drawing


def _draw_variance(axes: Axes, arm: Arm) -> None:
    """One arm's variance in its policy's colour, and its law."""
    i = 0
    if arm.config["name"]["policy"] != "replace":
        i = 1 if arm.config["budget"] is None else 2
    ci = arm.means["variance"]
    axes.fill_between(arm.generations, ci.low, ci.high, color=COLOURS[i], alpha=0.2, lw=0)
    axes.plot(arm.generations, ci.mean, color=COLOURS[i], label=POLICIES[i])
    law = arm.law("variance")
    if law is not None:
        axes.plot(*law, "k--", linewidth=0.8)
