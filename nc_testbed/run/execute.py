"""One run: drive the loop, commit every generation, keep the view and the console up to
date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from nc_testbed.config.config_file import load_config, root, settings_hash
from nc_testbed.core.errors import require
from nc_testbed.core.exactness import copy_aligned
from nc_testbed.core.interfaces import Fit, Generation, Progress
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.laws.expected import expected_laws
from nc_testbed.laws.law import ExactLaw
from nc_testbed.loop.closed_loop import closed_loop, draw_again
from nc_testbed.loop.run import BEGINNING, Past, Run
from nc_testbed.record import lock
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.controls import NAME as CONTROLS
from nc_testbed.record.controls import read_controls, write_controls
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.disk_errors import exit_on_io_error, resume_command
from nc_testbed.record.facts import with_facts
from nc_testbed.record.summary import summarise
from nc_testbed.run.console import Console
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.ruler import controls_of_run
from nc_testbed.run.signals import Signals
from nc_testbed.view.tensorboard import Dashboard, rebuild
from nc_testbed.view.tensorboard_view import View


def check_directory(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a directory that holds a run with other settings, or something else."""
    settings = RunDirectory(path).made_with()
    remedy = "name another directory"
    damaged = f"holds a config.yaml that is damaged, or no run's; {remedy}"
    require(settings != "", "hydra.run.dir", path, damaged)
    other = f"holds a run with other settings; {remedy}, or give its settings"
    require(settings in (None, settings_hash(config)), "hydra.run.dir", path, other)


def execute(prepared: Prepared, config: Mapping[str, Any], path: Path) -> None:
    """Run all generations that the directory does not hold yet; then write summary.json.

    Raises BadInput where another process is writing there, or where what is there was
    made with other settings or from other data.
    """
    directory = RunDirectory(path)
    leave = partial(farewell, directory)
    with (
        exit_on_io_error(path),
        lock.run_lock(path),
        Signals(leave) as signals,
        OpenRun(prepared, config, directory) as opened,
    ):
        _execute(opened, signals)


def _execute(opened: OpenRun, signals: Signals) -> None:
    """All generations of a run that are not there yet."""
    statistics = ChainStatistics.from_records(opened.config)
    with Console(opened.run.generations, opened.next, statistics) as console:
        start = time.monotonic()
        for generation in opened.loop(signals.watch(console.step)):
            with signals.writing:
                opened.commit(generation)
            opened.show(generation)
            if generation.record:
                seconds = time.monotonic() - start
                console.generation(generation.number, seconds, generation.record)
            signals.check()
            start = time.monotonic()
        with signals.writing:
            summary = opened.finish()
        console.finish(summary, opened.path)


def farewell(directory: RunDirectory, name: str) -> None:
    """Leave a run's directory because of a signal of this name, and say how to go on."""
    with suppress(OSError):  # a copy of what the generations hold
        directory.write_table()
    line = f"nc_testbed: stopped by {name}; {resume_command(directory.path)}"
    print(line, file=sys.stderr, flush=True)


