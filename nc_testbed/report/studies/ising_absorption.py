"""Does the time to absorption of an Ising model depend on N and M only through N M?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS, DASHES, caption, write_caption
from nc_testbed.theory.replace import kimura_unabsorbed

SPINS = (5, 10, 20)
"""Numbers of spins N with a colour of their own."""
SIZES = (50, 100, 200)
"""Numbers of rows M with a dash of their own."""


def figure(arms: Sequence[Arm]) -> Figure:
    """The share of chains not yet absorbed, over generations and over generations / (N
    M).

    Left: as counted. Right: the curves of all N and M fall onto one, Kimura's for N M
    individuals. The spins begin without a field: up with probability 1/2.
    """
    drawing = Figure(figsize=(10, 4), layout="constrained")
    counted, scaled = drawing.subplots(1, 2, sharey=True)
    for arm in arms:
        _draw_unabsorbed(counted, scaled, arm)
    end = max(float(line.get_xdata().max()) for line in scaled.get_lines())
    tau = np.linspace(0.01, end, 400)
    law = kimura_unabsorbed(tau * 1000, 1000, 0.5)
    scaled.plot(tau, law, color="black", linewidth=2.5, alpha=0.4, label="Kimura's series")
    counted.set(xscale="log", xlabel="t, refits", ylabel="share of chains not absorbed")
    scaled.set(xlim=(0, min(4, end)), xlabel="t / (N M)")
    for axes in (counted, scaled):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    write_caption(drawing, caption(arms))
    return drawing


def _draw_unabsorbed(counted: Axes, scaled: Axes, arm: Arm) -> None:
    """One arm's curve over refits t, and over t / (N M)."""
    N = arm.config["data"]["spins"]
    M = arm.config["facts"]["n"]
    style: dict[str, Any] = {"color": COLOURS[SPINS.index(N) if N in SPINS else len(SPINS)]}
    style["linestyle"] = DASHES[SIZES.index(M) if M in SIZES else len(SIZES)]
    t = arm.generations + 1
    unabsorbed = 1 - arm.means["absorbed"].mean
    counted.plot(t, unabsorbed, label=f"N = {N}, M = {M}", **style)
    scaled.plot(t / (N * M), unabsorbed, **style)
