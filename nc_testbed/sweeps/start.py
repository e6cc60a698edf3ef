"""A sweep from its first job to its last line."""

from __future__ import annotations

import contextlib
import secrets
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NoReturn

from nc_testbed.record import lock
from nc_testbed.run.signals import STATUS
from nc_testbed.sweeps import engines
from nc_testbed.sweeps.console import SweepConsole, closing
from nc_testbed.sweeps.finished_jobs import remarks
from nc_testbed.sweeps.job_status import Words
from nc_testbed.sweeps.planned import Sweep


def start(sweep: Sweep, launch: Callable[[], None]) -> list[Path]:
    """Launch the jobs of a sweep, telling of each that ends; returns the directories of
    all.

    Exits with 1 where a job has failed, once all the others have been made. Raises
    BadInput where another process sweeps in the same folder.
    """
    words = Words(sweep.folder)
    name = secrets.token_hex(4)
    engines.set_environment()
    with lock.run_lock(sweep.folder, "hydra.sweep.dir"):
        words.begin(name)
        complete = sum(job.manifest is not None for job in sweep.jobs)
        console = SweepConsole(words, name, sweep.total, complete)
        for line in remarks(sweep.jobs):
            console.say(line)
        try:
            with _end_in_order(sweep.apart), console:
                launch()
        finally:
            for line in closing(console, sweep):
                console.say(line)
    failed = [word for word in console.ended.values() if word.state == "failed"]
    if failed or len(console.ended) < sweep.total:
        sys.exit(1)
    return [Path(word.path) for _, word in sorted(console.ended.items())]


@contextlib.contextmanager
def _end_in_order(apart: bool) -> Generator[None]:
    """Signals that end a process end it in order where jobs run in others: an engine then
    stops its workers. A job in this process handles them itself."""
    before = {}
    if apart:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: object) -> NoReturn:
    sys.exit(STATUS[number])
