"""Where do Ising chains end? P(all up) against the initial magnetisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.core.intervals import share
from nc_testbed.report.compare import COLOURS, MARKERS, Arm, bars, caption
from nc_testbed.theory.replace import all_up


def figure(arms: Sequence[Arm]) -> Figure:
    """Chains that ended all up, with exact 95% intervals, and (1 + m) / 2."""
    drawn = Figure(figsize=(6, 4), layout="constrained")
    axes = drawn.subplots()
    sizes = sorted({arm.config["facts"]["n"] for arm in arms})
    for i, n in enumerate(sizes):
        mine = [arm for arm in arms if arm.config["facts"]["n"] == n]
        m = np.array([math.tanh(arm.config["data"]["theta_1"]) for arm in mine])
        ends = [arm.values["mean"][:, -1] for arm in mine]
        ci = [share(int((end == 1).sum()), len(end)) for end in ends]
        style: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": "none"}
        aside = 0.012 * (i - 1)  # so that the intervals of one m can be told apart
        axes.errorbar(m + aside, *bars(ci), capsize=2, label=f"M = {n}", **style)
    line = np.linspace(-1, 1, 50)
    axes.plot(line, all_up(line), "k--", label="(1 + m) / 2")
    left = max(float(1 - arm.means["absorbed"].mean[-1]) for arm in arms)
    axes.set(xlabel="initial magnetisation m", ylabel="share of chains that end all up")
    axes.set_title(f"at most {left:.2%} of the chains of a run not yet absorbed", fontsize="small")
    axes.grid(alpha=0.3)
    axes.legend()
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
