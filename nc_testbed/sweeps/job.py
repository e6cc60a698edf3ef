"""One job of a sweep, in whichever process an engine has started it."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.intervals import Interval
from nc_testbed.run.families import beside
from nc_testbed.run.lock import InUse
from nc_testbed.sweeps.before import whole
from nc_testbed.sweeps.objective import Objective
from nc_testbed.sweeps.words import Word, Words

LOG = "log.txt"
"""What a job would print lies in its directory."""
WAIT = 1.0
"""Seconds between two looks at a run that another process is making."""


@dataclass(frozen=True)
class Job:
    """A job's number, what is swept over (``policy.k=1,seed=2``), its directory, its sweep's."""

    number: int
    label: str
    path: Path
    sweep: Path


def run(
    job: Job, config: Mapping[str, Any], make: Callable[[], None], objective: Objective | None
) -> float | None:
    """Make a run unless it is there, and leave word of it; returns the objective.

    What goes wrong ends this job alone: it is said, and None is returned. A signal that ends a
    run ends the process, as ever.
    """
    words, began = Words(job.sweep), time.monotonic()
    start = words.start

    def say(state: str, text: str = "", value: float | None = None) -> None:
        seconds = round(time.monotonic() - began, 3)
        word = Word(job.number, state, job.label, str(job.path), seconds, text, value, start)
        with contextlib.suppress(OSError):  # on a full disk: the run is told of in its log
            words.say(word)

    say("running")
    try:
        state = _made(job.path, config, make, say)
        value = None if objective is None else objective.value(config, job.path)
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


def _made(
    path: Path, config: Mapping[str, Any], make: Callable[[], None], say: Callable[[str, str], None]
) -> str:
    """``there`` if the run was whole before, ``done`` once it is. A run that another process makes
    is waited for."""
    while True:
        if whole(path, config) is not None:
            return "there"
        try:
            with open(path / LOG, "a") as log, contextlib.redirect_stdout(log):
                try:
                    make()
                    return "done"
                except Exception:
                    traceback.print_exc(file=log)
                    raise
        except InUse as error:
            say("waiting", str(error))
            time.sleep(WAIT)


def headline(run: Path) -> str:
    """The figures that a run is judged by at its last generation, with 95% intervals."""
    metrics = json.loads((run / "summary.json").read_bytes())["metrics"]
    names = beside(metrics) or list(metrics)[:1]
    return "  ".join(f"{name} {_text(metrics[name]['last'])}" for name in names)


def _text(end: Mapping[str, Any]) -> str:
    numbers = (float("nan") if end[k] is None else end[k] for k in ("mean", "low", "high"))
    return Interval.of(*numbers, chains=end["chains"]).text()


def reason(error: BaseException) -> str:
    """An error in one line.

    >>> reason(ValueError("one\\ntwo"))
    'ValueError: one'
    """
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    return text if kind in ("BadInput", "InUse") else f"{kind}: {text}".rstrip(": ")
