"""Verdicts of a report: runs against exact laws, alarms, and arms against each other."""

from __future__ import annotations

from collections.abc import Sequence

from nc_testbed.report.comparison import Comparison
from nc_testbed.report.differences import Difference
from nc_testbed.report.finished import Finished
from nc_testbed.report.markup import Html, badge, table
from nc_testbed.report.sentences import plain

SURE = {"accepted rows": "at most {:.0%} of healthy chains"}
"""What is guaranteed by kind of hit, see :func:`nc_testbed.run.alarms.alarms`."""


def differences_table(found: Sequence[Difference]) -> Html:
    """A line per pair of arms and metric, the difference with its interval."""
    header = ("difference at the last generation", "metric", "mean [95% interval]", "by")
    lines = [
        (f"{d.more.label} less {d.less.label}", plain(d.metric), d.mean.text(), _by(d))
        for d in found
    ]
    return table(header, lines)


def comparison_verdicts(found: Sequence[Difference], compared: Comparison) -> list[list[object]]:
    """Which arm keeps more of the headline than which; no headline, no verdict."""
    return [
        [
            f"{plain(d.metric)}: {d.more.label} keeps more than {d.less.label}",
            f"{d.mean.text()}, {_by(d)}",
            badge(d.verdict),
        ]
        for d in found
        if d.metric == compared.judged_by
    ]


def laws(runs: Sequence[Finished], labels: Sequence[str]) -> list[list[object]]:
    """A line per run and law: measured, law, z and verdict, all of the last generation."""
    lines: list[list[object]] = []
    for run, label in zip(runs, labels, strict=True):
        for name, law in run.summary["laws"].items():
            t = len(run.trajectories.generations) - 1
            measured = run.trajectories.intervals.get(name)
            value, z = law["values"][-1], law["z"][-1]
            lines.append(
                [
                    label,
                    plain(name),
                    "n/a" if measured is None else measured[t].text(),
                    "n/a" if value is None else f"{value:.4g}",
                    "n/a" if z is None else f"{z:+.1f}",
                    badge(law["verdict"]),
                    law["law"],
                ]
            )
    return lines


def alarms(runs: Sequence[Finished], labels: Sequence[str]) -> list[list[object]]:
    """A line per run and kind of hit: how many chains were alarmed, and when."""
    lines: list[list[object]] = []
    for run, label in zip(runs, labels, strict=True):
        for alarm in run.summary["alarms"]:
            rung = [g for g in alarm["generation"] if g is not None]
            ends = dict.fromkeys((min(rung), max(rung))) if rung else ("never",)
            when = " to ".join(map(str, ends))
            count = f"{len(rung)} of {len(alarm['generation'])}"
            kept = SURE.get(alarm["on"], "no guarantee").format(alarm["alpha"])
            lines.append([label, alarm["on"], count, when, kept])
    return lines


def _by(d: Difference) -> str:
    """What an interval is of: pairs of chains, or two samples of them."""
    return f"{int(d.mean.chains)} paired chains" if d.paired else "chains not paired (Welch)"
