"""How many real rows keep a rare class? P(absent) and its share's spread against k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS, MARKERS, bars, caption, write_caption
from nc_testbed.theory import chain, stationary


def figure(arms: Sequence[Arm]) -> Figure:
    """For every share p, over k: chains without the class, and the variation of its
    share, with 95% intervals.

    Left with the exact stationary chain, right with ``sqrt(q / (p (2k - kf + 1 - f)))``;
    vertical lines at k = 2/p.
    """
    drawing = Figure(figsize=(10, 4), layout="constrained")
    absent, spread = drawing.subplots(1, 2)
    for i, p in enumerate(sorted({arm.config["data"]["p"] for arm in arms})):
        group = [arm for arm in arms if arm.config["data"]["p"] == p]
        _draw_share(absent, spread, group, p, i)
    spread.axhline(0.5, color="black", linewidth=0.8)
    absent.set(
        xscale="log",
        xlabel="k, fresh real rows per generation",
        ylabel="P(class absent)",
    )
    spread.set(xscale="log", yscale="log", xlabel="k", ylabel="variation of its share, sd / p")
    for axes in (absent, spread):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    write_caption(drawing, f"lines: exact laws; dotted: k = 2/p. {caption(arms)}")
    return drawing


def _draw_share(absent: Axes, spread: Axes, arms: Sequence[Arm], p: float, i: int) -> None:
    """What was measured of a class of share p, and its two laws."""
    arms = sorted(arms, key=lambda arm: arm.config["policy"]["k"])
    k = np.array([arm.config["policy"]["k"] for arm in arms])
    n = arms[0].config["facts"]["n"]
    last = [arm.values["mean"][:, -1] for arm in arms]
    style: dict[str, Any] = {
        "color": COLOURS[i],
        "marker": MARKERS[i],
        "linestyle": "none",
        "capsize": 2,
        "label": f"p = {p}",
    }
    extinct = [share(int((x == 0).sum()), len(x)) for x in last]
    absent.errorbar(k, *bars(extinct), **style)
    exact = [chain.stationary(chain.anchored_transition(n, rows, p))[0] for rows in k.tolist()]
    absent.plot(k, exact, color=COLOURS[i], linewidth=1)
    variations = [_root(interval((x / p - 1) ** 2)) for x in last]
    spread.errorbar(k, *bars(variations), **style)
    spread.plot(k, stationary.share_cv(k, n, p), color=COLOURS[i], linewidth=1)
    for axes in (absent, spread):
        axes.axvline(2 / p, color=COLOURS[i], linestyle=":", linewidth=1)


def _root(square: Interval) -> Interval:
    """The interval of a mean square as that of its root."""
    mean, low, high = np.sqrt([square.mean, max(square.low, 0), square.high])
    return Interval(mean, low, high, square.chains)
