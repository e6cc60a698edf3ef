"""One run: drive the loop, commit every generation, keep the view and the console up to date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from nc_testbed.config.config_file import root, settings_hash, stored
from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Fit, Generation, Progress
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.laws.expected import expected
from nc_testbed.laws.law import Law
from nc_testbed.loop.closed_loop import World, closed_loop, drawn_again
from nc_testbed.loop.statistics_loop import Laboratory, statistics_loop
from nc_testbed.metrics.column import Columns
from nc_testbed.record import lock
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.disk_errors import exit_on_io_error, resume_command
from nc_testbed.record.summary import summarise
from nc_testbed.run.console import Console
from nc_testbed.run.facts import recorded
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.signals import Signals
from nc_testbed.view.tensorboard import Dashboard, rebuild
from nc_testbed.view.tensorboard_view import View


def check_directory(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a directory that holds a run with other settings, or something else."""
    there = RunDirectory(path).made_with()
    remedy = "name another directory"
    known = f"holds a config.yaml that is damaged, or no run's; {remedy}"
    require(there != "", "hydra.run.dir", path, known)
    other = f"holds a run with other settings; {remedy}, or give its settings"
    require(there in (None, settings_hash(config)), "hydra.run.dir", path, other)


def execute(prepared: Prepared | Laboratory, config: Mapping[str, Any], path: Path) -> None:
    """Run all generations that the directory does not hold yet; then write summary.json.

    Raises BadInput where another process is writing there, or where what is there was made with
    other settings or from other data.
    """
    directory = RunDirectory(path)
    leave = partial(farewell, directory)
    with (
        exit_on_io_error(path),
        lock.run_lock(path),
        Signals(leave) as signals,
        Open(prepared, config, directory) as run,
    ):
        _execute(run, signals)


def _execute(run: Open, signals: Signals) -> None:
    """All generations of a run that are not there yet."""
    columns = Columns.from_records(run.config)
    with Console(run.world.generations, run.next, columns) as console:
        since = time.monotonic()
        for generation in loop(run, signals.watched(console.step)):
            with signals.writing:
                run.commit(generation)
            run.show(generation)
            if generation.record:
                seconds = time.monotonic() - since
                console.generation(generation.number, seconds, generation.record)
            signals.check()
            since = time.monotonic()
        with signals.writing:
            summary = run.finish()
        console.finish(summary, run.path)


def farewell(directory: RunDirectory, name: str) -> None:
    """Leave a run's directory because of a signal of this name, and say how to go on."""
    with suppress(OSError):  # a copy of what the generations hold
        directory.write_table()
    line = f"nc_testbed: stopped by {name}; {resume_command(directory.path)}"
    print(line, file=sys.stderr, flush=True)


class Open:
    """A run whose directory is open: what it holds already, and what is added to it.

    world: what the loop needs. config: the settings with what they led to. there: the generations
    that are committed, ascending. The directory's lock must be held for as long as it is used, as
    a context manager. Raises BadInput for a directory made with other settings or other data.
    """

    def __init__(
        self,
        prepared: Prepared | Laboratory,
        config: Mapping[str, Any],
        directory: RunDirectory,
    ):
        self._began, self.path, self.directory = time.monotonic(), directory.path, directory
        check_directory(self.path, config)
        lab = isinstance(prepared, Laboratory)
        self.world = prepared if lab else prepared.world(print, str(self.path))
        self.config = recorded(config, self.world)
        _check_data(self.path, self.config)
        wanted = generations_of(self.world)
        self.there = list(wanted[: directory.count_committed(wanted, self.config)])
        for line in directory.rejected:
            print(f"{line}; it is made again")
        directory.start(self.config)
        directory.forget(self.there[:-1])
        directory.read_tables(self.there)
        self._laws = laws_of(prepared)
        self._view = View(self._dashboard, self.path)

    def __enter__(self) -> Open:
        self._view.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._view.__exit__(*error)

    @property
    def next(self) -> int:
        """The generation after the last that is there."""
        return self.there[-1] + 1 if self.there else 0

    def commit(self, generation: Generation) -> None:
        """Make a generation part of the record."""
        self.directory.commit(generation, self.config)
        self.directory.forget(self.there[-1:])
        self.there.append(generation.number)

    def show(self, generation: Generation) -> None:
        """Add a generation to the view, if it was measured."""
        if generation.record:
            self._view.generation(generation)

    def finish(self) -> dict[str, Any]:
        """Close the view and the record; the summary that ends it."""
        self._view.close()
        table, seconds = self.directory.table(), time.monotonic() - self._began
        device = self.config["facts"]["device"]
        summary = summarise(table, self.config, seconds, device, laws=self._laws)
        said = json.dumps(summary, indent=1, allow_nan=False).encode()
        self.directory.finish(self.config, said)
        return summary

    def _dashboard(self) -> Dashboard:
        data = self.world.data if isinstance(self.world, World) else None
        return rebuild(self.path, self.config, self.directory.table(), data, self._laws)


