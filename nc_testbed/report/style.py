"""How every figure looks: colours, markers, legends, intervals and the caption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nc_testbed.core.intervals import Interval
from nc_testbed.report.arm import Arm, work_per_fit

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinct to colour-blind readers (Okabe and Ito, 2008,
https://jfly.uni-koeln.de/color/)."""
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":", "-.")
PANEL_WIDTH = 4.2
"""Inches of a panel of its own: three of them stand beside each other on a page."""
PANEL_HEIGHT = 3.3
LEGEND_LINE = 0.24
"""Inches that a line of its legend adds to a panel's height."""


def look(i: int) -> dict[str, Any]:
    """Colour and marker of the i-th arm: no two of the first 49 are the same."""
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "marker": MARKERS[(i + i // n) % n]}


def single(labels: Sequence[str]) -> tuple[Figure, Axes]:
    """A panel of its own, high enough for a legend of these labels above it."""
    lines = -(-len(labels) // _legend_layout(labels, 1)[1])
    size = (PANEL_WIDTH, PANEL_HEIGHT + LEGEND_LINE * lines)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def legend(
    figure: Figure | SubFigure,
    handles: Sequence[Any],
    labels: Sequence[str],
    width: int,
) -> None:
    """The legend above so many panels; long labels are written small."""
    size, columns = _legend_layout(labels, width)
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=size)


def clear_axes(axes: Axes) -> None:
    """No frame above and to the right, and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def bars(intervals: Iterable[Interval]) -> tuple[np.ndarray, np.ndarray]:
    """Means ``[K]`` of single intervals, and their reach to both sides ``[2, K]``."""
    rows = [(ci.mean, ci.low, ci.high) for ci in intervals]
    mean, low, high = np.array(rows, dtype=np.float64).T
    return mean, np.stack([mean - low, high - mean])


def caption(arms: Sequence[Arm]) -> str:
    """What the numbers rest on: data, model, work per fit, chains, device."""
    names = [
        " and ".join(dict.fromkeys(arm.config["name"][key] for arm in arms))
        for key in ("data", "model")
    ]
    work = work_per_fit(arms[0].config["model"])
    parts = [*names, *([work] if work else [])]
    chains = ", ".join(sorted({str(arm.chains) for arm in arms}))
    device = ", ".join(sorted({device for arm in arms for device in arm.devices}))
    return f"{', '.join(parts)}, {chains} chains; mean and 95% interval; {device}"


def write_caption(figure: Figure, text: str) -> None:
    """Write what the numbers rest on below a figure, small and grey."""
    figure.supxlabel(text, fontsize="small", color="0.3", x=0.01, ha="left")


def _legend_layout(labels: Sequence[str], width: int) -> tuple[str, int]:
    """Size of the letters, and columns, of a legend above so many panels.

    The largest letters are taken in which the longest label fits into one column.
    """
    longest = max(map(len, labels)) + 6  # six letters' room for the line and the gap
    # Letters of each size that a panel is wide.
    letters = {"medium": 45, "small": 54, "x-small": 64}
    if len(labels) > len(COLOURS):
        letters = {"x-small": 64, "xx-small": 76}
    columns = {size: int(width * room / longest) for size, room in letters.items()}
    return next(((size, n) for size, n in columns.items() if n), ("xx-small", 1))
