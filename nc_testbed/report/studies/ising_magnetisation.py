"""Where do Ising chains end? P(all up) against the initial magnetisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.core.intervals import share
from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS, MARKERS, bars, caption, write_caption
from nc_testbed.theory.replace import all_up


def figure(arms: Sequence[Arm]) -> Figure:
    """Chains that ended all up, with exact 95% intervals, and (1 + m) / 2."""
    drawing = Figure(figsize=(6, 4), layout="constrained")
    axes = drawing.subplots()
    sizes = sorted({arm.config["facts"]["n"] for arm in arms})
    for i, n in enumerate(sizes):
        group = [arm for arm in arms if arm.config["facts"]["n"] == n]
        m = np.array([math.tanh(arm.config["data"]["theta_1"]) for arm in group])
        last = [arm.values["mean"][:, -1] for arm in group]
        ci = [share(int((x == 1).sum()), len(x)) for x in last]
        style: dict[str, Any] = {
            "color": COLOURS[i],
            "marker": MARKERS[i],
            "linestyle": "none",
        }
        aside = 0.012 * (i - 1)  # so that the intervals of one m can be told apart
        axes.errorbar(m + aside, *bars(ci), capsize=2, label=f"M = {n}", **style)
    line = np.linspace(-1, 1, 50)
    axes.plot(line, all_up(line), "k--", label="(1 + m) / 2")
    unabsorbed = max(float(1 - arm.means["absorbed"].mean[-1]) for arm in arms)
    axes.set(xlabel="initial magnetisation m", ylabel="share of chains that end all up")
    title = f"at most {unabsorbed:.2%} of the chains of a run not yet absorbed"
    axes.set_title(title, fontsize="small")
    axes.grid(alpha=0.3)
    axes.legend()
    write_caption(drawing, caption(arms))
    return drawing
