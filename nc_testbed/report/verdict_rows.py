"""Verdicts of a report: runs against exact laws, alarms, and arms against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_testbed.report.comparison import Comparison
from nc_testbed.report.differences import Difference
from nc_testbed.report.read_run import FinishedRun
from nc_testbed.report.sentences import plain
from nc_testbed.report.verdict import Verdict

GUARANTEES = {"accepted rows": "at most {:.0%} of healthy chains"}
"""What is guaranteed by kind of hit, see :mod:`nc_testbed.record.alarms`."""


@dataclass(frozen=True)
class ComparedArms:
    """A sentence about two arms, their difference with its interval, and the verdict."""

    sentence: str
    difference: str
    verdict: Verdict


@dataclass(frozen=True)
class LawRow:
    """A run against an exact law at the last generation; ``name``: the law's."""

    run: str
    metric: str
    measured: str
    law: str
    z: str
    verdict: str
    name: str


def difference_rows(differences: Sequence[Difference]) -> list[list[str]]:
    """A row per pair of arms and metric: the difference, and how it was taken."""
    return [
        [
            f"{d.more.label} less {d.less.label}",
            plain(d.metric),
            d.mean.text(),
            _pairing(d),
        ]
        for d in differences
    ]


def compare_arms(differences: Sequence[Difference], compared: Comparison) -> list[ComparedArms]:
    """Which arm keeps more of the headline than which; no headline, no verdict."""
    return [
        ComparedArms(
            f"{plain(d.metric)}: {d.more.label} keeps more than {d.less.label}",
            f"{d.mean.text()}, {_pairing(d)}",
            d.verdict,
        )
        for d in differences
        if d.metric == compared.judged_by
    ]


def law_rows(runs: Sequence[FinishedRun], labels: Sequence[str]) -> list[LawRow]:
    """A row per run and law; labels: what the runs are called."""
    return [
        _law_row(run, label, name, law)
        for run, label in zip(runs, labels, strict=True)
        for name, law in run.summary["laws"].items()
    ]


def alarm_rows(runs: Sequence[FinishedRun], labels: Sequence[str]) -> list[list[str]]:
    """A row per run and kind of hit: chains alarmed, when, and the guarantee."""
    return [
        [label, *_alarm_cells(alarm)]
        for run, label in zip(runs, labels, strict=True)
        for alarm in run.summary["alarms"]
    ]


def _law_row(run: FinishedRun, label: str, name: str, law: Mapping[str, Any]) -> LawRow:
    measured = run.trajectories.intervals.get(name)
    value = law["values"][-1]
    z = law["z"][-1]
    return LawRow(
        run=label,
        metric=plain(name),
        measured="n/a" if measured is None else measured[-1].text(),
        law="n/a" if value is None else f"{value:.4g}",
        z="n/a" if z is None else f"{z:+.1f}",
        verdict=law["verdict"],
        name=law["law"],
    )


def _alarm_cells(alarm: Mapping[str, Any]) -> list[str]:
    """Kind of hit, chains alarmed, when, and the guarantee."""
    generations = [g for g in alarm["generation"] if g is not None]
    period = "never"
    if generations:
        period = " to ".join(map(str, dict.fromkeys((min(generations), max(generations)))))
    count = f"{len(generations)} of {len(alarm['generation'])}"
    guarantee = GUARANTEES.get(alarm["on"], "no guarantee").format(alarm["alpha"])
    return [alarm["on"], count, period, guarantee]


def _pairing(d: Difference) -> str:
    """What an interval is of: pairs of chains, or two samples of them."""
    if d.paired:
        return f"{int(d.mean.chains)} paired chains"
    return "chains not paired (Welch)"
