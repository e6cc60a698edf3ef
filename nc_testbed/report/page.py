"""report.html: a sweep, from one sentence per policy to the bytes it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nc_testbed.report import sources
from nc_testbed.report.comparison import Comparison
from nc_testbed.report.differences import differences
from nc_testbed.report.figures.sample_grid import ROWS
from nc_testbed.report.find_runs import GatheredRuns
from nc_testbed.report.page_template import TEMPLATES, render_page
from nc_testbed.report.read_run import FinishedRun
from nc_testbed.report.rendering import Rendering
from nc_testbed.report.sentences import meanings, outcome, overall, plain, what_was_run
from nc_testbed.report.tables import long
from nc_testbed.report.verdict_rows import (
    alarm_rows,
    compare_arms,
    difference_rows,
    law_rows,
)


def render_report(
    renderings: Sequence[Rendering], gathered: GatheredRuns, paths: Sequence[Path]
) -> str:
    """The page as a whole, nothing fetched from anywhere.

    paths: those that the user gave, for the command that makes the report again.
    """
    data = [rendering.compared.data for rendering in renderings]
    return render_page(
        TEMPLATES,
        "report.html.j2",
        title=f"Model collapse: {', '.join(data)}",
        parts=[_part(rendering, gathered.runs, len(data) > 1) for rendering in renderings],
        runs=sources.run_table(gathered.runs),
        software=sources.software(gathered.runs),
        left_out=gathered.left_out,
        commands=sources.rerun_commands(gathered.runs),
        again=sources.next_commands(paths, gathered.runs[0]),
    )


def _part(rendering: Rendering, runs: Sequence[FinishedRun], several: bool) -> dict[str, Any]:
    """What the template says of the arms on one source of data."""
    compared = rendering.compared
    header, rows = long(compared)
    return {
        "data": compared.data,
        "start": f"{compared.data}: " if several else "",
        "has_several_arms": len(compared.arms) > 1,
        "judged_by": plain(str(compared.judged_by)),
        "sentences": what_was_run(compared),
        "outcomes": [(arm.label, outcome(arm, compared)) for arm in compared.arms],
        "meanings": [(plain(name), sentence) for name, sentence in meanings(compared)],
        "changes": _changes(compared),
        "ends": {"header": header, "rows": rows},
        "curves": rendering.section("curve_"),
        "dose": rendering.dose,
        "doses": rendering.section("dose_"),
        "trades": rendering.section("trade_"),
        "samples": _samples(rendering),
        "differing": sources.differing_settings(compared.arms),
        "common": sources.common_settings(compared.arms),
        **_verdicts(compared, runs),
    }


def _changes(compared: Comparison) -> list[tuple[str, str]]:
    """How the overall metrics of each arm moved, within chains."""
    if not compared.per_chain:
        return []
    return [(arm.label, overall(arm, compared)) for arm in compared.arms]


def _samples(rendering: Rendering) -> dict[str, Any] | None:
    """Pictures of samples and what they show, None where no rows were kept."""
    if "strips" not in rendering.pictures:
        return None
    arms = rendering.compared.arms
    note = "Samples of the first chain of every policy, a row each; columns are generations."
    if len(arms) > ROWS:
        note += f" The first {ROWS} of {len(arms)} are shown."
    if arms[0].config["facts"]["event"] == [2]:
        note += " Grey: the samples of the first generation, which was fitted to real rows."
    pictures = rendering.pictures
    return {"note": note, "strip": pictures["strips"], "moving": pictures["samples"]}


def _verdicts(compared: Comparison, runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Differences, statements, laws and alarms of the runs that are compared."""
    label_of = {folder: arm.label for arm in compared.arms for folder in arm.folders}
    members = [run for run in runs if run.folder in label_of]
    labels = [label_of[run.folder] for run in members]
    if len({run.config["seed"] for run in members}) > 1:
        pairs = zip(labels, members, strict=True)
        labels = [f"{label}, seed {run.config['seed']}" for label, run in pairs]
    pairwise = differences(compared)
    return {
        "differences": difference_rows(pairwise),
        "statements": compare_arms(pairwise, compared),
        "laws": law_rows(members, labels),
        "alarms": alarm_rows(members, labels),
    }