def loop(run: Open, progress: Progress) -> Iterator[Generation]:
    """The generations that are not there yet."""
    world, directory, there = run.world, run.directory, run.there
    if isinstance(world, World):
        skipped = max(0, len(there) - (world.policy.window or len(there)))
        past = (synthetic(directory, world, g) for g in there[skipped:])
        first, last = (fit_of(directory, world, there[i]) if there else None for i in (0, -1))
        return closed_loop(world, past, last, progress, first, skipped)
    last = None
    if there:
        weights, statistic = directory.weights(there[-1]), directory.statistic(there[-1])
        last = Generation(there[-1], weights, {}, statistic=statistic)
    return statistics_loop(world, last, progress)


def generations_of(world: World | Laboratory) -> Sequence[int]:
    """The generations that a run stores, ascending."""
    return world.recorded if isinstance(world, Laboratory) else range(world.generations)


def synthetic(directory: RunDirectory, world: World, generation: int) -> Tensor:
    """The synthetic set of a generation that is there, drawn again where it was not kept.

    Raises BadInput where this machine does not draw the rows that were recorded.
    """
    rows = directory.synthetic(generation)
    if rows is not None:
        return rows.to(world.device)
    rows = drawn_again(world, fit_of(directory, world, generation), generation)
    remedy = f"generation {generation} cannot be drawn again as it was: go on where it was made"
    require(directory.is_synthetic(generation, rows), "store", directory.path, remedy)
    return rows


def fit_of(directory: RunDirectory, world: World, generation: int) -> Fit:
    """The fit of a generation that is there."""
    # Copies, since products round by where a chain begins in memory and files begin anywhere.
    weights = {k: v.to(world.device).clone() for k, v in directory.weights(generation).items()}
    return world.model.restore(weights, world.data.space)


def laws_of(run: Prepared | Laboratory) -> dict[str, Law]:
    """The exact laws of a run, by metric; none where its data have no known one.

    None either where samples are biased, or drawn afresh at every step: the laws are of n rows.
    """
    if isinstance(run, Laboratory):
        args = (run.policy, run.sizes[:-1], run.budget)
        return expected(run.model, run.truth, *args) if run.temperature == 1 else {}
    if run.settings.stream or run.settings.sampling.temperature != 1:
        return {}
    true_parameters = run.data.true_parameters
    if isinstance(run.model, FamilyModel):
        true_parameters = tuple(pair for pair in true_parameters if pair[0] == run.model.family())
    args = (run.policy, run.sizes[:-1], run.settings.budget)
    return (
        expected(run.model, true_parameters[0][1], *args)
        if true_parameters and true_parameters[0][1]
        else {}
    )


def _check_data(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse to go on from other real data, or with another referee, than a run began with."""
    try:
        there = stored(path)
    except ValueError:  # damaged, and written anew
        return
    remedy = "holds a run on other real data or with another referee; name another directory"
    same = there is None or root(there) == root(config)
    require(same, "hydra.run.dir", path, remedy)
