"""The custom-scalars page: which charts, in which order, of which series."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2

from nc_testbed.metrics.column import Columns
from nc_testbed.record.controls import Controls
from nc_testbed.record.floors import LABELS, drawn_means

# The classes of a protocol buffer are made when it is imported: no type checker sees them.
CHARTS: Any = layout_pb2
EVENTS: Any = summary_pb2
TENSORS: Any = tensor_pb2
TYPES: Any = types_pb2

Chart = tuple[str, list[str], list[str]]
"""A title, metrics that are drawn with their intervals, and tags of what has none."""

FIRST = "0 read together"
ENDS = ("mean", "low", "high")
LIMITS = {"limits/0": 0.0, "limits/1": 1.0}
"""Tags and values of two lines in every chart of shares. TensorBoard fits a chart to its
values but for the highest and lowest 5%, so that without them it would cut off a tail
that dies."""


def scalar_tag(columns: Columns, name: str) -> str:
    """The tag of a metric's mean over chains."""
    return f"{columns[name].group}/{name}"


def band_tag(name: str, end: str) -> str:
    """The tag of one end of a metric's interval: mean, low or high."""
    return f"intervals/{name}/{end}"


def law_tag(name: str) -> str:
    """The tag of a metric's exact law."""
    return f"laws/{name}"


def alarm_tag(on: str) -> str:
    """The tag of the share of chains in which an alarm of this kind has rung."""
    return f"alarms/{on}"


def control_tag(name: str, control: str) -> str:
    """The tag of what a metric reads on a control.

    >>> control_tag("tail_coverage", "tail_absent")
    'controls/tail_coverage/no tail'
    """
    return f"controls/{name}/{LABELS[control]}"


def control_lines(columns: Columns, controls: Controls, name: str) -> dict[str, float]:
    """Tags and values of the flat lines in a metric's chart: its ceiling and floors."""
    means = drawn_means(controls, name, columns[name])
    return {control_tag(name, control): mean for control, mean in means.items()}


def layout(
    columns: Columns,
    names: Iterable[str],
    several: bool,
    laws: Iterable[str] = (),
    alarms: Iterable[str] = (),
    controls: Controls | None = None,
) -> Any:
    """First what must be read side by side: mean recall of common and rare classes in one
    chart, headline, alarms, precision, overall quality; then all metrics by group, closed
    unless a law is among them.

    With several chains a chart is a band (mean, low, high), with one chain a line; the
    law of a metric that has one is drawn over it, and what it reads on each control is a
    flat line; in a chart that metrics share those of the headline, else of the first.

    Charts are listed from the last to the first: TensorBoard 2.21 draws those of a
    category in reverse where they are bands (it inserts each before the end of the one
    above).
    """
    names = list(names)
    exact = {name: [law_tag(name)] for name in laws}
    lines = {
        name: [*exact.get(name, []), *control_lines(columns, controls or {}, name)]
        for name in names
    }
    groups = {FIRST: _read_together(columns, names, lines, alarms)}
    for name in columns.in_reading_order(names):
        chart = (name, [name], lines[name])
        groups.setdefault(columns[name].group, []).append(chart)
    opened = {FIRST, *(columns[name].group for name in exact)}
    order = -1 if several else 1
    categories = [
        CHARTS.Category(
            title=group,
            chart=[_chart(columns, *chart, several=several) for chart in charts[::order]],
            closed=group not in opened,
        )
        for group, charts in sorted(groups.items())
        if charts
    ]
    return CHARTS.Layout(category=categories)


def has_limits(columns: Columns, names: Iterable[str]) -> bool:
    """Whether these are shares alone, so that :data:`LIMITS` belong into their chart."""
    return all(columns[name].is_share for name in names)


def _read_together(
    columns: Columns, names: list[str], lines: dict[str, list[str]], alarms: Iterable[str]
) -> list[Chart]:
    """The charts of the first page; lines: tags of laws and controls by metric."""
    charts: list[Chart] = [(name, [name], lines[name]) for name in columns.beside(names)]
    for title, metrics in columns.charts(names).items():
        # Means alone: the bands of many runs would hide each other.
        tags = [scalar_tag(columns, name) for name in metrics]
        limits = list(LIMITS) if has_limits(columns, metrics) else []
        flat = [
            tag for tag in lines[_foremost(columns, metrics)] if tag.startswith("controls/")
        ]
        charts.insert(0, (title, [], [*tags, *flat, *limits]))
    rung = [alarm_tag(on) for on in alarms]
    if rung:
        charts.insert(2, ("tail alarms: share of chains", [], [*rung, *LIMITS]))
    return charts


def _foremost(columns: Columns, names: list[str]) -> str:
    """The headline among the metrics of one chart, else the first."""
    return columns.headline(names) or names[0]


def event(chart: Any) -> Any:
    """The event that carries a layout; torch's writer can put one series only in a
    chart."""
    plugin = EVENTS.SummaryMetadata.PluginData(plugin_name="custom_scalars")
    text = [chart.SerializeToString()]
    tensor = TENSORS.TensorProto(dtype=TYPES.DT_STRING, string_val=text)
    metadata = EVENTS.SummaryMetadata(plugin_data=plugin)
    value = EVENTS.Summary.Value(
        tag="custom_scalars__config__", tensor=tensor, metadata=metadata
    )
    return EVENTS.Summary(value=[value])


def _chart(
    columns: Columns, title: str, metrics: list[str], lines: list[str], several: bool
) -> Any:
    """One chart. metrics: drawn with their intervals, where there are any. lines: tags of
    what has none."""
    if not several:
        tags = [*(scalar_tag(columns, name) for name in metrics), *lines]
        exact = [
            f"{re.escape(tag)}$" for tag in tags
        ]  # they are read as the beginnings of tags
        return CHARTS.Chart(title=title, multiline=CHARTS.MultilineChartContent(tag=exact))
    bands = [[band_tag(name, end) for end in ENDS] for name in metrics]
    bands += [[tag] * 3 for tag in lines]
    series = CHARTS.MarginChartContent.Series
    content = [series(value=mean, lower=low, upper=high) for mean, low, high in bands]
    return CHARTS.Chart(title=title, margin=CHARTS.MarginChartContent(series=content))
