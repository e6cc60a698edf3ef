"""Does the time to absorption of an Ising model depend on N and M only through N M?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.report.compare import COLOURS, DASHES, Arm, caption
from nc_testbed.theory.replace import kimura_unabsorbed


def figure(arms: Sequence[Arm]) -> Figure:
    """The share of chains not yet absorbed, over generations and over generations / (N M).

    Left: as counted. Right: the curves of all N and M fall onto one, Kimura's for N M
    individuals. The spins begin without a field: up with probability 1/2.
    """
    drawn = Figure(figsize=(10, 4), layout="constrained")
    plain, scaled = drawn.subplots(1, 2, sharey=True)
    for arm in arms:
        N, M = arm.config["data"]["spins"], arm.config["facts"]["n"]
        style = {"color": COLOURS[[5, 10, 20].index(N) if N in (5, 10, 20) else 3]}
        style["linestyle"] = DASHES[[50, 100, 200].index(M) if M in (50, 100, 200) else 3]
        t, left = arm.generations + 1, 1 - arm.means["absorbed"].mean
        plain.plot(t, left, label=f"N = {N}, M = {M}", **style)
        scaled.plot(t / (N * M), left, **style)
    end = max(float(line.get_xdata().max()) for line in scaled.get_lines())
    tau = np.linspace(0.01, end, 400)
    law = kimura_unabsorbed(tau * 1000, 1000, 0.5)
    scaled.plot(tau, law, color="black", linewidth=2.5, alpha=0.4, label="Kimura's series")
    plain.set(xscale="log", xlabel="t, refits", ylabel="share of chains not absorbed")
    scaled.set(xlim=(0, min(4, end)), xlabel="t / (N M)")
    for axes in (plain, scaled):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
