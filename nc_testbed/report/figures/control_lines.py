"""Ceiling and floors of a metric as thin lines beside its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from nc_testbed.metrics.column import Columns
from nc_testbed.record.floors import LABELS, drawn_means
from nc_testbed.report.arm import Arm, join_controls

GID = "control"
"""Marks the lines of controls among those of a panel."""
NEAR = 0.09
"""Lines closer than this share of the axis share a label, one word below the other."""
GREY = "0.45"


def draw_control_lines(axes: Axes, arms: Sequence[Arm], name: str) -> None:
    """A thin grey line for what a metric reads on each control, named to the right of the
    panel; nothing where no controls were measured.

    Called after the curves are drawn. Of a loss only real rows and rows without the tail
    are drawn (:func:`nc_testbed.record.floors.drawn_means`).
    """
    column = Columns.from_records(*(arm.config for arm in arms))[name]
    means = drawn_means(join_controls([arm.controls for arm in arms]), name, column)
    for mean in means.values():
        axes.axhline(mean, color=GREY, linewidth=0.7, zorder=0.5, gid=GID)
    low, high = axes.get_ylim()
    for height, label in _labels(means, NEAR * (high - low)):
        axes.annotate(
            label,
            (1, height),
            xytext=(3, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            fontsize="x-small",
            color=GREY,
            va="center",
        )


def is_control_line(line: Any) -> bool:
    """Whether a line of a panel is a control's."""
    return line.get_gid() == GID


def _labels(means: Mapping[str, float], near: float) -> list[tuple[float, str]]:
    """Height and text of every label, from top to bottom; those that would touch are one.

    >>> _labels({"real": 0.9, "independent": 0.01, "noise": 0.0}, near=0.1)
    [(0.9, 'real rows'), (0.005, 'no model\\nnoise')]
    """
    groups: list[list[str]] = []
    for control in sorted(means, key=lambda control: -means[control]):
        if groups and means[groups[-1][-1]] - means[control] < near:
            groups[-1].append(control)
        else:
            groups.append([control])
    return [
        ((means[group[0]] + means[group[-1]]) / 2, "\n".join(LABELS[c] for c in group))
        for group in groups
    ]
