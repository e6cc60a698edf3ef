"""What is said of a run that is done: a table of its two ends, and what that leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nc_testbed.core.intervals import LISTED
from nc_testbed.record.floors import LABELS, TABLED, control_means, referee_sentence
from nc_testbed.record.summary import extremes, interval_of

WIDEST = 22
"""Letters of a mean with its interval beyond which a terminal gets three digits of each."""


def final_table(
    summary: Mapping[str, Any], names: Sequence[str], is_narrow: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table that ends a run: last and first generation with 95%
    intervals, below the headline its spread, the means of the controls that were measured,
    and laws where there are any.

    is_narrow: whether long intervals are shortened, so that 100 letters are enough.
    """
    controls = summary["controls"]
    tabled = [control for control in TABLED if control in controls]
    header = ["metric", "now", "start", *(LABELS[control] for control in tabled)]
    metrics = summary["metrics"]
    rows = []
    for name in names:
        texts = [_text(metrics[name][end], is_narrow) for end in ("last", "first")]
        rows.append([name, *texts])
        headline = summary["headline"]
        if headline is not None and headline["metric"] == name:
            rows += _spread(headline)
    for row in rows:
        means = control_means(controls, row[0])
        row += [_number(means.get(control)) for control in tabled]
    if summary["laws"]:
        header.append(f"law at generation {summary['last']}")
        for row in rows:
            row.append(_law(summary["laws"].get(row[0])))
    return header, rows


def _text(end: Mapping[str, Any], is_narrow: bool) -> str:
    """A mean with its interval, or with its values; of many where there is no room the
    lowest and the highest."""
    ci = interval_of(end)
    text = ci.text()
    if not is_narrow or len(text) <= WIDEST:
        return text
    if ci.values is not None and np.isfinite(ci.mean):
        lowest, highest = extremes(ci.values)
        text = f"{ci.mean:.3g} ({lowest:.3g}..{highest:.3g})"
        shorter = f"{ci.mean:.2g} ({lowest:.2g}..{highest:.2g})"
        return text if len(text) <= WIDEST else shorter
    return min(text, f"{ci.mean:.3g} [{ci.low:.3g}, {ci.high:.3g}]", key=len)


def _spread(headline: Mapping[str, Any]) -> list[list[str]]:
    """What no interval of a mean tells of where one chain in ten dies: the lowest and the
    highest chain, and how many were lost, with the interval of their share."""
    ranges = []
    for end in ("last", "first"):
        lowest, highest = (headline[key][end] for key in ("lowest", "highest"))
        ranges.append("" if lowest is None else f"{lowest:.3g} to {highest:.3g}")
    collapsed = headline["collapsed"]
    lost = f"{collapsed['count']} of {collapsed['chains']}"
    if collapsed["chains"]:
        lost += f" [{collapsed['low']:.2f}, {collapsed['high']:.2f}]"
    return [["  lowest to highest", *ranges], ["  chains that lost 3/4", lost, ""]]


def _number(value: float | None) -> str:
    """A control's mean to three digits, empty where it is undefined."""
    return "" if value is None else f"{value:.3g}"


def _law(law: Mapping[str, Any] | None) -> str:
    """The last value of a law, the distance of the mean from it, and the verdict."""
    if law is None or law["values"][-1] is None:
        return ""
    z = "" if law["z"][-1] is None else f"z {law['z'][-1]:+.1f}, "
    return f"{law['values'][-1]:.4g} ({z}{law['verdict']})"


def closing_remarks(summary: Mapping[str, Any], classes: int) -> list[str]:
    """What the table leaves out: incomplete means, statuses, alarms, notes."""
    R = summary["chains"]
    beside = "95% intervals" if R >= LISTED else "every chain's value"
    means = f"means over {R} chain{'s' * (R != 1)} with {beside}"
    times = f"now: generation {summary['last']}, start: generation {summary['first']}"
    lines = [f"{means}; {times}; {summary['wall_s']:.1f} s"]
    refusals = (summary["headline_refused"], summary["classes_refused"])
    lines += [sentence for sentence in refusals if sentence]
    if summary["referee_accuracy"] is not None:
        lines.append(referee_sentence(summary["referee_accuracy"]))
    if classes:
        lines.append(f"{classes} columns of single classes are in metrics.parquet")
    for name, values in summary["metrics"].items():
        fewest = min(values["first"]["chains"], values["last"]["chains"])
        if fewest < R:
            lines.append(f"{name} is undefined in {R - fewest} of {R} chains")
    if summary["troubles"]:
        lines.append(_status(summary))
    return lines + [_alarm(a, R) for a in summary["alarms"]] + list(summary["notes"])


def _status(summary: Mapping[str, Any]) -> str:
    """How many chains ended ok, and what became of the others.

    >>> ended = {"last": 9, "status": {"ok": 62, "diverged": 2}}
    >>> _status(ended | {"troubles": {"diverged": {"first": 3, "most": 4}}})
    'status at generation 9: 62 ok, 2 diverged (first at generation 3, at most 4)'
    """
    counts = [f"{summary['status'].get('ok', 0)} ok"]
    for word, trouble in summary["troubles"].items():
        times = f"first at generation {trouble['first']}, at most {trouble['most']}"
        counts.append(f"{summary['status'].get(word, 0)} {word} ({times})")
    return f"status at generation {summary['last']}: {', '.join(counts)}"


def _alarm(alarm: Mapping[str, Any], chains: int) -> str:
    """In how many chains the tail was seen to die, and when.

    >>> _alarm({"on": "matched rows", "alarmed": 4, "median": 3.0}, 4)
    'tail alarm in 4 of 4 chains, median generation 3 (matched rows)'
    """
    median = "" if alarm["median"] is None else f", median generation {alarm['median']:g}"
    return f"tail alarm in {alarm['alarmed']} of {chains} chains{median} ({alarm['on']})"
