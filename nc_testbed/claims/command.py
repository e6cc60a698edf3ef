"""The claims: read, their runs made, judged, and the report written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nc_testbed.claims.claim import Claim, Size, load_yaml, read_claims
from nc_testbed.claims.claim_figure import draw_claim
from nc_testbed.claims.claim_runs import ClaimRun, check_runs, make_runs, plan_run
from nc_testbed.claims.judge import answer_questions, claim_verdict
from nc_testbed.claims.verdict_page import (
    JudgedClaim,
    claims_json,
    claims_markdown,
    render_claims,
)
from nc_testbed.config.compose import configurations
from nc_testbed.config.output_dir import CONF, output_of
from nc_testbed.record.directory import write
from nc_testbed.report.arm import Arm, read_arms


@dataclass(frozen=True)
class ClaimsSettings:
    """claims: ``all``, or names separated by commas. size: ``quick`` (a CPU) or ``full``.
    out: the directory written to, null = a new one; runs that are finished there are not
    made again. folder: where the claims' files lie, with ``worlds.yaml`` beside the
    folder."""

    claims: str = "all"
    size: Size = "quick"
    out: str | None = None
    folder: str = str(CONF / "claims")


def judge_claims(settings: ClaimsSettings, say: Callable[[str], None]) -> list[JudgedClaim]:
    """Make the runs of the claims, judge them, write claims.json, claims.md and
    report.html.

    Every setting of every run is checked before the first is made. Raises BadInput.
    """
    start = datetime.now()
    claims = read_claims(Path(settings.folder), settings.claims)
    out = output_of("claims", settings.out)
    runs = _make_all_runs(claims, settings, out, say)
    results = []
    figures = {}
    for name, claim in claims.items():
        arms = {run: read_arms([entry.path])[0] for run, entry in runs[name].items()}
        result = _judge_claim(name, claim, runs[name], arms, settings)
        results.append(result)
        figures[name] = draw_claim(claim, arms, result.answers)
        say(f"{name}: {result.verdict.text}")
    seconds = (datetime.now() - start).total_seconds()
    html = render_claims(results, figures, _remarks(settings, arms, seconds))
    _write_files(out, settings, results, html)
    say(f"report: {out / 'report.html'} ({seconds:.0f} s)")
    return results


def _make_all_runs(
    claims: Mapping[str, Claim],
    settings: ClaimsSettings,
    out: Path,
    say: Callable[[str], None],
) -> dict[str, dict[str, ClaimRun]]:
    """The runs of every claim, each made once however many claims ask for it."""
    worlds = load_yaml(Path(settings.folder).parent / "worlds.yaml")
    with configurations():
        runs = {
            name: {
                run: plan_run(overrides, out / "runs")
                for run, overrides in claim.overrides(settings.size, worlds).items()
            }
            for name, claim in claims.items()
        }
        by_path = {run.path: run for group in runs.values() for run in group.values()}
        distinct = list(by_path.values())
        say(f"{len(claims)} claims, {len(distinct)} runs; interrupted, go on with out={out}")
        check_runs(distinct)
        make_runs(distinct, say)
    return runs


def _judge_claim(
    name: str,
    claim: Claim,
    runs: Mapping[str, ClaimRun],
    arms: Mapping[str, Arm],
    settings: ClaimsSettings,
) -> JudgedClaim:
    """A claim with its verdict, and the command that makes it alone."""
    answers = answer_questions(claim, arms)
    command = f"python scripts/claims.py claims={name} size={settings.size}"
    return JudgedClaim(name, claim, answers, claim_verdict(answers), runs, command)


def _remarks(settings: ClaimsSettings, arms: Mapping[str, Arm], seconds: float) -> list[str]:
    """What stands below the title of the page."""
    device = ", ".join(sorted({device for arm in arms.values() for device in arm.devices}))
    return [
        f"size={settings.size}; {device}; {seconds:.0f} s with the runs that were made.",
        "Rules and runs were fixed in conf/claims before the runs. Intervals are 95% intervals "
        "over chains, each for itself; chains of different policies share their random streams.",
    ]


def _write_files(
    out: Path, settings: ClaimsSettings, results: Sequence[JudgedClaim], html: str
) -> None:
    content = {"size": settings.size, "claims": claims_json(results)}
    write(out / "claims.json", json.dumps(content, indent=1, allow_nan=False).encode())
    write(out / "claims.md", claims_markdown(results).encode())
    write(out / "report.html", html.encode())
