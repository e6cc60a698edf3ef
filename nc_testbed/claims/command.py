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
    start = datetime.now()
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
        distinct = list({run.path: run for arms in runs.values() for run in arms.values()}.values())
        say(f"{len(claims)} claims, {len(distinct)} runs; interrupted, go on with out={out}")
        check(distinct)
        make(distinct, say)
    verdicts: list[Judged] = []
    figures = {}
    for name, claim in claims.items():
        result, arms = _judge_claim(name, claim, runs[name], settings)
        verdicts.append(result)
        figures[name] = figure(claim, arms, result.findings)
        say(f"{name}: {result.verdict.text}")
    seconds = (datetime.now() - start).total_seconds()
    _write(out, settings, verdicts, page(verdicts, figures, _about(settings, arms, seconds)))
    say(f"report: {out / 'report.html'} ({seconds:.0f} s)")
    return verdicts


def _judge_claim(
    name: str, claim: Claim, runs: Mapping[str, Run], settings: ClaimsSettings
) -> tuple[Judged, dict[str, Arm]]:
    arms = {run: read_runs([entry.path])[0] for run, entry in runs.items()}
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


def _write(out: Path, settings: ClaimsSettings, verdicts: Sequence[Judged], html: str) -> None:
    content = {"size": settings.size, "claims": record(verdicts)}
    write(out / "claims.json", json.dumps(content, indent=1, allow_nan=False).encode())
    write(out / "claims.md", table(verdicts).encode())
    write(out / "report.html", html.encode())
