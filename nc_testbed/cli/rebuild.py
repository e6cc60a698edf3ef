"""The verb ``rebuild``: make a run's TensorBoard view anew from its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nc_testbed.cli.door import verb
from nc_testbed.cli.resume import run_settings
from nc_testbed.config.command_line import read_command
from nc_testbed.config.config_file import load_config
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import require

HELP = """Make the TensorBoard view of a run anew, from its record alone.

nc-testbed rebuild outputs/my_run

  FOLDER   runs
  out      the folder written to, of a single run; default: tensorboard/ in the run"""


@dataclass(frozen=True)
class RebuildSettings:
    """The words of the verb: see HELP."""

    folders: tuple[str, ...]
    out: str | None = None


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Rebuild the views of the runs; print how many generations each shows, and where."""
    settings = read_command(RebuildSettings, words)
    single = settings.out is None or len(settings.folders) == 1
    require(single, "out", settings.out, "name one run to go with it")
    for folder in settings.folders:
        out = Path(folder) / "tensorboard"
        if settings.out is not None:
            out = output("out", settings.out)
        print(f"{rebuild_view(Path(folder), out)} generations: {out}")


def rebuild_view(run: Path, out: Path) -> int:
    """Write the view of a run to a folder; the number of generations that its record
    holds.

    Data and exact laws are read or computed again. Raises BadInput where there is no run,
    or where its settings or data are no longer understood.
    """
    config_of_run = run_settings(run, "run")

    from nc_testbed.record.directory import RunDirectory  # torch: not for a help page
    from nc_testbed.run.execute import laws_of
    from nc_testbed.run.prepare import prepare
    from nc_testbed.view.tensorboard import rebuild

    config = load_config(run) or {}
    directory = RunDirectory(run)
    prepared = prepare(config_of_run)
    steps = prepared.stored_generations
    complete = steps[: directory.count_committed(steps, config)]
    require(len(complete) > 0, "run", run, "its record holds no generation yet")
    directory.read_tables(complete)
    laws = laws_of(prepared)
    board = rebuild(run, config, directory.table(), prepared.data, laws, out)
    board.close(finished=(run / "summary.json").is_file())
    return len(complete)
