"""Curves of metrics over generations, one panel each, with 95% bands and exact laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nc_testbed.report.arm import Arm
from nc_testbed.report.figures.control_lines import draw_control_lines, is_control_line
from nc_testbed.report.style import (
    COLOURS,
    caption,
    clear_axes,
    legend,
    look,
    single,
    write_caption,
)

LAWS = 6
"""Up to so many laws are named one by one in a panel."""
MARKED = 40
"""Most generations that get a marker each; more would hide the curve."""


def draw_curves(arms: Sequence[Arm], names: Sequence[str]) -> Figure:
    """One panel per metric, one curve with its 95% band per arm, over generations.

    Where an arm has an exact law it is the thin dashed line in the arm's colour.
    """
    figure = Figure(figsize=(3.6 * len(names), 3.6), layout="constrained")
    draw_panels(figure, arms, names)
    write_caption(figure, caption(arms))
    return figure


def draw_curve(arms: Sequence[Arm], name: str) -> Figure:
    """One metric's panel of its own."""
    labels = [arm.label for arm in arms]
    figure, axes = single(labels)
    draw_panel(axes, arms, name)
    legend(figure, _measured_lines(axes), labels, 1)
    return figure


def draw_panels(figure: Figure | SubFigure, arms: Sequence[Arm], names: Sequence[str]) -> None:
    """The row of panels of :func:`draw_curves`, and its legend, in a figure or a part of
    one."""
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        draw_panel(axes, arms, name)
    legend(figure, _measured_lines(figure.axes[0]), [arm.label for arm in arms], len(names))


def draw_panel(axes: Axes, arms: Sequence[Arm], name: str) -> None:
    """The curves of one metric and its controls; the legend names the laws alone."""
    for i, arm in enumerate(arms):
        _draw_arm(axes, arm, name, i, len(arms))
    draw_control_lines(axes, arms, name)
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > LAWS:
        axes.legend(handles[:1], ["law"], fontsize="x-small")
    elif handles:
        axes.legend(handles, labels, fontsize="x-small")
    axes.set(title=name.replace("_", " "), xlabel="generation")
    axes.locator_params(axis="x", integer=True)
    clear_axes(axes)


def _draw_arm(axes: Axes, arm: Arm, name: str, i: int, count: int) -> None:
    """The i-th arm's curve, its band, and its law if it has one."""
    ci = arm.means[name]
    style = look(i)
    marker = style.pop("marker")
    if len(arm.generations) > MARKED:
        marker = None
    alpha = 0.2 if count <= len(COLOURS) else 0.06  # or nothing else would be seen
    axes.fill_between(arm.generations, ci.low, ci.high, alpha=alpha, linewidth=0, **style)
    law = arm.law(name)
    width: dict[str, Any] = {} if law is None else {"linewidth": 4, "alpha": 0.45}
    axes.plot(arm.generations, ci.mean, marker=marker, markersize=4, **style, **width)
    if law is not None:
        z = arm.laws[name]["z"][-1]
        label = "law" if z is None else f"law, z {z:+.1f}"
        axes.plot(*law, linestyle="--", linewidth=1, label=label, **style)


def _measured_lines(axes: Axes) -> list[Any]:
    """The curves of a panel that are neither laws nor controls."""
    lines = [line for line in axes.get_lines() if not is_control_line(line)]
    return [line for line in lines if "law" not in str(line.get_label())]
