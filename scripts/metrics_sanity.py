"""Write docs/metrics_sanity.md: ``python scripts/metrics_sanity.py [checks] [controls]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nc_testbed.bench.sanity import run_checks, verdicts
from nc_testbed.bench.sanity_controls import measure_controls
from nc_testbed.bench.sanity_page import HEAD, controls_section, page

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "metrics_sanity.md"
SECTIONS = ("checks", "controls")


def main(sections: list[str]) -> None:
    """Make these sections anew, by default both; a section that is not made stays as it
    was."""
    text = PAGE.read_text() if PAGE.is_file() else HEAD
    parts = dict(zip(SECTIONS, split(text), strict=True))
    if "checks" in sections:
        results = run_checks()
        parts["checks"] = page(verdicts(results), results)
    if "controls" in sections:
        parts["controls"] = controls_section(measure_controls())
    PAGE.write_text("\n".join([HEAD, *(part for part in parts.values() if part)]))
    print(json.dumps({"page": str(PAGE), "made": sections}))


def split(text: str) -> tuple[str, str]:
    """The two sections of a page, "" where one is not there."""
    _, _, checks = text.partition("## Checks\n")
    checks, _, controls = checks.partition("## Controls\n")
    return (
        f"## Checks\n{checks.rstrip()}\n" if checks else "",
        f"## Controls\n{controls}" if controls else "",
    )


if __name__ == "__main__":
    main(sys.argv[1:] or list(SECTIONS))
