"""A plan: what is asked, answered, written to a folder, and tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nc_testbed.config.output_dir import output_of
from nc_testbed.plan.answer import Answer, answer_question
from nc_testbed.plan.one_generation import measure_one_generation
from nc_testbed.plan.question import Request, parse_request
from nc_testbed.plan.sweep import SweepPoint, sweep_k
from nc_testbed.plan.text import answer_lines, plan_json, sweep_table, sweep_verdict
from nc_testbed.record.directory import write


def plan(words: Sequence[str]) -> Path:
    """Answer one command line in the directory of ``out=``, or a new one, and return it.

    It holds plan.json, and with ``verify=true`` plan.png and the runs. Raises BadInput
    before anything is created; only what a run of the sweep cannot have (memory) is found
    out later.
    """
    out = [word.partition("=")[2] for word in words if word.startswith("out=")]
    words = [word for word in words if not word.startswith("out=")]
    folder = output_of("plan", out[-1] if out else None)
    request = parse_request(words)
    answer = answer_question(request.question, measure_one_generation(request))
    print("\n".join(answer_lines(answer)), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder, answer, words, [])
    if request.question.verify:
        points = list(sweep_k(request, answer, folder))
        print("\n".join(["", *answer_lines(answer), "", *sweep_table(points)]))
        print("\n".join(sweep_verdict(points, request.question.tolerance)))
        _write_json(folder, answer, words, points)
        _write_figure(folder, request, answer, points)
    return folder


def _write_json(
    folder: Path, answer: Answer, words: Sequence[str], points: Sequence[SweepPoint]
) -> None:
    text = json.dumps(plan_json(answer, words, points), indent=1, allow_nan=False)
    write(folder / "plan.json", text.encode())


def _write_figure(
    folder: Path, request: Request, answer: Answer, points: Sequence[SweepPoint]
) -> None:
    from nc_testbed.plan.plan_figure import (
        draw_plan,
    )  # matplotlib: only for a verified plan

    title = " ".join(request.overrides)
    figure = draw_plan(answer, points, f"{title}; 95% intervals")
    figure.savefig(folder / "plan.png", dpi=150)
