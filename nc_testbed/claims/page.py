"""The verdicts as one self-contained page, as a table for a README, and as strict JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.claims.claim import Bounds, Claim
from nc_testbed.claims.judge import Finding, Verdict
from nc_testbed.claims.runs import Run
from nc_testbed.report.markup import Html, badge, document, drawn, element, image, joined
from nc_testbed.report.markup import table as rows_of


@dataclass(frozen=True)
class Judged:
    """A claim with all that its verdict rests on."""

    name: str
    claim: Claim
    findings: Sequence[Finding]
    verdict: Verdict
    runs: Mapping[str, Run]
    command: str


def page(judged: Sequence[Judged], figures: Mapping[str, Figure], about: Sequence[str]) -> str:
    """report.html: a section per claim, figures inside, nothing fetched from anywhere."""
    title = "Claims about model collapse"
    rows = [
        (
            element("a", each.claim.sentence, f"href='#{each.name}'"),
            badge(each.verdict.kind),
            each.verdict.conditions,
        )
        for each in judged
    ]
    body = [element("h1", title), *(element("p", line, "class='small'") for line in about)]
    body += [rows_of(("claim", "verdict", "where"), rows)]
    body += [_section(each, figures[each.name]) for each in judged]
    return document(title, joined(body))


def table(judged: Sequence[Judged]) -> str:
    """Markdown: a row per claim with its verdict, and below it every number of every claim."""
    lines = ["| claim | verdict | |", "|---|---|---|"]
    for each in judged:
        made = each.verdict
        lines.append(f"| {each.claim.sentence} | **{made.kind}** | {made.conditions} |")
    for each in judged:
        lines += [
            "",
            f"## {each.claim.sentence}",
            "",
            each.claim.meaning,
            "",
            f"`{each.command}`",
            "",
        ]
        lines += [
            "| number | mean, 95% interval | chains | holds if | answer |",
            "|---|---|---|---|---|",
        ]
        for f in each.findings:
            cells = [f.question.asks, f.number.text(), str(f.number.chains)]
            cells += [region(f.question.holds), f.answer or "reported"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def record(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The content of claims.json; what is undefined is null."""
    return [
        {
            "name": each.name,
            "sentence": each.claim.sentence,
            "source": each.claim.source,
            "meaning": each.claim.meaning,
            "verdict": each.verdict.kind,
            "text": each.verdict.text,
            "numbers": [_number(finding) for finding in each.findings],
            "command": each.command,
            "runs": {
                name: {"command": run.command, "folder": str(run.path.name)}
                for name, run in each.runs.items()
            },
        }
        for each in judged
    ]


def _section(each: Judged, figure: Figure) -> Html:
    rows = [
        (
            f.question.asks,
            f.number.text(),
            str(int(f.number.chains)),
            region(f.question.holds),
            f.answer or "reported",
        )
        for f in each.findings
    ]
    runs = joined(
        element("li", joined([f"{name}: ", element("code", run.command)]))
        for name, run in each.runs.items()
    )
    numbers = ("number", "mean [95% interval]", "chains", "holds if", "answer")
    parts = [
        element("h2", each.claim.sentence),
        element("p", joined([badge(each.verdict.kind), f" {each.verdict.conditions}"])),
        element("p", each.claim.meaning),
        element("p", f"Source: {each.claim.source}", "class='small'"),
        element("div", image(drawn(figure, dpi=110), each.claim.sentence), "class='wide'"),
        rows_of(numbers, rows),
        element("p", joined(["Again: ", element("code", each.command)]), "class='small'"),
        element(
            "details",
            joined([element("summary", f"{len(each.runs)} runs"), element("ul", runs)]),
        ),
    ]
    return element("section", joined(parts), f"id='{each.name}'")


def region(holds: Bounds | None) -> str:
    """Where a number must lie, in words.

    >>> region(Bounds(above=0, below=1)), region(None)
    ('above 0 and below 1', '')
    """
    if holds is None:
        return ""
    ends = (("above", holds.above), ("below", holds.below))
    return " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)


def _number(finding: Finding) -> dict[str, Any]:
    ci, ends = finding.number, {}
    for name in ("mean", "low", "high"):
        end = float(getattr(ci, name))
        ends[name] = end if np.isfinite(end) else None
    asked = {"asks": finding.question.asks, "holds_if": region(finding.question.holds)}
    when = {"when": finding.question.when, "answer": finding.answer}
    return {**asked, **ends, "chains": int(ci.chains), **when}
