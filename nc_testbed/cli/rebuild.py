"""The command line that makes a run's TensorBoard view anew from its record."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nc_testbed.cli.resume import run_settings
from nc_testbed.config.config_file import stored
from nc_testbed.core.errors import BadInput, require
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.record.directory import RunDirectory
from nc_testbed.run.execute import laws_of
from nc_testbed.run.prepare import prepare
from nc_testbed.view.tensorboard import rebuild

HELP = """Make the TensorBoard view of a run anew, from its record alone.

python scripts/rebuild_dashboard.py outputs/my_run"""


def main(words: Sequence[str] | None = None) -> None:
    """Rebuild the views of the runs that are named; exit with 2 where there is none."""
    words = sys.argv[1:] if words is None else words
    if not words or {"-h", "--help"} & set(words):
        print(HELP)
        return
    try:
        for word in words:
            print(f"{rebuilt(Path(word))} generations: {Path(word) / 'tensorboard'}")
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)


def rebuilt(run: Path) -> int:
    """Write ``tensorboard/`` of a run anew; the number of generations that its record holds.

    Data and exact laws are read or computed again. Raises BadInput where there is no run, or
    where its settings or data are no longer understood.
    """
    settings = run_settings(run, "run")
    config = stored(run) or {}
    directory = RunDirectory(run)
    prepared = prepare(settings)
    world: Any = prepared if isinstance(prepared, Laboratory) else prepared.settings
    wanted = world.recorded if isinstance(world, Laboratory) else range(world.generations)
    there = wanted[: directory.count_committed(wanted, config)]
    require(len(there) > 0, "run", run, "its record holds no generation yet")
    directory.read_tables(there)
    data = None if isinstance(prepared, Laboratory) else prepared.data
    board = rebuild(run, config, directory.table(), data, laws_of(prepared))
    board.close(finished=(run / "summary.json").is_file())
    return len(there)
