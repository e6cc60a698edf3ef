"""The report of finished runs, written to a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nc_testbed.core.errors import BadInput
from nc_testbed.record.directory import write
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.page import render_report
from nc_testbed.report.rendering import Rendering, render_comparison
from nc_testbed.report.tables import markdown


def report(paths: Sequence[Path], out: Path, columns: Sequence[str] = ()) -> str:
    """Write report.html, table.md and figures/ to ``out``; return the table and what was
    omitted.

    paths: run or sweep directories; every finished run at or below them is taken.
    columns: the metrics shown, by default headline, precision and one overall quality.
    Nothing is there before everything is drawn. Raises BadInput if there is no run, if a
    column is missing in one, or where ``out`` cannot be written.
    """
    gathered = gather_runs(paths)
    compared = comparisons(gathered.runs, columns)
    renderings = [render_comparison(comparison) for comparison in compared]
    table = "\n".join(markdown(comparison) for comparison in compared)
    files = {
        Path("report.html"): render_report(renderings, gathered, paths).encode(),
        Path("table.md"): table.encode(),
        **_figure_files(renderings),
    }
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write(out / name, data)
    except OSError as error:
        raise BadInput("out", out, f"cannot be written ({error.strerror})") from None
    return "\n".join([table, *(f"left out: {line}" for line in gathered.left_out)])


def _figure_files(renderings: Sequence[Rendering]) -> dict[Path, bytes]:
    """Every picture's files by their names; several data have their names in front."""
    files = {}
    for rendering in renderings:
        start = f"{rendering.compared.data}_" if len(renderings) > 1 else ""
        for name, picture in rendering.pictures.items():
            # Names come from files of runs: what could lead out of the folder is replaced.
            stem = re.sub(r"[^\w.-]", "_", f"{start}{name}")
            for kind, data in picture.files.items():
                files[Path("figures", f"{stem}.{kind}")] = data
    return files
