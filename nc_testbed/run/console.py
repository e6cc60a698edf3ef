"""What a run says while it works and when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, TextIO

from rich import box
from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from nc_testbed.metrics.column import Columns, is_of_class
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.run.run_end import closing_remarks, final_table

LINES = 50
"""About so many generations get a line of their own in a log."""
FEWEST = 6
"""Rows of the last table that even the lowest terminal gets."""
REFRESH = 0.1
"""Seconds between two refreshes of the progress line."""


class Console:
    """One progress line on a terminal, one plain line per generation anywhere else.

    generations: how many the run will have; start: the first that remains to be done.
    statistics: what its means and their intervals rest on. Use it as a context manager,
    so that the progress line is taken away however the run ends.
    """

    def __init__(
        self,
        generations: int,
        start: int = 0,
        statistics: ChainStatistics | None = None,
        stream: TextIO | None = None,
    ):
        self._statistics = statistics or ChainStatistics(Columns({}))
        self._stream = stream or sys.stdout
        self._generations = generations
        self._now = start
        self._refreshed = 0.0
        terminal = Terminal(file=self._stream)
        self._terminal = terminal if _is_terminal(terminal, self._stream) else None
        self._progress = Progress(
            TextColumn("generation {task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[step]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[last]}"),
            console=terminal,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(
            self._place(), total=generations, completed=start, step="", last=""
        )

    def __enter__(self) -> Console:
        if self._terminal is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def step(self, done: int, total: int) -> None:
        """Tell of ``done`` steps of ``total`` in the current fit; cheap enough for every
        step."""
        if self._terminal is None or time.monotonic() < self._refreshed + REFRESH:
            return
        self._refreshed = time.monotonic()
        share = done / max(total, 1)
        self._update(completed=self._now + share, step=f"step {done}/{total}")

    def generation(self, g: int, seconds: float, record: Mapping[str, Tensor]) -> None:
        """Tell that generation ``g`` took so many seconds; ``record`` is {metric:
        [R]}."""
        means = {
            name: self._statistics.interval(name, record[name].to("cpu").numpy())
            for name in self._statistics.columns.beside(record)
        }
        self._now = g + 1
        if self._terminal is None:
            if g % -(-self._generations // LINES) and g < self._generations - 1:
                return
            progress = f"generation {g}/{self._generations - 1}  {seconds:.1f} s"
            self._line(
                "  ".join([progress, *(f"{name} {ci.text()}" for name, ci in means.items())])
            )
        else:
            last = next((f"{name} {float(ci.mean):.3g}" for name, ci in means.items()), "")
            self._update(completed=g + 1, description=self._place(), step="", last=last)

    def finish(self, summary: Mapping[str, Any], path: Path) -> None:
        """Print the last and first generation's means with intervals (of fewer than eight
        chains their values) beside what the controls read, and where the run is.

        Columns of single classes stay in metrics.parquet and are only counted here. A
        terminal gets as many columns as it has lines for, the headline first.
        """
        self._stop()
        rows = {k: v for k, v in summary["metrics"].items() if not is_of_class(k)}
        notes = closing_remarks(summary, len(summary["metrics"]) - len(rows))
        names = list(rows)
        if self._terminal is not None:
            # Lines around the rows: the table's head and end, two rows on the spread of the
            # headline, the advice, the prompt.
            names = names[: max(FEWEST, self._terminal.height - len(notes) - 11)]
        header, cells = final_table(summary, names, is_narrow=self._terminal is not None)
        if self._terminal is None:
            self._plain(header, cells)
        else:
            self._table(header, cells)
        if len(names) < len(rows):
            self._line(f"{len(rows) - len(names)} more columns are in summary.json")
        for line in notes:
            self._line(line)
        command, link = advice(path)
        self._line(f"run: {path}")
        self._line(f"see it: {command}")
        self._line(f"   then {link} (untick 'Ignore outliers')")

    def _place(self) -> str:
        return f"{min(self._now, self._generations - 1)}/{self._generations - 1}"

    def _update(self, **fields: Any) -> None:
        self._progress.update(self._task, **fields)
        self._progress.refresh()

    def _stop(self) -> None:
        if self._terminal is not None:
            self._progress.stop()

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _plain(self, header: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        wide = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
        for row in (header, *cells):
            padded = (cell.ljust(width) for cell, width in zip(row, wide, strict=True))
            self._line("  ".join(padded).rstrip())

    def _table(self, header: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        for name in header:
            table.add_column(name, no_wrap=True)
        for i, row in enumerate(cells):
            table.add_row(*map(escape, row), style="bold" * (i == 0))
        assert self._terminal is not None
        self._terminal.print(table)


def advice(run: Path) -> tuple[str, str]:
    """The command that shows a run in TensorBoard, and the link to open.

    The link turns smoothing off, for old and new pages: 0.6, the default, hides a fall
    within ten generations. It must be said beside it that "Ignore outliers", which no
    link can turn off, cuts generation 0 from a chart that falls steeply.
    """
    command = f"tensorboard --logdir {quote(str(run))} --host 127.0.0.1"
    link = "http://127.0.0.1:6006/?smoothing=0#custom_scalars&_smoothingWeight=0"
    return f"{command} --samples_per_plugin images=100", link


def _is_terminal(terminal: Terminal, stream: TextIO) -> bool:
    # The stream is asked, not rich, which takes FORCE_COLOR in a log file for a terminal.
    return stream.isatty() and not terminal.is_dumb_terminal
