"""How many symbols of a Zipf law survive?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.report.compare import COLOURS, Arm, caption
from nc_testbed.theory import tails


def figure(arms: Sequence[Arm]) -> Figure:
    """Symbols alive and real mass missing over generations, with the exact law and the Poissonised
    one; the first run's."""
    arm = arms[0]
    shares, n = np.array(arm.config["facts"]["truth"]["shares"]), arm.config["facts"]["n"]
    t = arm.generations + 1
    approximate = {
        "alive_classes": tails.surviving_symbols(t, n, shares),
        "missing_mass": tails.missing_mass(t, n, shares),
    }
    drawn = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, name in zip(drawn.subplots(1, 2), approximate, strict=True):
        ci, law = arm.means[name], arm.law(name)
        axes.fill_between(t, ci.low, ci.high, color=COLOURS[0], alpha=0.3, linewidth=0)
        axes.plot(t, ci.mean, color=COLOURS[0], label="chains, mean and 95% interval")
        if law is not None:
            z = arm.laws[name]["z"][-1]
            label = "exact chain" if z is None else f"exact chain, z {z:+.1f} at the end"
            axes.plot(law[0] + 1, law[1], "k--", label=label)
        axes.plot(t, approximate[name], color=COLOURS[1], linestyle=":", label="Poissonised law")
        axes.set(xscale="log", xlabel="t, refits", title=name.replace("_", " "))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
