"""The verdicts as one self-contained page, as a table for a README, and as strict JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.claims.claim import Bounds, Claim
from nc_testbed.claims.judge import Finding, Verdict
from nc_testbed.claims.runs import Run

COLOURS = {"supported": "#00795a", "refuted": "#b34700", "holds only if": "#005a8f"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem;
  color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 0 0 .3rem }
section { border-top: 1px solid #ccc; padding: 1.2rem 0 }
.verdict { color: #fff; border-radius: .3rem; padding: .05rem .5rem; font-weight: 600;
  white-space: nowrap }
.wide { overflow-x: auto } img { max-width: 100%; min-width: 44rem; height: auto }
table { border-collapse: collapse; font-size: .9rem; min-width: 40rem }
td, th { padding: .2rem .8rem .2rem 0;
  text-align: left; vertical-align: top; border-bottom: 1px solid #eee }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums }
code { font-size: .85rem; overflow-wrap: anywhere } p { margin: .4rem 0 } .small { color: #555;
  font-size: .9rem }
"""


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
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Claims about model collapse</title><style>{STYLE}</style></head><body>"
    lines = "".join(f"<p class='small'>{escape(line)}</p>" for line in about)
    rows = "".join(
        f"<tr><td><a href='#{each.name}'>{escape(each.claim.sentence)}</a></td>"
        f"<td>{_label(each.verdict)}</td><td>{escape(each.verdict.conditions)}</td></tr>"
        for each in judged
    )
    lines += f"<div class='wide'><table>{rows}</table></div>"
    sections = "".join(_section(each, figures[each.name]) for each in judged)
    return f"{head}<h1>Claims about model collapse</h1>{lines}{sections}</body></html>\n"


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


def _section(each: Judged, figure: Figure) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110)
    data = base64.b64encode(picture.getvalue()).decode()
    rows = "".join(
        f"<tr><td>{escape(f.question.asks)}</td><td class='number'>{f.number.text()}</td>"
        f"<td class='number'>{int(f.number.chains)}</td><td>{region(f.question.holds)}</td>"
        f"<td>{f.answer or 'reported'}</td></tr>"
        for f in each.findings
    )
    runs = "".join(
        f"<li>{escape(k)}: <code>{escape(r.command)}</code></li>" for k, r in each.runs.items()
    )
    return (
        f"<section id='{each.name}'><h2>{escape(each.claim.sentence)}</h2>"
        f"<p>{_label(each.verdict)} {escape(each.verdict.conditions)}</p>"
        f"<p>{escape(each.claim.meaning)}</p>"
        f"<p class='small'>Source: {escape(each.claim.source)}</p>"
        f"<div class='wide'><img alt='{escape(each.claim.sentence)}' "
        f"src='data:image/png;base64,{data}'></div>"
        "<div class='wide'><table><tr><th>number</th><th>mean [95% interval]</th><th>chains</th>"
        f"<th>holds if</th><th>answer</th></tr>{rows}</table></div>"
        f"<p class='small'>Again: <code>{escape(each.command)}</code></p>"
        f"<details><summary>{len(each.runs)} runs</summary><ul>{runs}</ul></details></section>"
    )


def _label(verdict: Verdict) -> str:
    colour = COLOURS.get(verdict.kind, "#555")
    return f"<span class='verdict' style='background:{colour}'>{verdict.kind}</span>"


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
