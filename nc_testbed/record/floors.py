"""Ceiling and floors of a column, and why a headline with a high floor is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from nc_testbed.metrics.column import Column, Columns, is_of_class
from nc_testbed.record.controls import Controls

LABELS = {
    "real": "real rows",
    "tail_absent": "no tail",
    "independent": "no model",
    "noise": "noise",
}
"""The controls of a run by what they are called beside a curve: the ceiling (real rows
that no fit was given), then the floors (real rows without the rarest classes; every
column drawn by itself; noise)."""
TABLED = ("real", "tail_absent", "independent")
"""Those that tables have a column for."""
ROWS = {
    "tail_absent": "rows without the tail",
    "independent": "rows of independent columns",
}
"""What a floor's rows are, in a sentence."""
MOST_AT_FLOOR = 0.1
"""A headline that reads more than this where nothing is to be seen is no measure."""


def control_means(controls: Controls, name: str) -> dict[str, float]:
    """What a column reads on each control that it is defined on, ``{control: mean}``, in
    the order of :data:`LABELS`.

    >>> control_means({"noise": {"x": [0, 0.1, 1]}, "real": {"x": [0.9, 0.95, 1]}}, "x")
    {'real': 0.95, 'noise': 0.1}
    """
    means = {control: controls.get(control, {}).get(name, (None,) * 3)[1] for control in LABELS}
    return {control: mean for control, mean in means.items() if mean is not None}


def drawn_means(controls: Controls, name: str, column: Column) -> dict[str, float]:
    """The means that a chart of a column draws: all of them where getting worse has an end
    (a share, a ratio that falls to 0); of a loss, which has none, only real rows and rows
    without the tail, since what it reads on noise would flatten every curve beside it.
    """
    worst = {"lower": (column.low,), "higher": (column.high,)}
    bounds = worst.get(column.worse, (column.low, column.high))
    has_end = not any(end in (-inf, inf) for end in bounds)
    allowed = LABELS if has_end else ("real", "tail_absent")
    means = control_means(controls, name)
    return {control: mean for control, mean in means.items() if control in allowed}


def floor_refusal(controls: Controls, headline: str) -> str | None:
    """Why the headline is no measure of these data, None where it is one.

    It is none where its floor is above 0.1: rows without the tail for a headline of the
    tail, else rows whose columns are independent. Where its floor was not measured
    nothing is refused. See :func:`refused_ranks` for single classes.

    >>> floor_refusal({"tail_absent": {"tail_x": [0.5, 0.59, 0.6]}}, "tail_x")
    'tail_x is no measure here: rows without the tail read 0.59 (at most 0.1 is allowed)'
    """
    control = "tail_absent" if headline.startswith("tail_") else "independent"
    floor = control_means(controls, headline).get(control)
    if floor is None or floor <= MOST_AT_FLOOR:
        return None
    reading = f"{ROWS[control]} read {floor:.2g} (at most {MOST_AT_FLOOR:g} is allowed)"
    return f"{headline} is no measure here: {reading}"


def refused_ranks(controls: Controls, headline: str) -> dict[int, float]:
    """Classes of which the headline's column is no measure, ``{rank: floor}``, rank 0 the
    commonest.

    The floor of a class that ``tail_absent`` leaves out (one of the rarest third) is what
    its column reads there; that of any other what it reads on independent columns. The
    last word of the headline names the columns: ``coverage_rank_i`` of ``tail_coverage``.
    """
    stem = headline.rpartition("_")[2]
    ranks = sorted({rank for columns in controls.values() for rank in _ranks(columns, stem)})
    if not ranks:
        return {}
    C = ranks[-1] + 1
    tail = range(C - max(1, C // 3), C)
    refused = {}
    for rank in ranks:
        control = "tail_absent" if rank in tail else "independent"
        floor = control_means(controls, f"{stem}_rank_{rank}").get(control)
        if floor is not None and floor > MOST_AT_FLOOR:
            refused[rank] = floor
    return refused


def refused_classes(controls: Controls, headline: str) -> str | None:
    """The classes of :func:`refused_ranks` in a sentence, None where there are none."""
    refused = refused_ranks(controls, headline)
    if not refused:
        return None
    stem = headline.rpartition("_")[2]
    floors = ", ".join(f"{rank} ({floor:.2g})" for rank, floor in refused.items())
    return (
        f"{stem} of single classes is no measure of rank {floors}: "
        f"floors above {MOST_AT_FLOOR:g}"
    )


def caveats_of(
    config: Mapping[str, Any], controls: Controls, names: Iterable[str]
) -> list[str]:
    """What a reader of these columns must know, in sentences: how good the referee is,
    and of what the headline is no measure."""
    accuracy = config.get("facts", {}).get("referee_accuracy")
    sentences = [] if accuracy is None else [referee_sentence(accuracy)]
    headline = Columns.from_records(config).headline(names)
    if headline is None:
        return sentences
    refusals = (floor_refusal(controls, headline), refused_classes(controls, headline))
    return sentences + [sentence for sentence in refusals if sentence]


def caveat_texts(
    config: Mapping[str, Any], controls: Controls, names: Iterable[str]
) -> dict[str, str]:
    """What must be known of these columns by its title, in Markdown: caveats, and the
    controls as a table; without what is empty."""
    columns = Columns.from_records(config)
    names = [name for name in columns.in_reading_order(names) if not is_of_class(name)]
    caveats = "\n\n".join(caveats_of(config, controls, names))
    texts = {"caveats": caveats, "controls": control_table(controls, names)}
    return {title: text for title, text in texts.items() if text}


def control_table(controls: Controls, names: Iterable[str]) -> str:
    """What these columns read on each control, as a table in Markdown; "" where nothing
    was measured.

    >>> print(control_table({"real": {"x": [0.9, 0.95, 1.0]}}, ["x", "y"]))
    | metric | real rows |
    | --- | --- |
    | x | 0.95 |
    """
    measured = [control for control in LABELS if control in controls]
    rows = {name: control_means(controls, name) for name in names}
    lines = [
        ["metric", *(LABELS[control] for control in measured)],
        ["---"] * (1 + len(measured)),
        *(
            [name, *(f"{means[c]:.3g}" if c in means else "" for c in measured)]
            for name, means in rows.items()
            if means
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if len(lines) > 2 else ""


def referee_sentence(accuracy: float) -> str:
    """How good the judge of classes is.

    >>> referee_sentence(0.9924)
    'the referee is right on 99.2% of held-out rows'
    """
    return f"the referee is right on {accuracy:.1%} of held-out rows"


def _ranks(columns: Mapping[str, Any], stem: str) -> list[int]:
    """The ranks whose columns are among these."""
    matches = (re.fullmatch(rf"{re.escape(stem)}_rank_(\d+)", name) for name in columns)
    return [int(match[1]) for match in matches if match]
