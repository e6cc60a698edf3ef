"""python scripts/report.py: read finished runs and write the report."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nc_testbed.config.compose import HOME
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import BadInput
from nc_testbed.record.directory import write
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.page import render_report
from nc_testbed.report.rendering import render_comparison
from nc_testbed.report.tables import markdown


def main() -> None:
    """Print one line and exit with 2 for what cannot be read; else write, and print the table."""
    try:
        arguments = _arguments()
        paths = arguments.paths
        out = output("--out", arguments.out or paths[0] / "report", HOME / "outputs")
        told = report(paths, out, arguments.columns)
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)
    print(told)
    print(f"report: {out / 'report.html'}")


def report(paths: Sequence[Path], out: Path, columns: Sequence[str] = ()) -> str:
    """Write report.html, table.md and figures/ to ``out``; return the table and what is left out.

    paths: run or sweep directories; every finished run at or below them is taken. columns:
    the metrics shown, by default headline, precision and one overall quality. Nothing is there
    before everything is drawn. Raises BadInput if there is no run, if a column is missing in
    one, or where ``out`` cannot be written.
    """
    gathered = gather_runs(paths)
    compared = comparisons(gathered.runs, columns)
    drawn = [render_comparison(one) for one in compared]
    html = render_report(drawn, gathered, paths)
    table = "\n".join(markdown(one) for one in compared)
    files = {Path("report.html"): html.encode(), Path("table.md"): table.encode()}
    for one in drawn:
        start = f"{one.compared.data}_" if len(drawn) > 1 else ""
        for name, picture in one.pictures.items():
            for kind, data in picture.files.items():
                plain = re.sub(r"[^\w.-]", "_", f"{start}{name}")  # names come from files of runs
                files[Path("figures", f"{plain}.{kind}")] = data
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write(out / name, data)
    except OSError as error:
        raise BadInput("--out", out, f"cannot be written ({error.strerror})") from None
    return "\n".join([table, *(f"left out: {line}" for line in gathered.left_out)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="The story of finished runs: report.html, a table and figures."
    )
    parser.add_argument("paths", nargs="+", type=Path, help="run or sweep directories")
    parser.add_argument(
        "--out", type=Path, help="where it is written; default: report/ in the first directory"
    )
    parser.add_argument("--columns", nargs="+", default=(), help="metrics to show")

    def refuse(message: str) -> NoReturn:
        raise BadInput("arguments", " ".join(sys.argv[1:]), f"{message}; --help shows them")

    parser.error = refuse  # argparse would print two lines
    return parser.parse_args()
