"""How fast do Gaussians collapse in d dimensions with n rows, under three policies?"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nc_testbed.report.compare import COLOURS, Arm, caption


def figure(arms: Sequence[Arm]) -> Figure:
    """Variance per coordinate over generations: a row of panels per d, a column per n.

    A budget makes accumulate the policy known as accumulate-subsample; it changes nothing under
    replace, which is drawn once. Laws are dashed.
    """
    dims = sorted({arm.config["data"]["dim"] for arm in arms})
    sizes = sorted({arm.config["facts"]["n"] for arm in arms})
    drawn = Figure(figsize=(3 * len(sizes), 2.4 * len(dims) + 0.6), layout="constrained")
    panels = drawn.subplots(len(dims), len(sizes), sharex=True, sharey=True, squeeze=False)
    for arm in arms:
        policy, budget = arm.config["name"]["policy"], arm.config["budget"]
        if policy == "replace" and budget is not None:
            continue
        i = 0 if policy == "replace" else 1 if budget is None else 2
        name = ("replace", "accumulate", "accumulate, subsampled")[i]
        row, column = dims.index(arm.config["data"]["dim"]), sizes.index(arm.config["facts"]["n"])
        axes, ci = panels[row, column], arm.means["variance"]
        axes.fill_between(arm.generations, ci.low, ci.high, color=COLOURS[i], alpha=0.2, lw=0)
        axes.plot(arm.generations, ci.mean, color=COLOURS[i], label=name)
        law = arm.law("variance")
        if law is not None:
            axes.plot(*law, "k--", linewidth=0.8)
    for row, d in zip(panels, dims, strict=True):
        row[0].set_ylabel(f"d = {d}: variance")
    for column, n in zip(panels.T, sizes, strict=True):
        column[0].set_title(f"n = {n}", fontsize="medium")
        column[-1].set_xlabel("generation")
    for axes in panels.flat:
        axes.set_ylim(0, 1.2)
        axes.grid(alpha=0.3)
    handles, names = panels[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside upper left", ncols=3)
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
