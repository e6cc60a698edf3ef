"""The command line of a plan."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from nc_testbed.config.compose import HOME
from nc_testbed.core.errors import BadInput
from nc_testbed.plan.answer import Answer, answer_question
from nc_testbed.plan.one_generation import measure_one_generation
from nc_testbed.plan.question import PLAN_KEYS, Request, parse_request
from nc_testbed.plan.sweep import SweepPoint, sweep_k
from nc_testbed.plan.text import answer_lines, plan_json, sweep_table, sweep_verdict
from nc_testbed.record.directory import write

HELP = f"""How much real data do I need?

python scripts/plan.py model=vae data=digits tolerance=0.1
python scripts/plan.py model=bernoulli data=bernoulli n=1000 tolerance=0.02 verify=true

Its own keys: {", ".join(PLAN_KEYS)}.
  tolerance     largest distance from the truth, in units of the metric (needed)
  metric        a column; default: the headline, of a family its mean
  probability   with which the tail class is to be present; default 0.95
  tail          share of that class; default: the rarest
  verify        true: sweep k around the answer and draw prediction against measurement
  source        fresh (default) or pool: where the real rows come from
  generations   at most so many in a verifying run
All other keys are those of scripts/train.py, without policy."""


def main(words: Sequence[str] | None = None) -> None:
    """Measure, answer, and with ``verify=true`` try; one line and exit code 2 for bad input."""
    words = list(sys.argv[1:] if words is None else words)
    if not words or {"-h", "--help"} & set(words):
        print(HELP)
        return
    try:
        folder = plan(words, HOME / "outputs" / "plan")
    except BadInput as complaint:
        print(f"nc_testbed: {complaint}", file=sys.stderr)
        sys.exit(2)
    print(f"plan: {folder}")


def plan(words: Sequence[str], parent: Path) -> Path:
    """Answer one command line in a new directory below ``parent``; returns the directory.

    It holds plan.json, and with ``verify=true`` plan.png and the runs. Raises BadInput before
    anything is created; only what a run of the sweep cannot have (memory) is found out later.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # extensions may lie there
    asked = parse_request(words)
    found = answer_question(asked.question, measure_one_generation(asked))
    print("\n".join(answer_lines(found)), flush=True)
    folder = parent / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    _keep(folder, found, words, [])
    if asked.question.verify:
        tried = list(sweep_k(asked, found, folder))
        print("\n".join(["", *answer_lines(found), "", *sweep_table(tried)]))
        print("\n".join(sweep_verdict(tried, asked.question.tolerance)))
        _keep(folder, found, words, tried)
        _draw(folder, asked, found, tried)
    return folder


def _keep(folder: Path, found: Answer, words: Sequence[str], tried: Sequence[SweepPoint]) -> None:
    text = json.dumps(plan_json(found, words, tried), indent=1, allow_nan=False)
    write(folder / "plan.json", text.encode())


def _draw(folder: Path, asked: Request, found: Answer, tried: Sequence[SweepPoint]) -> None:
    from nc_testbed.plan.plan_figure import draw_plan  # matplotlib: only for a verified plan

    title = " ".join(asked.overrides)
    draw_plan(found, tried, f"{title}; 95% intervals").savefig(folder / "plan.png", dpi=150)
