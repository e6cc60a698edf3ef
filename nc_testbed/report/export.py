"""A sweep as one file: ``python scripts/export.py outputs/my_sweep --out sweep.parquet``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nc_testbed.config.compose import HOME
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import BadInput, require

if TYPE_CHECKING:
    from nc_testbed.report.tidy import Sheet

HELP = """One tidy table of finished runs: a row per run, generation, chain and metric.

Columns: run, policy, data, model, seed, every other setting that differs between the runs,
generation, chain, metric, statistic, value, law (the exact law of the mean, where there is one).
statistic is "value" in a chain's row; runs with record.chains=summary have no chain and a row for
each statistic that they kept (mean, low and high of its 95% interval, sd, quantiles)."""


def main() -> None:
    """Write the table and say what is in it; one line and exit status 2 where that cannot be."""
    try:
        print(_export(sys.argv[1:]))
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)


def _export(words: Sequence[str]) -> str:
    def refuse(message: str) -> NoReturn:
        raise BadInput("arguments", " ".join(words), f"{message}; --help shows them")

    parser = argparse.ArgumentParser(
        description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, help="run or sweep directories")
    parser.add_argument("--out", type=Path, required=True, help="file.parquet or file.csv")
    parser.error = refuse  # argparse would print two lines
    arguments = parser.parse_args(words)
    out = _file(arguments.out)

    from nc_testbed.report.tidy import sheet  # pyarrow and torch: not for a word that is wrong

    made = sheet(arguments.paths)
    rows = _write(made, out)
    left = f"; {made.unfinished} unfinished left out" if made.unfinished else ""
    return f"{out}: {len(made.folders)} runs, {rows} rows, {len(made.schema)} columns{left}"


def _file(path: Path) -> Path:
    """The file to be written, in a directory that is there."""
    valid = path.suffix in (".parquet", ".csv") and len(os.fsencode(path.name)) < 200
    require(valid, "--out", path, "name a file that ends in .parquet or .csv")
    folder = output("--out", path.parent, HOME / "outputs")
    require(folder.is_dir(), "--out", path, f"{folder} is not there: make it first")
    return folder / path.name


def _write(contents: Sheet, out: Path) -> int:
    """The table's rows as one file, there as a whole or not at all; how many there are."""
    import pyarrow as pa
    from pyarrow import csv
    from pyarrow import parquet as pq

    temporary = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    writer = pq.ParquetWriter if out.suffix == ".parquet" else csv.CSVWriter
    rows = 0
    try:
        with writer(temporary, contents.schema) as file:
            for table in contents.tables():
                file.write_table(table)
                rows += table.num_rows
        temporary.replace(out)
    except (OSError, pa.ArrowException) as error:
        raise BadInput("--out", out, f"cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return rows
