"""The verb ``export``: finished runs as one tidy table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import BadInput, require

if TYPE_CHECKING:
    from nc_testbed.report.tidy import Sheet

HELP = """One tidy table of finished runs: a row per run, generation, chain and metric.
With data=: a chain's training rows, to train a model of your own on.

nc-testbed export outputs/my_sweep out=sweep.parquet
nc-testbed export data=mnist_lt chain=0 out=train.npz

  FOLDER   runs or sweeps; every finished run at or below them is taken
  data     the real rows, as of train, in place of folders
  chain    whose rows, 0 the first: which class is rare depends on it; default 0
  out      a file that ends in .parquet or .csv, with data= in .npz (needed)

Columns: run, policy, data, model, seed, every other setting that differs between the runs,
generation, chain, metric, statistic, value, law (the exact law of the mean, where there is one).
statistic is "value" in a chain's row; runs with record.chains=summary have no chain and a row for
each statistic that they kept (mean, low and high of its 95% interval, sd, quantiles)."""


@dataclass(frozen=True)
class ExportSettings:
    """The words of the verb: see HELP."""

    folders: tuple[str, ...]
    out: str = ""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Write the table; print where it lies and what is in it."""
    if any(word.startswith("data=") for word in words):
        from nc_testbed.cli.export_training import export_training  # few words ask for it

        return export_training(words)
    settings = read_command(ExportSettings, words)
    out = _check_file(Path(settings.out))

    from nc_testbed.report.tidy import sheet  # pyarrow and torch: not for a word that is wrong

    table = sheet([Path(folder) for folder in settings.folders])
    rows = _write(table, out)
    unfinished = f"; {table.unfinished} unfinished left out" if table.unfinished else ""
    columns = len(table.schema)
    print(f"{out}: {len(table.folders)} runs, {rows} rows, {columns} columns{unfinished}")


def _check_file(file: Path) -> Path:
    """The file to be written, in a directory that exists."""
    is_table = file.suffix in (".parquet", ".csv") and len(os.fsencode(file.name)) < 200
    require(is_table, "out", file, "name a file that ends in .parquet or .csv")
    folder = output("out", file.parent)
    require(folder.is_dir(), "out", file, f"{folder} is not there: make it first")
    return folder / file.name


def _write(table: Sheet, out: Path) -> int:
    """The table's rows as one file, there as a
    whole or not at all; how many there are."""
    import pyarrow as pa
    from pyarrow import csv
    from pyarrow import parquet as pq

    temporary = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    writer = pq.ParquetWriter if out.suffix == ".parquet" else csv.CSVWriter
    rows = 0
    try:
        with writer(temporary, table.schema) as file:
            for part in table.tables():
                file.write_table(part)
                rows += part.num_rows
        temporary.replace(out)
    except (OSError, pa.ArrowException) as error:
        raise BadInput("out", out, f"cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return rows
