"""Where runs end, against a setting: one panel per metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.core.errors import require
from nc_testbed.report.arm import grouped, setting
from nc_testbed.report.compare import COLOURS, MARKERS, Arm, bars, caption


def figure(
    arms: Sequence[Arm],
    x: str,
    columns: Sequence[str],
    lines: str = "policy",
    rows: str | None = None,
    scale: str = "linear",
) -> Figure:
    """The last generation's means with 95% intervals over the setting x, a number in every run.

    lines: a setting whose values get a line each, grey where runs began (generation 0). rows: one
    whose values get a row of panels each. scale: of x, ``linear`` or ``log``.
    """
    for name in columns:
        there = all(name in arm.means for arm in arms)
        require(there, "figure.columns", name, f"choose from {', '.join(arms[0].means)}")
    groups = grouped(arms, rows)
    size = (3.6 * len(columns), 3 * len(groups) + 0.6)
    drawn = Figure(figsize=size, layout="constrained")
    panels = drawn.subplots(len(groups), len(columns), sharex=True, squeeze=False)
    for row, (value, mine) in zip(panels, groups.items(), strict=True):
        for axes, name in zip(row, columns, strict=True):
            for i, (label, some) in enumerate(grouped(mine, lines).items()):
                some.sort(key=lambda arm: setting(arm, x))
                at = np.array([setting(arm, x) for arm in some], dtype=np.float64)
                first, last = (bars(arm.means[name][t] for arm in some) for t in (0, -1))
                style: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], "markersize": 4}
                axes.plot(at, first[0], color="0.6", linestyle=":", linewidth=1)
                axes.errorbar(at, *last, capsize=2, linewidth=1, label=str(label), **style)
            axes.set_xscale("symlog" if scale == "log" and at.min() <= 0 else scale)
            axes.set(title=name.replace("_", " ") if value is None else f"{value}: {name}")
            axes.grid(alpha=0.3)
    for axes in panels[-1]:
        axes.set_xlabel(x)
    drawn.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    last = int(arms[0].generations[-1])
    text = f"generation {last}; dotted: generation 0. {caption(arms)}"
    drawn.supxlabel(text, fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
