"""How many real rows keep a rare class? P(absent) and its share's spread against k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.report.compare import COLOURS, MARKERS, Arm, bars, caption
from nc_testbed.theory import chain, stationary


def figure(arms: Sequence[Arm]) -> Figure:
    """For every share p, over k: chains without the class, and the variation of its share,
    with 95% intervals.

    Left with the exact stationary chain, right with ``sqrt(q / (p (2k - kf + 1 - f)))``; vertical
    lines at k = 2/p.
    """
    drawn = Figure(figsize=(10, 4), layout="constrained")
    absent, spread = drawn.subplots(1, 2)
    for i, p in enumerate(sorted({arm.config["data"]["p"] for arm in arms})):
        mine = [arm for arm in arms if arm.config["data"]["p"] == p]
        mine.sort(key=lambda arm: arm.config["policy"]["k"])
        k = np.array([arm.config["policy"]["k"] for arm in mine])
        n, last = mine[0].config["facts"]["n"], [arm.values["mean"][:, -1] for arm in mine]
        style: dict[str, Any] = {
            "color": COLOURS[i],
            "marker": MARKERS[i],
            "linestyle": "none",
            "capsize": 2,
        }
        label = f"p = {p}"
        gone = [share(int((end == 0).sum()), len(end)) for end in last]
        absent.errorbar(k, *bars(gone), label=label, **style)
        exact = [chain.stationary(chain.anchored_transition(n, int(each), p))[0] for each in k]
        absent.plot(k, exact, color=COLOURS[i], linewidth=1)
        squares = [interval((end / p - 1) ** 2) for end in last]
        roots = [Interval(*np.sqrt([c.mean, max(c.low, 0), c.high]), c.chains) for c in squares]
        spread.errorbar(k, *bars(roots), label=label, **style)
        spread.plot(k, stationary.share_cv(k, n, p), color=COLOURS[i], linewidth=1)
        for axes in (absent, spread):
            axes.axvline(2 / p, color=COLOURS[i], linestyle=":", linewidth=1)
    spread.axhline(0.5, color="black", linewidth=0.8)
    absent.set(xscale="log", xlabel="k, fresh real rows per generation", ylabel="P(class absent)")
    spread.set(xscale="log", yscale="log", xlabel="k", ylabel="variation of its share, sd / p")
    for axes in (absent, spread):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    text = f"lines: exact laws; dotted: k = 2/p. {caption(arms)}"
    drawn.supxlabel(text, fontsize="small", color="0.3", x=0.01, ha="left")
    return drawn
