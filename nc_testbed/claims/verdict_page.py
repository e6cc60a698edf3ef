"""The verdicts as one self-contained page, a table for a README, and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nc_testbed.claims.claim import Bounds, Claim
from nc_testbed.claims.claim_runs import ClaimRun
from nc_testbed.claims.judge import AnsweredQuestion
from nc_testbed.report.page_template import render_page
from nc_testbed.report.picture import Picture, figure_bytes
from nc_testbed.report.verdict import Verdict

TEMPLATES = Path(__file__).parent / "templates"
DPI = 110
"""Dots per inch of a claim's figure: a page of ten claims has to stay small."""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with all that its verdict rests on."""

    name: str
    claim: Claim
    answers: Sequence[AnsweredQuestion]
    verdict: Verdict
    runs: Mapping[str, ClaimRun]
    command: str

    def cells(self) -> list[list[str]]:
        """A row per number: what it is, interval, chains, what it must be, answer."""
        return [
            [
                answered.question.asks,
                answered.number.text(),
                str(int(answered.number.chains)),
                region(answered.question.holds),
                answered.answer or "reported",
            ]
            for answered in self.answers
        ]


def render_claims(
    claims: Sequence[JudgedClaim], figures: Mapping[str, Figure], remarks: Sequence[str]
) -> str:
    """report.html: a section per claim, figures inside, nothing fetched from anywhere.

    figures: by the claim's name. remarks: lines below the title.
    """
    pictures = {
        result.name: Picture(
            {"png": figure_bytes(figures[result.name], dpi=DPI)}, result.claim.sentence
        )
        for result in claims
    }
    return render_page(
        TEMPLATES,
        "claims.html.j2",
        title="Claims about model collapse",
        claims=claims,
        figures=pictures,
        remarks=remarks,
    )


def claims_markdown(claims: Sequence[JudgedClaim]) -> str:
    """Markdown: a row per claim with its verdict, below it every number."""
    lines = ["| claim | verdict | |", "|---|---|---|"]
    for result in claims:
        verdict = result.verdict
        lines.append(f"| {result.claim.sentence} | **{verdict.kind}** | {verdict.conditions} |")
    for result in claims:
        lines += ["", f"## {result.claim.sentence}", ""]
        lines += [result.claim.meaning, "", f"`{result.command}`", ""]
        lines.append("| number | mean, 95% interval | chains | holds if | answer |")
        lines.append("|---|---|---|---|---|")
        lines += [f"| {' | '.join(cells)} |" for cells in result.cells()]
    return "\n".join(lines) + "\n"


def claims_json(claims: Sequence[JudgedClaim]) -> list[dict[str, Any]]:
    """The content of claims.json; what is undefined is null."""
    return [
        {
            "name": result.name,
            "sentence": result.claim.sentence,
            "source": result.claim.source,
            "meaning": result.claim.meaning,
            "verdict": result.verdict.kind,
            "text": result.verdict.text,
            "numbers": [_number(answered) for answered in result.answers],
            "command": result.command,
            "runs": {
                name: {"command": run.command, "folder": str(run.path.name)}
                for name, run in result.runs.items()
            },
        }
        for result in claims
    ]


def region(holds: Bounds | None) -> str:
    """Where a number must lie, in words.

    >>> region(Bounds(above=0, below=1)), region(None)
    ('above 0 and below 1', '')
    """
    if holds is None:
        return ""
    bounds = (("above", holds.above), ("below", holds.below))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _number(answered: AnsweredQuestion) -> dict[str, Any]:
    """One question with its number as plain values; JSON has no NaN."""
    ci = answered.number
    values = {name: float(getattr(ci, name)) for name in ("mean", "low", "high")}
    return {
        "asks": answered.question.asks,
        "holds_if": region(answered.question.holds),
        **{name: value if np.isfinite(value) else None for name, value in values.items()},
        "chains": int(ci.chains),
        "when": answered.question.when,
        "answer": answered.answer,
    }
