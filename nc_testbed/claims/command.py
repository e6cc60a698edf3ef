"""python scripts/claims.py: read the claims, make their runs, judge, and write the report."""

from __future__ import annotations

import json
import sys
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
from nc_testbed.config.build import build, keyed
from nc_testbed.config.compose import CONF, HOME, configurations
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import BadInput
from nc_testbed.record.directory import write
from nc_testbed.report.arm import Arm, read_arms

HELP = """A verdict on every claim.

python scripts/claims.py                                          all claims, on a CPU
python scripts/claims.py claims=one_datapoint size=full           one of them, on a GPU

  claims   all (default), or names of conf/claims, separated by commas
  size     quick (default) or full: the worlds of conf/worlds.yaml
  out      a directory; one that was begun is gone on with, its finished runs are kept
  folder   other claims than the project's: a folder of files like those of conf/claims,
           with a worlds.yaml beside the folder"""


@dataclass(frozen=True)
class ClaimsSettings:
    """claims: ``all``, or names separated by commas. size: ``quick`` (a CPU) or ``full``. out:
    the directory written to, null = a new one; runs that are finished there are not made again.
    folder: where the claims' files lie, with ``worlds.yaml`` beside the folder."""

    claims: str = "all"
    size: Size = "quick"
    out: str | None = None
    folder: str = str(CONF / "claims")


def main() -> None:
    """Print one line and exit with 2 for what cannot be run; else make, judge and write."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(HELP)
        return
    try:
        judge(build(ClaimsSettings, keyed(sys.argv[1:])), print)
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)


def judge(settings: ClaimsSettings, say: Callable[[str], None]) -> list[JudgedClaim]:
    """Make the runs of the claims, judge them and write claims.json, claims.md and report.html.

    Every setting of every run is checked before the first is made. Raises BadInput.
    """
    began = datetime.now()
    folder = Path(settings.folder)
    claims = read_claims(folder, settings.claims)
    worlds = load_yaml(folder.parent / "worlds.yaml")
    now = began.strftime("%Y-%m-%d_%H-%M-%S")
    out = output("out", settings.out or HOME / "outputs" / "claims" / now, HOME / "outputs")
    with configurations():
        runs = {
            name: {
                k: plan_run(v, out / "runs")
                for k, v in claim.overrides(settings.size, worlds).items()
            }
            for name, claim in claims.items()
        }
        distinct = list({run.path: run for mine in runs.values() for run in mine.values()}.values())
        say(f"{len(claims)} claims, {len(distinct)} runs; interrupted, go on with out={out}")
        check_runs(distinct)
        make_runs(distinct, say)
    judged, figures = [], {}
    for name, claim in claims.items():
        each, arms = _judged(name, claim, runs[name], settings)
        judged.append(each)
        figures[name] = draw_claim(claim, arms, each.answers)
        say(f"{name}: {each.verdict.text}")
    seconds = (datetime.now() - began).total_seconds()
    _write(out, settings, judged, render_claims(judged, figures, _about(settings, arms, seconds)))
    say(f"report: {out / 'report.html'} ({seconds:.0f} s)")
    return judged


def _judged(
    name: str, claim: Claim, runs: Mapping[str, ClaimRun], settings: ClaimsSettings
) -> tuple[JudgedClaim, dict[str, Arm]]:
    arms = {run: read_arms([made.path])[0] for run, made in runs.items()}
    answers = answer_questions(claim, arms)
    command = f"python scripts/claims.py claims={name} size={settings.size}"
    return JudgedClaim(name, claim, answers, claim_verdict(answers), runs, command), arms


def _about(settings: ClaimsSettings, arms: Mapping[str, Arm], seconds: float) -> list[str]:
    device = ", ".join(sorted({device for arm in arms.values() for device in arm.devices}))
    return [
        f"size={settings.size}; {device}; {seconds:.0f} s with the runs that were made.",
        "Rules and runs were fixed in conf/claims before the runs. Intervals are 95% intervals "
        "over chains, each for itself; chains of different policies share their random streams.",
    ]


def _write(out: Path, settings: ClaimsSettings, judged: Sequence[JudgedClaim], html: str) -> None:
    content = {"size": settings.size, "claims": claims_json(judged)}
    write(out / "claims.json", json.dumps(content, indent=1, allow_nan=False).encode())
    write(out / "claims.md", claims_markdown(judged).encode())
    write(out / "report.html", html.encode())
