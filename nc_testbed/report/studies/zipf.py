"""How many symbols of a Zipf law survive?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS, caption, write_caption
from nc_testbed.theory import tails


def figure(arms: Sequence[Arm]) -> Figure:
    """Symbols alive and real mass missing over generations, with the exact law and the
    Poissonised one; the first run's."""
    arm = arms[0]
    shares = np.array(arm.config["facts"]["truth"]["shares"])
    n = arm.config["facts"]["n"]
    t = arm.generations + 1
    approximate = {
        "alive_classes": tails.surviving_symbols(t, n, shares),
        "missing_mass": tails.missing_mass(t, n, shares),
    }
    drawing = Figure(figsize=(9, 3.8), layout="constrained")
    panels = drawing.subplots(1, 2)
    for axes, (name, poissonised) in zip(panels, approximate.items(), strict=True):
        _draw_metric(axes, arm, name, poissonised)
    write_caption(drawing, caption(arms))
    return drawing


def _draw_metric(axes: Axes, arm: Arm, name: str, poissonised: NDArray[np.float64]) -> None:
    """A metric over refits, measured, exact and Poissonised."""
    t = arm.generations + 1
    ci = arm.means[name]
    law = arm.law(name)
    axes.fill_between(t, ci.low, ci.high, color=COLOURS[0], alpha=0.3, linewidth=0)
    axes.plot(t, ci.mean, color=COLOURS[0], label="chains, mean and 95% interval")
    if law is not None:
        z = arm.laws[name]["z"][-1]
        label = "exact chain" if z is None else f"exact chain, z {z:+.1f} at the end"
        axes.plot(law[0] + 1, law[1], "k--", label=label)
    axes.plot(t, poissonised, color=COLOURS[1], linestyle=":", label="Poissonised law")
    axes.set(xscale="log", xlabel="t, refits", title=name.replace("_", " "))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
