"""The claims: read, their runs made, judged, and the report written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nc_testbed.claims.claim import Claim, Size, load, read
from nc_testbed.claims.figure import figure
from nc_testbed.claims.judge import find, verdict
from nc_testbed.claims.page import Judged, page, record, table
from nc_testbed.claims.runs import Run, check, make, planned
from nc_testbed.config.compose import configurations
from nc_testbed.config.output_dir import CONF, output_of
from nc_testbed.record.directory import write
from nc_testbed.report.compare import Arm
from nc_testbed.report.compare import read as read_runs


@dataclass(frozen=True)
class ClaimsSettings:
    """claims: ``all``, or names separated by commas. size: ``quick`` (a CPU) or ``full``. out:
    the directory written to, null = a new one; runs that are finished there are not made again.
    folder: where the claims' files lie, with ``worlds.yaml`` beside the folder."""

    claims: str = "all"
    size: Size = "quick"
    out: str | None = None
    folder: str = str(CONF / "claims")


def judge(settings: ClaimsSettings, say: Callable[[str], None]) -> list[Judged]:
    """Make the runs of the claims, judge them and write claims.json, claims.md and report.html.

    Every setting of every run is checked before the first is made. Raises BadInput.
    """
    began = datetime.now()
    folder = Path(settings.folder)
    claims = read(folder, settings.claims)
    worlds = load(folder.parent / "worlds.yaml")
    out = output_of("claims", settings.out)
    with configurations():
        runs = {
            name: {
                k: planned(v, out / "runs")
                for k, v in claim.overrides(settings.size, worlds).items()
            }
            for name, claim in claims.items()
        }
        distinct = list({run.path: run for mine in runs.values() for run in mine.values()}.values())
        say(f"{len(claims)} claims, {len(distinct)} runs; interrupted, go on with out={out}")
        check(distinct)
        make(distinct, say)
    judged, figures = [], {}
    for name, claim in claims.items():
        each, arms = _judged(name, claim, runs[name], settings)
        judged.append(each)
        figures[name] = figure(claim, arms, each.findings)
        say(f"{name}: {each.verdict.text}")
    seconds = (datetime.now() - began).total_seconds()
    _write(out, settings, judged, page(judged, figures, _about(settings, arms, seconds)))
    say(f"report: {out / 'report.html'} ({seconds:.0f} s)")
    return judged


def _judged(
    name: str, claim: Claim, runs: Mapping[str, Run], settings: ClaimsSettings
) -> tuple[Judged, dict[str, Arm]]:
    arms = {run: read_runs([made.path])[0] for run, made in runs.items()}
    findings = find(claim, arms)
    command = f"python scripts/claims.py claims={name} size={settings.size}"
    return Judged(name, claim, findings, verdict(findings), runs, command), arms


def _about(settings: ClaimsSettings, arms: Mapping[str, Arm], seconds: float) -> list[str]:
    device = ", ".join(sorted({device for arm in arms.values() for device in arm.devices}))
    return [
        f"size={settings.size}; {device}; {seconds:.0f} s with the runs that were made.",
        "Rules and runs were fixed in conf/claims before the runs. Intervals are 95% intervals "
        "over chains, each for itself; chains of different policies share their random streams.",
    ]


def _write(out: Path, settings: ClaimsSettings, judged: Sequence[Judged], html: str) -> None:
    content = {"size": settings.size, "claims": record(judged)}
    write(out / "claims.json", json.dumps(content, indent=1, allow_nan=False).encode())
    write(out / "claims.md", table(judged).encode())
    write(out / "report.html", html.encode())
