"""The verb ``report``: read finished runs and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import output

HELP = """The story of finished runs: report.html, a table and figures.

nc-testbed report outputs/my_sweep
nc-testbed report outputs/a outputs/b columns=tail_coverage,tv out=comparison

  FOLDER   runs or sweeps; every finished run at or below them is taken
  columns  metrics to show, separated by commas; default: the headline, precision, one quality
  out      the folder written to; default: report/ in the first FOLDER"""


@dataclass(frozen=True)
class ReportSettings:
    """The words of the verb: see HELP."""

    folders: tuple[str, ...]
    columns: tuple[str, ...] = ()
    out: str | None = None


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Write the report; print its table and where it lies."""
    settings = read_command(ReportSettings, words)
    folders = [Path(folder) for folder in settings.folders]
    out = output("out", settings.out or folders[0] / "report")

    from nc_testbed.report.command import report  # torch: not for a word that is wrong

    print(report(folders, out, settings.columns))
    print(f"report: {out / 'report.html'}")
