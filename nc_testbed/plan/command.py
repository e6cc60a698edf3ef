"""A plan: a question answered, kept in a folder, and tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nc_testbed.config.output_dir import output_of
from nc_testbed.plan.answer import Answer, answer
from nc_testbed.plan.measure import measure
from nc_testbed.plan.question import Request, request
from nc_testbed.plan.sweep import Tried, sweep
from nc_testbed.plan.text import content, lines, table, verdict
from nc_testbed.record.directory import write


def plan(words: Sequence[str]) -> Path:
    """Answer one command line in the directory of ``out=``, or a new one; returns the directory.

    It holds plan.json, and with ``verify=true`` plan.png and the runs. Raises BadInput before
    anything is created; only what a run of the sweep cannot have (memory) is found out later.
    """
    out = [word.partition("=")[2] for word in words if word.startswith("out=")]
    words = [word for word in words if not word.startswith("out=")]
    folder = output_of("plan", out[-1] if out else None)
    query = request(words)
    result = answer(query.question, measure(query))
    print("\n".join(lines(result)), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    _keep(folder, result, words, [])
    if query.question.verify:
        trials = list(sweep(query, result, folder))
        print("\n".join(["", *lines(result), "", *table(trials)]))
        print("\n".join(verdict(trials, query.question.tolerance)))
        _keep(folder, result, words, trials)
        _draw(folder, query, result, trials)
    return folder


def _keep(folder: Path, result: Answer, words: Sequence[str], trials: Sequence[Tried]) -> None:
    """Write plan.json."""
    text = json.dumps(content(result, words, trials), indent=1, allow_nan=False)
    write(folder / "plan.json", text.encode())


def _draw(folder: Path, query: Request, result: Answer, trials: Sequence[Tried]) -> None:
    """Write plan.png: prediction against measurement, by k."""
    from nc_testbed.plan.figure import figure  # matplotlib: only for a verified plan

    title = " ".join(query.overrides)
    figure(result, trials, f"{title}; 95% intervals").savefig(folder / "plan.png", dpi=150)
