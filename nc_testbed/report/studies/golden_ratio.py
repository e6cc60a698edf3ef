"""Which weight should real rows carry? The risk of a weighted mean against the weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.report.arm import grouped
from nc_testbed.report.compare import COLOURS, MARKERS, Arm, bars, caption
from nc_testbed.theory.weights import golden_weight, weighted_risk


def figure(arms: Sequence[Arm]) -> Figure:
    """``k E(mean - truth)^2 / s^2`` at the last generation over the weight, for every share of
    fresh real rows, with 95% intervals; 1 is what the k real rows alone would give.

    Lines: the stationary law; dotted: the weight of least risk, ``(sqrt(K^2 + 4K) - K) / 2``.
    """
    drawn = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = drawn.subplots()
    weights = np.linspace(0.05, 1, 200)
    for i, (share, mine) in enumerate(grouped(arms, "policy.inner.share").items()):
        mine.sort(key=lambda arm: arm.config["policy"]["real_weight"])
        n, truth = mine[0].config["facts"]["n"], mine[0].config["data"]["variance"]
        real = round(share * n)
        ratio = real / (n - real)
        best = float(golden_weight(ratio))
        at = [arm.config["policy"]["real_weight"] for arm in mine]
        mean, reach = bars(arm.means["w2_squared"][-1] for arm in mine)
        style: dict[str, Any] = {
            "color": COLOURS[i],
            "marker": MARKERS[i],
            "linestyle": "none",
            "capsize": 2,
        }
        label = f"{real} real, {n - real} synthetic: best {best:.3f}"
        axes.errorbar(at, real * mean / truth, real * reach / truth, label=label, **style)
        axes.plot(weights, weighted_risk(weights, ratio), color=COLOURS[i], linewidth=1)
        axes.axvline(best, color=COLOURS[i], linestyle=":", linewidth=1)
    axes.set(xlabel="weight of the real rows", ylabel="risk / risk of the real rows alone")
    axes.set_ylim(0, 2.2)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    drawn.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
