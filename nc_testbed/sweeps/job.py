"""One job of a sweep, in whichever process an engine has started it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import STUDY
from nc_testbed.config.config_file import load_config
from nc_testbed.config.hydra_app import launched_job
from nc_testbed.metrics.column import Columns
from nc_testbed.record.lock import InUse
from nc_testbed.record.summary import interval_of
from nc_testbed.run.execute import execute
from nc_testbed.run.packed import Prepare
from nc_testbed.run.prepare import prepare as prepare_run
from nc_testbed.sweeps.finished_jobs import complete_manifest
from nc_testbed.sweeps.job_status import Word, Words
from nc_testbed.sweeps.objective import Objective, objective_of

LOG = "log.txt"
"""What a job would print lies in its directory."""
WAIT = 1.0
"""Seconds between two looks at a run that another process is making."""


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep: its number, what is swept over (``policy.k=1,seed=2``), its
    directory, its sweep's, its settings, and what a search makes of it."""

    number: int
    label: str
    path: Path
    sweep: Path
    config: dict[str, Any]
    objective: Objective | None = None

    def teller(self, start_time: float) -> Callable[..., None]:
        """A function that leaves word of this job: ``say(state, text, value)``."""
        words = Words(self.sweep)
        start = words.start

        def say(state: str, text: str = "", value: float | None = None) -> None:
            seconds = round(time.monotonic() - start_time, 3)
            path = str(self.path)
            word = Word(self.number, state, self.label, path, seconds, text, value, start)
            with contextlib.suppress(OSError):  # on a full disk: the run is told of in its log
                words.say(word)

        return say


def job_of(cfg: Any) -> SweepJob:
    """The job that Hydra is about to start, in the directory that it made for it.

    It goes on in the folder in which the sweep was started: a worker of a cluster begins
    elsewhere.
    """
    config, location = launched_job(cfg)
    os.chdir(location.pop("cwd"))
    objective = {key: config.pop(key) for key in STUDY}["objective"]
    return SweepJob(**location, config=config, objective=objective_of(objective))


def run_launched(cfg: Any) -> float | None:
    """What Hydra's launchers are given: make the run of a job; returns the objective."""
    return run_job(job_of(cfg), prepare_run)


def run_job(job: SweepJob, prepare: Prepare, start_time: float | None = None) -> float | None:
    """Make a run unless it is there, and leave word of it; returns the objective.

    start_time: when the run was begun that is there now (:func:`time.monotonic`), None
    for one of an earlier sweep. What goes wrong ends this job alone: it is said, and None
    is returned. A signal that ends a run ends the process, as ever.
    """
    say = job.teller(time.monotonic() if start_time is None else start_time)
    say("running")
    try:
        state = "there" if _is_complete(job, prepare, say) and start_time is None else "done"
        value = None if job.objective is None else job.objective.value(job.config, job.path)
        say(state, headline(job.path), value)
        return value
    except Exception as error:
        say("failed", reason(error))
    except SystemExit as left:
        if not isinstance(left.code, str):
            say("stopped", f"status {left.code}")
            raise
        print(left.code, file=sys.stderr, flush=True)  # a disk that is full may hold no word
        say("failed", left.code.removeprefix("nc_testbed: "))
    except KeyboardInterrupt:
        say("stopped", "Ctrl-C")
        raise
    return None


def _is_complete(job: SweepJob, prepare: Prepare, say: Callable[[str, str], None]) -> bool:
    """Whether the run was whole before; once this returns it is. A run that another
    process makes is waited for."""
    while True:
        if complete_manifest(job.path, job.config) is not None:
            return True
        try:
            with log_to_run(job.path):
                execute(prepare(job.config), job.config, job.path)
                return False
        except InUse as error:
            say("waiting", str(error))
            time.sleep(WAIT)


@contextlib.contextmanager
def log_to_run(path: Path) -> Generator[None]:
    """What is printed, and what goes wrong, in the log of a run's directory."""
    path.mkdir(parents=True, exist_ok=True)
    with open(path / LOG, "a") as log, contextlib.redirect_stdout(log):
        try:
            yield
        except Exception:
            traceback.print_exc(file=log)
            raise


def headline(run: Path) -> str:
    """The figures that a run is judged by at its last generation, with 95% intervals."""
    metrics = json.loads((run / "summary.json").read_bytes())["metrics"]
    columns = Columns.from_records(load_config(run) or {})
    names = columns.beside(metrics) or list(metrics)[:1]
    return "  ".join(f"{name} {interval_of(metrics[name]['last']).text()}" for name in names)


def reason(error: BaseException) -> str:
    """An error in one line.

    >>> reason(ValueError("one\\ntwo"))
    'ValueError: one'
    """
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    return text if kind in ("BadInput", "InUse") else f"{kind}: {text}".rstrip(": ")