class OpenRun:
    """A run whose directory is open: what it holds already, and what is added to it.

    run: what the loop takes. config: the settings with what they led to. committed: the
    generations that the directory holds, ascending. The directory's lock must be held
    for as long as it is used, as a context manager. Raises BadInput for a directory
    made with other settings or other data.
    """

    def __init__(self, prepared: Prepared, config: Mapping[str, Any], directory: RunDirectory):
        self._start = time.monotonic()
        self.path = directory.path
        self.directory = directory
        check_directory(self.path, config)
        self.run = prepared.run(print, str(self.path))
        self.config = with_facts(config, self.run)
        _check_data(self.path, self.config)
        generations = self.run.stored_generations
        self.committed = list(
            generations[: directory.count_committed(generations, self.config)]
        )
        for line in directory.rejected:
            print(f"{line}; it is made again")
        directory.start(self.config)
        directory.forget(self.committed[:-1])
        directory.read_tables(self.committed)
        self.controls = self._recorded_controls() or self._measured_controls(prepared)
        self._laws = laws_of(prepared)
        self._view = View(self._dashboard, self.path)

    def __enter__(self) -> OpenRun:
        self._view.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._view.__exit__(*error)

    @property
    def next(self) -> int:
        """The generation after the last that is committed."""
        return self.committed[-1] + 1 if self.committed else 0

    def loop(self, progress: Progress) -> Iterator[Generation]:
        """The generations that are still to be made."""
        return closed_loop(self.run, self._past(), progress)

    def commit(self, generation: Generation) -> None:
        """Make a generation part of the record."""
        self.directory.commit(generation, self.config)
        self.directory.forget(self.committed[-1:])
        self.committed.append(generation.number)

    def show(self, generation: Generation) -> None:
        """Add a generation to the view, if it was measured."""
        if generation.record:
            self._view.generation(generation)

    def finish(self) -> dict[str, Any]:
        """Close the view and the record; the summary that ends it."""
        self._view.close()
        table = self.directory.table()
        seconds = time.monotonic() - self._start
        device = self.config["facts"]["device"]
        summary = summarise(
            table, self.config, seconds, device, laws=self._laws, controls=self.controls
        )
        text = json.dumps(summary, indent=1, allow_nan=False)
        self.directory.finish(self.config, text.encode())
        return summary

    def _recorded_controls(self) -> dict[str, Any] | None:
        """The controls that the directory keeps, None where they must be measured."""
        try:
            return read_controls(self.path, self.config)
        except ValueError as error:
            print(f"{CONTROLS} is {error}; it is made again")
            return None

    def _measured_controls(self, prepared: Prepared) -> dict[str, Any]:
        """What every column reads on control rows, now part of the record; nothing where
        no rows are measured."""
        if prepared.evaluation_rows == 0:
            return {}
        columns = ChainStatistics.from_records(self.config).columns
        controls = controls_of_run(prepared, self.run.reference, print).summary(columns)
        write_controls(self.path, controls, self.config)
        return controls

    def _past(self) -> Past:
        """What the loop goes on from, read from the record as it is needed."""
        if not self.committed:
            return BEGINNING
        directory = self.directory
        skipped = max(0, self.next - self.run.store.history(self.run))
        sets = (synthetic(directory, self.run, g) for g in range(skipped, self.next))
        first, last = (fit_of(directory, self.run, self.committed[i]) for i in (0, -1))
        return Past(sets, last, first, skipped, directory.statistic(self.committed[-1]))

    def _dashboard(self) -> Dashboard:
        table = self.directory.table()
        return rebuild(self.path, self.config, table, self.run.data, self._laws)


def synthetic(directory: RunDirectory, run: Run, generation: int) -> Tensor:
    """The synthetic set of a committed generation, drawn again where it was not kept.

    Raises BadInput where this machine does not draw the rows that were recorded.
    """
    rows = directory.synthetic(generation)
    if rows is not None:
        return rows.to(run.device)
    rows = draw_again(run, fit_of(directory, run, generation), generation)
    remedy = f"generation {generation} cannot be drawn again as it was: go on where it was made"
    require(directory.is_synthetic(generation, rows), "store", directory.path, remedy)
    return rows


def fit_of(directory: RunDirectory, run: Run, generation: int) -> Fit:
    """The fit of a committed generation."""
    weights = {k: copy_aligned(v, run.device) for k, v in directory.weights(generation).items()}
    return run.model.restore(weights, run.data.space)


def laws_of(run: Prepared) -> dict[str, ExactLaw]:
    """The exact laws of a run, by metric; none where its data have no known one.

    None either where samples are biased, or drawn afresh at every step: the laws are of n
    rows.
    """
    settings = run.settings
    if settings.stream or settings.sampling.temperature != 1:
        return {}
    true_parameters = run.data.true_parameters
    if isinstance(run.model, FamilyModel):
        family = run.model.family()
        true_parameters = tuple(pair for pair in true_parameters if pair[0] == family)
    if not true_parameters or not true_parameters[0][1]:
        return {}
    truth = true_parameters[0][1]
    return expected_laws(run.model, truth, run.policy, run.sizes[:-1], settings.budget)


def _check_data(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse to go on from other real data, or
    with another referee, than a run began with."""
    try:
        existing = load_config(path)
    except ValueError:  # damaged, and written anew
        return
    remedy = "holds a run on other real data or with another referee; name another directory"
    same = existing is None or root(existing) == root(config)
    require(same, "hydra.run.dir", path, remedy)
