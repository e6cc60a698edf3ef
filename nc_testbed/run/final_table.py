"""What the table at the end of a run holds: both ends of every metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nc_testbed.record.summary import interval_of


def end_rows(summary: Mapping[str, Any], rows: Mapping[str, Any]) -> list[list[str]]:
    """A row per metric, both ends of a run; of the headline also the lowest and the
    highest chain, and below it the share of chains that were lost: where one chain in ten
    dies no interval of a mean tells of it."""
    cells = []
    for name, limits in rows.items():
        texts = [interval_of(limits[end]).text() for end in ("first", "last")]
        headline = summary["headline"]
        if headline is None or headline["metric"] != name:
            cells.append([name, *texts])
            continue
        ranges = [_range(summary, end) for end in ("first", "last")]
        cells.append(
            [name, *(text + range_ for text, range_ in zip(texts, ranges, strict=True))]
        )
        cells.append(["  chains that lost 3/4", "", _lost(headline["collapsed"])])
    return cells


def _range(summary: Mapping[str, Any], end: str) -> str:
    """The lowest and the highest chain, unless all are listed.

    >>> headline = {"metric": "x", "lowest": {"last": 0.01}, "highest": {"last": 0.5}}
    >>> summary = {"metrics": {"x": {"last": {"chains": 10}}}, "headline": headline}
    >>> _range(summary, "last")
    ', 0.01 to 0.5'
    """
    headline = summary["headline"]
    lowest = headline["lowest"][end]
    if lowest is None or "values" in summary["metrics"][headline["metric"]][end]:
        return ""
    return f", {lowest:.3g} to {headline['highest'][end]:.3g}"


def _lost(collapsed: Mapping[str, Any]) -> str:
    """How many chains were lost, and the interval of their share.

    >>> _lost({"count": 1, "chains": 10, "mean": 0.1, "low": 0.0025, "high": 0.445})
    '1 of 10: 0.10 [0.00, 0.45]'
    """
    count = f"{collapsed['count']} of {collapsed['chains']}"
    return f"{count}: {interval_of(collapsed).text()}"
