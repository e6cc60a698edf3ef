"""Which weight should real rows carry? The risk of a weighted mean against the weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.report.arm import Arm, group_arms
from nc_testbed.report.style import COLOURS, MARKERS, bars, caption, write_caption
from nc_testbed.theory.weights import golden_weight, weighted_risk


def figure(arms: Sequence[Arm]) -> Figure:
    """``k E(mean - truth)^2 / s^2`` at the last generation over the weight, for every
    share of fresh real rows, with 95% intervals; 1 is what the k real rows alone would
    give.

    Lines: the stationary law; dotted: the weight of least risk,
    ``(sqrt(K^2 + 4K) - K) / 2``.
    """
    drawing = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = drawing.subplots()
    for i, (share, group) in enumerate(group_arms(arms, "policy.inner.share").items()):
        _draw_share(axes, group, share, i)
    axes.set(xlabel="weight of the real rows", ylabel="risk / risk of the real rows alone")
    axes.set_ylim(0, 2.2)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    write_caption(drawing, caption(arms))
    return drawing


def _draw_share(axes: Axes, arms: Sequence[Arm], share: float, i: int) -> None:
    """The risks of arms with one share of real rows, the law, and the best weight."""
    arms = sorted(arms, key=lambda arm: arm.config["policy"]["real_weight"])
    n = arms[0].config["facts"]["n"]
    variance = arms[0].config["data"]["variance"]
    real = round(share * n)
    ratio = real / (n - real)
    best = float(golden_weight(ratio))
    risk, reach = bars(arm.means["w2_squared"][-1] for arm in arms)
    style: dict[str, Any] = {
        "color": COLOURS[i],
        "marker": MARKERS[i],
        "linestyle": "none",
        "capsize": 2,
    }
    measured = [arm.config["policy"]["real_weight"] for arm in arms]
    label = f"{real} real, {n - real} synthetic: best {best:.3f}"
    axes.errorbar(
        measured, real * risk / variance, real * reach / variance, label=label, **style
    )
    weights = np.linspace(0.05, 1, 200)
    axes.plot(weights, weighted_risk(weights, ratio), color=COLOURS[i], linewidth=1)
    axes.axvline(best, color=COLOURS[i], linestyle=":", linewidth=1)
