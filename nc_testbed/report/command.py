"""The report of finished runs, written to a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nc_testbed.core.errors import BadInput
from nc_testbed.record.directory import write
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.gather import gather
from nc_testbed.report.page import page
from nc_testbed.report.rendering import shown
from nc_testbed.report.tables import markdown


def report(paths: Sequence[Path], out: Path, columns: Sequence[str] = ()) -> str:
    """Write report.html, table.md and figures/ to ``out``; return the table and what is left out.

    paths: run or sweep directories; every finished run at or below them is taken. columns:
    the metrics shown, by default headline, precision and one overall quality. Nothing is there
    before everything is drawn. Raises BadInput if there is no run, if a column is missing in
    one, or where ``out`` cannot be written.
    """
    gathered = gather(paths)
    compared = comparisons(gathered.runs, columns)
    sections = [shown(comparison) for comparison in compared]
    html = page(sections, gathered, paths)
    table = "\n".join(markdown(comparison) for comparison in compared)
    files = {Path("report.html"): html.encode(), Path("table.md"): table.encode()}
    for section in sections:
        start = f"{section.compared.data}_" if len(sections) > 1 else ""
        for name, picture in section.pictures.items():
            for kind, data in picture.files.items():
                plain = re.sub(r"[^\w.-]", "_", f"{start}{name}")  # names come from files of runs
                files[Path("figures", f"{plain}.{kind}")] = data
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write(out / name, data)
    except OSError as error:
        raise BadInput("out", out, f"cannot be written ({error.strerror})") from None
    return "\n".join([table, *(f"left out: {line}" for line in gathered.left_out)])
